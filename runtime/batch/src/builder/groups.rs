//! Building batches of groups: window contents, records to accumulate, accumulators.

use alloc::vec::Vec;

use super::columns::{FixedBuilder, VarBuilder};
use super::records::RecordsBuilder;
use crate::groups::Group;
use crate::layout::{Column, Kind, tag};

/// Builds a batch of groups: push the rows through [`GroupsBuilder::records`], and for each group
/// its members and [`GroupsBuilder::group`].
#[derive(Debug, Clone)]
pub struct GroupsBuilder {
    records: RecordsBuilder,
    groups: usize,
    ends: Vec<u8>,
    members: Vec<u8>,
    explicit: bool,
    keys: VarBuilder,
    accumulators: VarBuilder,
    starts: FixedBuilder<i64>,
    window_ends: FixedBuilder<i64>,
    panes: FixedBuilder<u32>,
}

impl GroupsBuilder {
    /// An empty builder whose rows are in group order: a group's members are the rows that were
    /// pushed since the group before it.
    #[must_use]
    pub fn in_order() -> Self {
        Self::new(false)
    }

    /// An empty builder whose groups name their members by row: see [`Self::member`].
    #[must_use]
    pub fn by_member() -> Self {
        Self::new(true)
    }

    fn new(explicit: bool) -> Self {
        Self {
            records: RecordsBuilder::new(),
            groups: 0,
            ends: Vec::new(),
            members: Vec::new(),
            explicit,
            keys: VarBuilder::default(),
            accumulators: VarBuilder::default(),
            starts: FixedBuilder::<i64>::new(0),
            window_ends: FixedBuilder::<i64>::new(0),
            panes: FixedBuilder::<u32>::new(0),
        }
    }

    /// The rows.
    #[inline]
    pub fn records(&mut self) -> &mut RecordsBuilder {
        &mut self.records
    }

    /// Number of groups so far.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.groups
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.groups == 0
    }

    /// Names a row as a member of the group that [`Self::group`] closes next.
    #[inline]
    pub fn member(&mut self, row: u32) {
        self.members.extend_from_slice(&row.to_le_bytes());
    }

    /// Closes a group: its members are those named, or the rows pushed, since the group before.
    pub fn group(&mut self, group: &Group<'_>) {
        if self.ends.is_empty() {
            self.ends.extend_from_slice(&[0; 4]);
        }
        let end = if self.explicit { self.members.len() / 4 } else { self.records.len() };
        self.ends.extend_from_slice(&(end as u32).to_le_bytes());
        self.keys.set(self.groups, group.key);
        self.accumulators.set(self.groups, group.accumulator);
        self.starts.push(self.groups, group.start);
        self.window_ends.push(self.groups, group.end);
        self.panes.set(self.groups, group.pane.0);
        self.groups += 1;
    }

    /// Lays rows and groups out as a batch of this kind, and empties the builder.
    #[must_use]
    pub fn finish(&mut self, kind: Kind) -> Vec<u8> {
        let mut out = Vec::new();
        self.finish_into(kind, &mut out);
        out
    }

    /// As [`Self::finish`], behind what is in `out`, whose length must be a multiple of eight.
    pub fn finish_into(&mut self, kind: Kind, out: &mut Vec<u8>) {
        let groups = self.groups;
        if self.ends.is_empty() {
            self.ends.extend_from_slice(&[0; 4]);
        }
        let mut more = Vec::with_capacity(12);
        more.push(Column { tag: tag::GROUP_ENDS, width: 4, bytes: &self.ends });
        if self.explicit {
            more.push(Column { tag: tag::GROUP_MEMBERS, width: 4, bytes: &self.members });
        }
        more.extend(self.keys.columns(tag::GROUP_KEY, groups));
        more.extend(self.accumulators.columns(tag::ACCUMULATOR, groups));
        more.extend(self.starts.column(tag::WINDOW_START, groups));
        more.extend(self.window_ends.column(tag::WINDOW_END, groups));
        more.extend(self.panes.column(tag::PANE, groups));
        self.records.finish_kind(kind, &more, out);
        self.clear();
    }

    /// Forgets all rows and groups and keeps the memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.groups = 0;
        self.ends.clear();
        self.members.clear();
        self.keys.clear();
        self.accumulators.clear();
        self.starts.clear();
        self.window_ends.clear();
        self.panes.clear();
    }
}
