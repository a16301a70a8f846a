//! `std:deduplicate`.

use std::time::Duration;

use pelton_sdk::prelude::*;

use super::key_of;
use crate::field::{Field, pointer};
use crate::settings::Settings;

/// Passes the first record of each key (or field) within a time.
pub(crate) struct Deduplicate {
    seen: Store<Vec<u8>, i64>,
    field: Option<Field>,
    within: Duration,
}

impl Process for Deduplicate {
    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("deduplicate")?;
        let within = Duration::from_millis(settings.number("within-ms", 1, i64::MAX as u64)?);
        let missing = settings.missing()?;
        let field = settings.read("field", pointer)?.map(|pointer| Field { pointer, missing });
        Ok(Self { seen: setup.store("seen"), field, within })
    }

    fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
        // The field's text stands behind the key, so that a key keeps its partition's meaning.
        let mut id = record.key_bytes().to_vec();
        if let Some(field) = &self.field {
            let Some(value) = field.value(record)? else { return Ok(()) };
            id.push(0);
            id.extend(key_of(&value).into_bytes());
        }
        let now = record.timestamp();
        // The host may keep an entry a little longer than its time: here the exact time decides.
        let until = |first: i64| first.saturating_add(self.within.as_millis() as i64);
        if self.seen.get(ctx, &id)?.is_some_and(|first| now < until(first)) {
            return Ok(());
        }
        self.seen.put_for(ctx, &id, now, self.within)?;
        OUT.forward(ctx);
        Ok(())
    }
}
