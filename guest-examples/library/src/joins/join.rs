//! `std:join`.

use core::time::Duration;

use pelton_sdk::{Function, Join, Json, OUT, Result, Setup, join_with};
use serde_json::Value;

use super::sides::Sides;
use crate::settings::Settings;

/// Joins the records of two inputs that have the same key and lie near each other in time.
pub(super) fn open(setup: &Setup<'_>) -> Result<Box<dyn Function>> {
    let settings = Settings::of("join")?;
    let [left, right] = super::inputs(settings, setup, ["left", "right"])?;
    let within: u64 = settings.number("within-ms", 0, MOST_MS)?;
    let other = |name| settings.read(name, |text| text.parse().ok().filter(|ms| *ms <= MOST_MS));
    let (before, after) = (other("before-ms")?, other("after-ms")?);
    let [before, after] = [before, after].map(|ms| Duration::from_millis(ms.unwrap_or(within)));
    let join = Join::inputs(&left, &right).between(before, after);
    let join = settings.get("kind", |text| match text {
        "inner" => Some(join),
        "left" => Some(join.left_outer()),
        "outer" => Some(join.outer()),
        _ => None,
    })?;
    let sides = Sides::of(settings, ["left", "right"])?;
    let joined = join_with(join, move |left: Option<Value>, right: Option<Value>, pair, ctx| {
        let value = sides.value(left, right)?;
        OUT.draft().timestamp(pair.time()).emit(ctx, pair.key(), Json(value))
    });
    Ok(Box::new(joined))
}

/// Some 285,000 years.
const MOST_MS: u64 = i64::MAX as u64 / 1_024;
