//! Splitting a batch by key.

use std::sync::Arc;

use pelton_batch::{
    Batch, FormatError, Groups, GroupsBuilder, Kind, Records, RecordsBuilder, TimersBuilder,
};
use pelton_core::SharedEnvironment;

use super::side::{Side, side_of};

/// A part of a batch.
pub(super) struct Part {
    pub(super) side: Side,
    /// What it is in bytes; `None` where it is the whole batch.
    pub(super) batch: Option<Vec<u8>>,
    /// What its units (records, groups, timers) are in the whole batch.
    pub(super) units: Arc<[u32]>,
    /// What its rows are in the whole batch: they are not its units where those are windows or timers.
    pub(super) rows: Arc<[u32]>,
    pub(super) kind: Kind,
}

/// The parts of `batch`, each of which goes through one version: all of one side, in order.
pub(super) fn split(
    bytes: &[u8],
    parts: u32,
    environment: &SharedEnvironment,
) -> Result<Vec<Part>, FormatError> {
    let batch = Batch::parse(bytes)?;
    let sides: Vec<Side> = match batch.kind() {
        Kind::Records => {
            let records = batch.records()?;
            let side = |row: usize| match records.key(row) {
                Some(key) => side_of(key, parts),
                // No key: what the record's own random numbers say, which its offset decides.
                None => side_of(&environment.random(row as u32, u32::MAX).to_le_bytes(), parts),
            };
            (0..records.len()).map(side).collect()
        }
        Kind::Timers => {
            let timers = batch.timers()?;
            timers.iter().map(|timer| side_of(timer.key.unwrap_or_default(), parts)).collect()
        }
        Kind::Accumulate | Kind::Window | Kind::Merge | Kind::Finish => {
            let groups = batch.groups()?;
            groups.iter().map(|group| side_of(group.key.unwrap_or_default(), parts)).collect()
        }
        // A migration is the old version's, as is what this host does not know yet.
        _ => return Ok(vec![whole(batch, Side::Old, batch.rows())]),
    };
    let Some(first) = sides.first() else { return Ok(vec![whole(batch, Side::Old, 0)]) };
    if sides.iter().all(|side| side == first) {
        return Ok(vec![whole(batch, *first, sides.len())]);
    }
    let mut all = Vec::new();
    for side in [Side::Old, Side::Control, Side::New] {
        let units = sides.iter().enumerate().filter(|(_, found)| **found == side);
        let units: Arc<[u32]> = units.map(|(unit, _)| unit as u32).collect();
        if !units.is_empty() {
            all.push(part(batch, side, units)?);
        }
    }
    Ok(all)
}

fn whole(batch: Batch<'_>, side: Side, units: usize) -> Part {
    let kind = batch.kind();
    let rows = if kind == Kind::Timers { 0 } else { batch.rows() };
    let all = |count: usize| (0..count as u32).collect();
    Part { side, batch: None, units: all(units), rows: all(rows), kind }
}

fn part(batch: Batch<'_>, side: Side, units: Arc<[u32]>) -> Result<Part, FormatError> {
    let mut rows = Arc::clone(&units);
    let kind = batch.kind();
    let bytes = match kind {
        Kind::Records => {
            let records = batch.records()?;
            let mut builder = RecordsBuilder::new();
            units.iter().for_each(|unit| copy(&records, *unit as usize, &mut builder));
            builder.finish()
        }
        Kind::Timers => {
            let timers = batch.timers()?;
            let mut builder = TimersBuilder::new();
            for timer in units.iter().map(|unit| timers.get(*unit as usize)) {
                builder.push(timer.target, timer.key, timer.due, timer.value);
            }
            rows = Arc::default();
            builder.finish()
        }
        _ => {
            let (bytes, taken) = groups_part(&batch.groups()?, kind, &units);
            rows = taken;
            bytes
        }
    };
    Ok(Part { side, batch: Some(bytes), units, rows, kind })
}

/// The groups `units`, and the rows of the whole batch that are theirs.
fn groups_part(groups: &Groups<'_>, kind: Kind, units: &[u32]) -> (Vec<u8>, Arc<[u32]>) {
    let mut taken: Vec<u32> =
        units.iter().flat_map(|unit| groups.rows(*unit as usize)).map(|row| row as u32).collect();
    let in_order = kind != Kind::Accumulate;
    if !in_order {
        taken.sort_unstable();
        taken.dedup();
    }
    let mut builder = if in_order { GroupsBuilder::in_order() } else { GroupsBuilder::by_member() };
    let records = groups.records();
    if !in_order {
        taken.iter().for_each(|row| copy(&records, *row as usize, builder.records()));
    }
    for unit in units {
        for row in groups.rows(*unit as usize) {
            match in_order {
                true => copy(&records, row, builder.records()),
                false => {
                    builder.member(taken.partition_point(|taken| (*taken as usize) < row) as u32)
                }
            }
        }
        builder.group(&groups.get(*unit as usize));
    }
    (builder.finish(kind), taken.into())
}

fn copy(records: &Records<'_>, row: usize, builder: &mut RecordsBuilder) {
    builder.push_from(records, row);
    if let Some(offset) = records.offset(row) {
        builder.meta(offset, records.input(row));
    }
}
