//! Reading two ordered tables as one.

use std::cmp::Ordering;
use std::iter::Peekable;

use crate::slot::Slot;
use crate::table::{KeyRange, Ordered, Table};

type Entries<'a> = Peekable<Box<dyn Iterator<Item = (&'a [u8], &'a Slot)> + 'a>>;

/// The entries of a range of a base under an overlay, in order, without tombstones.
pub(crate) struct Merge<'a> {
    base: Entries<'a>,
    overlay: Option<Entries<'a>>,
    reverse: bool,
}

impl<'a> Merge<'a> {
    /// `None` where the tables have no order.
    pub(crate) fn new(
        base: &'a Table,
        overlay: Option<&'a Table>,
        range: KeyRange<'_>,
        reverse: bool,
    ) -> Option<Self> {
        let ordered = |table: &'a Table| match table {
            Table::Ordered(table) => Some(entries(table, range, reverse)),
            Table::Kv(_) => None,
        };
        let overlay = match overlay {
            Some(overlay) => Some(ordered(overlay)?),
            None => None,
        };
        Some(Self { base: ordered(base)?, overlay, reverse })
    }

    /// The next slot of either table, tombstones included.
    fn step(&mut self) -> Option<(&'a [u8], &'a Slot)> {
        let Some(overlay) = &mut self.overlay else { return self.base.next() };
        let order = match (self.base.peek(), overlay.peek()) {
            (Some(base), Some(over)) if self.reverse => over.0.cmp(base.0),
            (Some(base), Some(over)) => base.0.cmp(over.0),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => self.base.next(),
            Ordering::Equal => {
                self.base.next();
                overlay.next()
            }
            Ordering::Greater => overlay.next(),
        }
    }
}

fn entries<'a>(table: &'a Ordered, range: KeyRange<'_>, reverse: bool) -> Entries<'a> {
    let range = table.range(range);
    let boxed: Box<dyn Iterator<Item = _>> =
        if reverse { Box::new(range.rev()) } else { Box::new(range) };
    boxed.peekable()
}

impl<'a> Iterator for Merge<'a> {
    type Item = (&'a [u8], &'a Slot);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (key, slot) = self.step()?;
            if slot.value.is_some() {
                return Some((key, slot));
            }
        }
    }
}
