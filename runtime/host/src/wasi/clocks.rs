//! `wasi:clocks`, the same on every replay: the wall clock is the record's time, the monotonic
//! clock the watermark, which never goes back as records do. Nothing is waited for: a sleep ends at
//! once.

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower};
use wasmtime::{Result, StoreContextMut};

use super::resources::{Pollable, handle};
use crate::instance::HostState;

type Caller<'a> = StoreContextMut<'a, HostState>;

const NS_OF_MS: u64 = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
struct TimezoneDisplay {
    #[component(name = "utc-offset")]
    utc_offset: i32,
    name: String,
    #[component(name = "in-daylight-saving-time")]
    in_daylight_saving_time: bool,
}

/// Adds a function of a clock; false where there is no such.
pub(super) fn add(
    instance: &mut LinkerInstance<'_, HostState>,
    clock: &str,
    name: &str,
) -> Result<bool> {
    match (clock, name) {
        ("wall-clock", "now") => instance.func_wrap(name, |caller: Caller<'_>, (): ()| {
            let state = caller.data();
            Ok((datetime(state.environment()?.now(state.wasi.row())),))
        }),
        ("wall-clock", "resolution") => {
            instance.func_wrap(name, |_: Caller<'_>, (): ()| Ok((datetime(1),)))
        }
        ("monotonic-clock", "now") => instance.func_wrap(name, |caller: Caller<'_>, (): ()| {
            Ok((instant_ns(caller.data().environment()?.watermark()),))
        }),
        ("monotonic-clock", "resolution") => {
            instance.func_wrap(name, |_: Caller<'_>, (): ()| Ok((NS_OF_MS,)))
        }
        ("monotonic-clock", "subscribe-instant" | "subscribe-duration") => {
            instance.func_wrap(name, |_: Caller<'_>, (_,): (u64,)| Ok((handle::<Pollable>(),)))
        }
        ("timezone", "utc-offset") => {
            instance.func_wrap(name, |_: Caller<'_>, (_,): (Datetime,)| Ok((0i32,)))
        }
        ("timezone", "display") => instance.func_wrap(name, |_: Caller<'_>, (_,): (Datetime,)| {
            let (utc_offset, name) = (0, "UTC".into());
            Ok((TimezoneDisplay { utc_offset, name, in_daylight_saving_time: false },))
        }),
        _ => return Ok(false),
    }
    .map(|()| true)
}

/// Times before 1970 cannot be said: they are the start of 1970.
fn datetime(ms: i64) -> Datetime {
    let ms = u64::try_from(ms).unwrap_or(0);
    Datetime { seconds: ms / 1_000, nanoseconds: (ms % 1_000 * NS_OF_MS) as u32 }
}

/// Half the range stays free above infinity, so that a guest may add a duration.
fn instant_ns(watermark_ms: i64) -> u64 {
    u64::try_from(watermark_ms).unwrap_or(0).saturating_mul(NS_OF_MS).min(i64::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_wasi_cannot_say_are_the_nearest_that_it_can() {
        assert_eq!(datetime(1_234), Datetime { seconds: 1, nanoseconds: 234_000_000 });
        assert_eq!(datetime(-1), Datetime { seconds: 0, nanoseconds: 0 });
        assert_eq!(datetime(i64::MAX).seconds, i64::MAX as u64 / 1_000);
        assert_eq!(instant_ns(i64::MIN), 0);
        assert_eq!(instant_ns(7), 7_000_000);
        assert_eq!(instant_ns(i64::MAX), i64::MAX as u64);
    }
}
