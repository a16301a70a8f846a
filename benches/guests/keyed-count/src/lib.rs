//! The running count of each key, told with every record.

use pelton_sdk::prelude::*;

struct KeyedCount {
    counts: Store<String, u64>,
}

impl Process for KeyedCount {
    fn open(setup: &mut Setup) -> Result<Self> {
        Ok(Self { counts: setup.store("counts") })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let key = record.key_text()?;
        let count = self.counts.update(ctx, key, |count| {
            *count += 1;
            *count
        })?;
        OUT.emit(ctx, key, Json(count))
    }
}

pelton_sdk::process!(KeyedCount);
