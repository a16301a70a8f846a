//! Sends records on by another key: the field of their value that the configuration entry `field`
//! names. A function that goes by that key reads the topic that they are sent to.

use pelton_sdk::prelude::*;
use serde_json::Value;

struct By {
    field: String,
    out: Output,
}

impl Process for By {
    fn open(setup: &mut Setup) -> Result<Self> {
        Ok(Self { field: setup.config_or("field", "id".to_owned())?, out: setup.output("out") })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let value: Value = record.json()?;
        match value.get(&self.field) {
            Some(key) => self.out.emit(ctx, key.to_string(), record.value()),
            None => ctx.reject(format!("the record has no `{}`", self.field)),
        }
    }
}

pelton_sdk::process!(By);
