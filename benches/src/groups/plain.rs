//! What the engine's functions do, as plain loops over records in memory. What comes out is handed
//! to `emit`, record by record.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::{DefaultHashBuilder, HashMap};
use serde::Serialize;

use crate::workload::Owned;

#[path = "../../guests/filter-map/src/scaled.rs"]
mod scaled;

/// Three of four records, with a new value.
pub(super) fn filter_map(records: &[Owned], mut emit: impl FnMut(Owned)) {
    for record in records {
        if let Some(value) = scaled::scaled(&record.value) {
            emit(Owned { key: record.key.clone(), value, timestamp: record.timestamp });
        }
    }
}

/// The running count of each key, with every record.
pub(super) fn keyed_count(records: &[Owned], mut emit: impl FnMut(Owned)) {
    let mut counts: HashMap<Vec<u8>, u64> = HashMap::new();
    for record in records {
        let count = counts.entry_ref(&record.key[..]).or_default();
        *count += 1;
        let value = count.to_string().into_bytes();
        emit(Owned { key: record.key.clone(), value, timestamp: record.timestamp });
    }
}

/// What is told of a key's minute.
#[derive(Serialize)]
struct Count {
    start: i64,
    end: i64,
    count: u64,
}

const MINUTE: i64 = 60_000;

/// The count of each key in each minute, when the minute is over, with the standard library's hash
/// function. A record whose minute is over is late and left out.
pub(super) fn minute_count(records: &[Owned], emit: impl FnMut(Owned)) {
    minute_count_with::<RandomState>(records, emit);
}

/// As [`minute_count`], with the quickest hash function that we know of.
pub(super) fn minute_count_tuned(records: &[Owned], emit: impl FnMut(Owned)) {
    minute_count_with::<DefaultHashBuilder>(records, emit);
}

fn minute_count_with<S: BuildHasher + Default>(records: &[Owned], mut emit: impl FnMut(Owned)) {
    let mut windows: BTreeMap<i64, HashMap<Vec<u8>, u64, S>> = BTreeMap::new();
    let mut watermark = i64::MIN;
    for record in records {
        let end = record.timestamp - record.timestamp.rem_euclid(MINUTE) + MINUTE;
        if end > watermark {
            *windows.entry(end).or_default().entry_ref(&record.key[..]).or_default() += 1;
        }
        watermark = watermark.max(record.timestamp);
        while let Some(window) = windows.first_entry().filter(|first| *first.key() <= watermark) {
            fire(window.remove_entry(), &mut emit);
        }
    }
    windows.into_iter().for_each(|window| fire(window, &mut emit));
}

fn fire<S>((end, counts): (i64, HashMap<Vec<u8>, u64, S>), emit: &mut impl FnMut(Owned)) {
    for (key, count) in counts {
        let count = Count { start: end - MINUTE, end, count };
        let value = serde_json::to_vec(&count).unwrap_or_default();
        emit(Owned { key, value, timestamp: end - 1 });
    }
}
