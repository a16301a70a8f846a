//! A filter and a map in one: three of four records, with a new value.

mod scaled;

pelton_sdk::map!(|record| scaled::scaled(record.value_bytes()));
