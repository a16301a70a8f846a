//! Windows whose records are kept until they fire.

use pelton_batch::{Batch, Group, Groups, Kind, Pane, Records, RecordsBuilder};

use crate::context::{Context, Runtime, Units};
use crate::declaration::Shape;
use crate::error::{Error, Result};
use crate::function::{Function, unexpected};
use crate::record::Record;
use crate::setup::Setup;
use crate::windows::{Fired, Windows};

/// A function over the whole contents of windows. [`crate::window!`] makes it a component.
///
/// ```
/// use std::time::Duration;
/// use pelton_sdk::prelude::*;
///
/// struct Longest;
///
/// impl Window for Longest {
///     fn open(setup: &mut Setup) -> Result<Self> {
///         setup.windows(Windows::tumbling(Duration::from_hours(1)));
///         Ok(Self)
///     }
///
///     fn fire(&mut self, window: &Fired, records: &Contents, ctx: &mut Context) -> Result<()> {
///         let longest = records.iter().max_by_key(|record| record.value_bytes().len());
///         OUT.emit(ctx, window.key(), longest.and_then(|record| record.value()))
///     }
/// }
///
/// pelton_sdk::window!(Longest);
/// ```
pub trait Window: Send + Sized + 'static {
    /// Declares the windows ([`Setup::windows`]) and what else the function uses.
    ///
    /// # Errors
    /// Where the function cannot work as it is configured.
    fn open(setup: &mut Setup<'_>) -> Result<Self>;

    /// Takes a window that fires, with its records in the order in which they came.
    ///
    /// # Errors
    /// The window goes to the dead letters, or is tried again.
    fn fire(
        &mut self,
        window: &Fired<'_>,
        records: &Contents<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<()>;
}

/// The function that `W` is.
#[must_use]
pub fn window<W: Window>() -> impl Function {
    WindowFunction::<W> { function: None, pieces: Pieces::default() }
}

/// A function over the contents of windows that needs no handles but [`OUT`](crate::OUT).
pub fn window_with<F>(windows: Windows, fire: F) -> impl Function
where
    F: Fn(&Fired<'_>, &Contents<'_>, &mut Context<'_>) -> Result<()> + Send + 'static,
{
    Closure { windows, fire, pieces: Pieces::default() }
}

/// The records of a window.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    records: &'a Records<'a>,
    /// The group whose rows they are; `None`: all rows.
    group: Option<(&'a Groups<'a>, usize)>,
}

impl<'a> Contents<'a> {
    /// The records in order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let records = self.records;
        let of_group = self.group.map(|(groups, index)| groups.rows(index));
        let all = self.group.is_none().then(|| 0..records.len());
        let rows = of_group.into_iter().flatten().chain(all.into_iter().flatten());
        rows.map(move |row| Record::new(records, row))
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

struct WindowFunction<W> {
    function: Option<W>,
    pieces: Pieces,
}

impl<W: Window> Function for WindowFunction<W> {
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        self.function = Some(W::open(setup)?);
        setup.window_shape(Shape::Contents)
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        let Some(function) = &mut self.function else { return Err(Error::fail("not open")) };
        if batch.kind() == Kind::Migrate {
            return runtime.migrate(batch);
        }
        fire(batch, runtime, &mut self.pieces, |window, records, ctx| {
            function.fire(window, records, ctx)
        })
    }
}

struct Closure<F> {
    windows: Windows,
    fire: F,
    pieces: Pieces,
}

impl<F> Function for Closure<F>
where
    F: Fn(&Fired<'_>, &Contents<'_>, &mut Context<'_>) -> Result<()> + Send + 'static,
{
    fn open(&mut self, setup: &mut Setup<'_>) -> Result<()> {
        setup.output("out");
        setup.windows(self.windows.clone());
        setup.window_shape(Shape::Contents)
    }

    fn call(&mut self, batch: Batch<'_>, runtime: &mut Runtime) -> Result<Vec<u8>> {
        fire(batch, runtime, &mut self.pieces, &self.fire)
    }
}

fn fire(
    batch: Batch<'_>,
    runtime: &mut Runtime,
    pieces: &mut Pieces,
    mut work: impl FnMut(&Fired<'_>, &Contents<'_>, &mut Context<'_>) -> Result<()>,
) -> Result<Vec<u8>> {
    if batch.kind() != Kind::Window {
        return Err(unexpected(batch.kind()));
    }
    let groups = batch.groups()?;
    let records = groups.records();
    let mut ctx = Context::new(runtime, Units::Groups(&groups));
    for group in groups.iter() {
        ctx.begin(group.index);
        let window = Fired { group };
        let result = if group.pane.has(Pane::FIRST | Pane::LAST) {
            let group = Some((&groups, group.index));
            work(&window, &Contents { records: &records, group }, &mut ctx)
        } else {
            match pieces.add(&groups, &group) {
                Ok(None) => Ok(()),
                Ok(Some(whole)) => Batch::parse(&whole)
                    .and_then(Batch::records)
                    .map_err(Error::from)
                    .and_then(|records| {
                        let contents = Contents { records: &records, group: None };
                        work(&window, &contents, &mut ctx)
                    }),
                Err(error) => Err(error),
            }
        };
        if !ctx.end(result)? {
            break;
        }
    }
    runtime.answer()
}

/// Contents that come in several pieces: kept until the last one. The host commits nothing in
/// between, and begins again with the first piece where it lost the instance.
#[derive(Default)]
struct Pieces {
    waiting: Vec<(Identity, RecordsBuilder)>,
}

#[derive(PartialEq)]
struct Identity {
    key: Option<Vec<u8>>,
    start: i64,
    end: i64,
}

impl Pieces {
    /// Adds a piece; answers the whole contents, as a batch of records, with the last.
    fn add(&mut self, groups: &Groups<'_>, group: &Group<'_>) -> Result<Option<Vec<u8>>> {
        let key = group.key.map(<[u8]>::to_vec);
        let identity = Identity { key, start: group.start, end: group.end };
        let known = self.waiting.iter().position(|(waiting, _)| *waiting == identity);
        let at = match (known, group.pane.has(Pane::FIRST)) {
            (Some(at), true) => {
                self.waiting[at].1.clear();
                at
            }
            (Some(at), false) => at,
            (None, true) => {
                self.waiting.push((identity, RecordsBuilder::new()));
                self.waiting.len() - 1
            }
            (None, false) => return Err(Error::fail("a window's contents lack the first piece")),
        };
        let records = groups.records();
        for row in groups.rows(group.index) {
            self.waiting[at].1.push_from(&records, row);
        }
        let last = group.pane.has(Pane::LAST);
        Ok(last.then(|| self.waiting.swap_remove(at).1.finish()))
    }
}
