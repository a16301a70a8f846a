//! Statistics of temperatures, by sensor.

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// What comes in. The key is the sensor's name.
#[derive(Deserialize)]
struct Reading {
    celsius: f64,
}

/// What is kept for each sensor.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Stats {
    count: u64,
    sum: f64,
    highest: Option<f64>,
}

/// What goes out for each reading.
#[derive(Serialize)]
struct Report {
    count: u64,
    mean: f64,
    highest: f64,
}

struct Temperatures {
    stats: Store<String, Stats>,
    out: Output,
}

impl Process for Temperatures {
    fn open(setup: &mut Setup) -> Result<Self> {
        Ok(Self { stats: setup.store("stats"), out: setup.output("out") })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let sensor = record.key_text()?;
        let Reading { celsius } = record.json()?;
        let report = self.stats.update(ctx, sensor, |stats| {
            let highest = stats.highest.map_or(celsius, |highest| highest.max(celsius));
            stats.count += 1;
            stats.sum += celsius;
            stats.highest = Some(highest);
            Report { count: stats.count, mean: stats.sum / stats.count as f64, highest }
        })?;
        self.out.emit(ctx, sensor, Json(report))
    }
}

pelton_sdk::process!(Temperatures);

#[cfg(test)]
mod tests;
