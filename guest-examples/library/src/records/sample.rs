//! `std:sample`.

use pelton_sdk::prelude::*;

use crate::settings::Settings;
use crate::sketch::hash;

/// Passes a share of the records, or all records of a share of the keys.
pub(crate) struct Sample {
    /// Numbers of 64 bits below this pass.
    below: u128,
    by_key: bool,
}

impl Process for Sample {
    fn open(_: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("sample")?;
        let share: f64 = settings.number("share", 0.0, 1.0)?;
        let by_key = settings.get("by", |text| match text {
            "record" => Some(false),
            "key" => Some(true),
            _ => None,
        })?;
        Ok(Self { below: (share * 2f64.powi(64)) as u128, by_key })
    }

    fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let number = if self.by_key { hash(record.key_bytes()) } else { ctx.random() };
        if u128::from(number) < self.below {
            OUT.forward(ctx);
        }
        Ok(())
    }
}
