//! Opening a function: where it declares what it uses, and gets the handles to use it with.

use core::str::FromStr;
use core::time::Duration;

use crate::config;
use crate::context::Runtime;
use crate::declaration::{
    CONTRACT, Declaration, Shape, StoreDeclaration, StoreKind, TimeDomain, TimerDeclaration,
};
use crate::error::{Error, Result};
use crate::key::StoreKey;
use crate::output::{Input, Output};
use crate::store::{OrderedStore, Schema, Store, StoreValue};
use crate::timer::Timer;
use crate::windows::Windows;

/// What the host tells a function when it opens it.
#[derive(Debug, Clone, Default)]
pub struct SetupInfo {
    /// `tenant/name`.
    pub function: String,
    /// The oldest version of the contract that the host speaks.
    pub contract_min: u32,
    /// The newest.
    pub contract_max: u32,
    /// Names of the subscriptions, by input index.
    pub inputs: Vec<String>,
}

/// Declares what a function uses. Each call answers a handle: keep it in the function, and use it
/// with the [`Context`](crate::Context) of a call. Names are `[a-z][a-z0-9-]*`.
pub struct Setup<'a> {
    info: &'a SetupInfo,
    declaration: Declaration,
    runtime: &'a mut Runtime,
    mistake: Option<Error>,
}

impl<'a> Setup<'a> {
    pub(crate) fn new(info: &'a SetupInfo, runtime: &'a mut Runtime) -> Result<Self> {
        if info.contract_min > CONTRACT || info.contract_max < CONTRACT {
            return Err(Error::fail(
                "this function speaks version 1 of the contract, the host does not: rebuild it \
                 with an SDK of the host's release",
            ));
        }
        Ok(Self { info, declaration: Declaration::default(), runtime, mistake: None })
    }

    pub(crate) fn finish(mut self) -> Result<Declaration> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        if self.declaration.outputs.is_empty() {
            self.output("out");
        }
        if self.declaration.tells_time {
            self.declaration.windows.push(("event_time", "guest".to_owned()));
        }
        Ok(self.declaration)
    }

    /// Tenant and name of the function, `tenant/name`.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.info.function
    }

    /// An output. The manifest maps it to a topic. A function that declares none has one called
    /// `out`: [`OUT`](crate::OUT).
    pub fn output(&mut self, name: &str) -> Output {
        let outputs = &mut self.declaration.outputs;
        let known = outputs.iter().position(|output| output == name);
        Output(known.unwrap_or_else(|| {
            outputs.push(name.to_owned());
            outputs.len() - 1
        }) as u16)
    }

    /// The names of the inputs, in the order of the manifest.
    #[must_use]
    pub fn inputs(&self) -> &[String] {
        &self.info.inputs
    }

    /// An input by its name, to tell records of several subscriptions apart with
    /// [`Input::is_of`].
    ///
    /// # Errors
    /// Where the function has subscriptions, and none of this name.
    pub fn input(&mut self, name: &str) -> Result<Input> {
        self.declaration.inputs = true;
        let inputs = &self.info.inputs;
        match inputs.iter().position(|input| input == name) {
            Some(index) => Ok(Input(index as u16)),
            // A tool that only asks what the function declares has no subscriptions to offer.
            None if inputs.is_empty() => Ok(Input(u16::MAX)),
            None => Err(Error::fail(format!(
                "the function reads an input called `{name}`; its subscriptions are {}: name one \
                 of them so in the manifest",
                inputs.join(", ")
            ))),
        }
    }

    /// A state store: a hash map from `K` to `V`, of the task's own.
    pub fn store<K: StoreKey, V: StoreValue>(&mut self, name: &str) -> Store<K, V> {
        self.store_with(name, Schema::default())
    }

    /// A state store whose values have a version, and are migrated from others.
    pub fn store_with<K: StoreKey, V: StoreValue>(
        &mut self,
        name: &str,
        schema: Schema<V>,
    ) -> Store<K, V> {
        Store::new(self.declare_store::<V>(name, StoreKind::Kv, schema))
    }

    /// A state store that is kept in the order of its keys, for range scans.
    pub fn ordered_store<K: StoreKey, V: StoreValue>(&mut self, name: &str) -> OrderedStore<K, V> {
        self.ordered_store_with(name, Schema::default())
    }

    /// An ordered store whose values have a version, and are migrated from others.
    pub fn ordered_store_with<K: StoreKey, V: StoreValue>(
        &mut self,
        name: &str,
        schema: Schema<V>,
    ) -> OrderedStore<K, V> {
        OrderedStore::new(self.declare_store::<V>(name, StoreKind::Ordered, schema))
    }

    fn declare_store<V: StoreValue>(
        &mut self,
        name: &str,
        kind: StoreKind,
        schema: Schema<V>,
    ) -> u16 {
        let index = self.declaration.stores.len() as u16;
        if self.mistake.is_none() {
            self.mistake = schema.mistake(name);
        }
        let version = schema.written();
        let name = name.to_owned();
        self.runtime.add_cache(index, &name, schema);
        self.declaration.stores.push(StoreDeclaration { name, kind, schema: version });
        index
    }

    /// A timer that follows event time: it fires once the watermark has passed it.
    pub fn event_timer(&mut self, name: &str) -> Timer {
        self.timer(name, TimeDomain::Event)
    }

    /// A timer that follows the wall clock, as recorded with each commit.
    pub fn processing_timer(&mut self, name: &str) -> Timer {
        self.timer(name, TimeDomain::Processing)
    }

    fn timer(&mut self, name: &str, domain: TimeDomain) -> Timer {
        self.declaration.timers.push(TimerDeclaration { name: name.to_owned(), domain });
        Timer(self.declaration.timers.len() as u16 - 1)
    }

    /// The windows of an [`Aggregate`](crate::Aggregate) or [`Window`](crate::Window) function.
    pub fn windows(&mut self, windows: Windows) {
        if let Some(late) = windows.late() {
            self.output(late);
        }
        self.declaration.windows = windows.into_settings();
    }

    pub(crate) fn window_shape(&mut self, shape: Shape) -> Result<()> {
        let windows = &mut self.declaration.windows;
        if windows.is_empty() {
            return Err(Error::fail(
                "a windowed function must declare its windows: call `setup.windows(...)` in `open`",
            ));
        }
        let shape = match shape {
            Shape::Contents => "contents",
            Shape::Incremental => "incremental",
        };
        windows.push(("shape", shape.to_owned()));
        Ok(())
    }

    /// Asks for each record's offset: see [`Record::offset`](crate::Record::offset).
    pub fn with_offsets(&mut self) {
        self.declaration.offsets = true;
    }

    /// Says that the function answers batches of kind `Times`: see [`event_time`](crate::event_time()).
    pub fn tells_time(&mut self) {
        self.declaration.tells_time = true;
    }

    /// A configuration entry, read as a `T`; `default` where there is none.
    ///
    /// # Errors
    /// Where there is one that is not a `T`: the error names it.
    pub fn config_or<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        match config::get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| {
                Error::fail(format!("the configuration entry `{name}` cannot be {text:?}"))
            }),
        }
    }

    /// A configuration entry that is a number of ms; `default` where there is none.
    ///
    /// # Errors
    /// Where there is one that is not a whole number.
    pub fn config_ms_or(&self, name: &str, default: Duration) -> Result<Duration> {
        let default_ms = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        self.config_or(name, default_ms).map(Duration::from_millis)
    }
}
