//! `std:top`.

use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tell;
use crate::field::{Field, pointer};
use crate::settings::Settings;

/// The most that are kept.
const MOST: usize = 1_000;

/// The records with the largest numbers.
pub(crate) struct Top {
    field: Field,
    item: String,
    most: usize,
}

/// A record that is among the first so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    by: f64,
    /// JSON text.
    item: String,
}

#[derive(Serialize)]
struct Listed {
    top: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    by: f64,
    item: Value,
}

impl Top {
    /// Takes one in, behind those that are as large and were there before.
    fn insert(&self, list: &mut Vec<Entry>, entry: Entry) {
        let at = list.partition_point(|known| known.by >= entry.by);
        list.insert(at, entry);
        list.truncate(self.most);
    }
}

impl Aggregate for Top {
    type Accumulator = Vec<Entry>;

    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("top")?;
        settings.windows(setup, Windows::tumbling(Duration::from_mins(1)))?;
        let field = settings.field()?;
        let item = settings.get("item", pointer)?;
        Ok(Self { field, item, most: settings.number("n", 1, MOST)? })
    }

    fn add(&self, list: &mut Vec<Entry>, record: &Record<'_>) -> Result<()> {
        let Some(by) = self.field.number(record)? else { return Ok(()) };
        if list.len() == self.most && list.last().is_some_and(|last| last.by >= by) {
            return Ok(());
        }
        let item = Field { pointer: self.item.clone(), missing: self.field.missing };
        if let Some(item) = item.value(record)? {
            self.insert(list, Entry { by, item: item.to_string() });
        }
        Ok(())
    }

    fn merge(&self, list: &mut Vec<Entry>, other: Vec<Entry>) -> Result<()> {
        other.into_iter().for_each(|entry| self.insert(list, entry));
        Ok(())
    }

    fn finish(
        &mut self,
        window: &Fired<'_>,
        list: Vec<Entry>,
        ctx: &mut Context<'_>,
    ) -> Result<()> {
        if list.is_empty() {
            return Ok(());
        }
        let item =
            |entry: Entry| Ok(Item { by: entry.by, item: serde_json::from_str(&entry.item)? });
        let top = list.into_iter().map(item).collect::<Result<_>>()?;
        tell(window, Listed { top }, ctx)
    }
}
