//! `std:debounce`.

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Passes the last record of each key once the key has been quiet for a time.
pub(crate) struct Debounce {
    last: Store<Vec<u8>, Kept>,
    quiet: Timer,
    quiet_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    value: Option<Vec<u8>>,
    timestamp: i64,
}

impl Process for Debounce {
    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("debounce")?;
        let quiet_ms = settings.number("quiet-ms", 1, i64::MAX)?;
        Ok(Self { last: setup.store("last"), quiet: setup.event_timer("quiet"), quiet_ms })
    }

    fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let Some(key) = record.key() else { return ctx.reject("the record has no key") };
        let timestamp = record.timestamp();
        let older = |kept: Option<&Kept>| kept.is_some_and(|kept| kept.timestamp > timestamp);
        if self.last.look(ctx, key, older)? {
            return Ok(());
        }
        self.last.put(ctx, key, Kept { value: record.value().map(<[u8]>::to_vec), timestamp });
        self.quiet.set(ctx, key, timestamp.saturating_add(self.quiet_ms))
    }

    fn timer(&mut self, timer: &DueTimer<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let key = timer.key().unwrap_or_default();
        let Some(kept) = self.last.get(ctx, key)? else { return Ok(()) };
        self.last.delete(ctx, key);
        OUT.draft().timestamp(kept.timestamp).emit(ctx, key, kept.value.as_deref())
    }
}
