//! Writing a snapshot.

use std::io::{self, Write};

use pelton_core::{StoreKind, TimeDomain};

use super::blocks::BlockWriter;
use super::{FrozenState, MAGIC, VERSION};
use crate::slot::Slot;
use crate::table::Table;

impl FrozenState {
    /// Writes the snapshot, in pieces of up to 64 KiB; `out` need not be buffered further.
    ///
    /// # Errors
    /// What `out` answers. What was written by then is refused by [`crate::TaskState::restore`].
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        let mut blocks = BlockWriter::new(out);
        self.write_layout(&mut blocks)?;
        for (_, table) in &self.stores {
            write_table(table, &mut blocks)?;
        }
        write_table(&self.timer_table, &mut blocks)?;
        write_table(&self.pane_table, &mut blocks)?;
        blocks.finish()
    }

    /// Number of entries, timers and panes that it holds.
    #[must_use]
    pub fn entries(&self) -> u64 {
        let stores: usize = self.stores.iter().map(|(_, table)| table.len()).sum();
        (stores + self.timer_table.len() + self.pane_table.len()) as u64
    }

    fn write_layout(&self, out: &mut BlockWriter<'_>) -> io::Result<()> {
        out.put(&(self.stores.len() as u16).to_le_bytes())?;
        for (declaration, table) in &self.stores {
            write_name(&declaration.name, out)?;
            let kind = match declaration.kind {
                StoreKind::Kv => 0,
                StoreKind::Ordered => 1,
            };
            out.put(&[kind])?;
            out.put(&declaration.schema.to_le_bytes())?;
            out.put(&(table.len() as u64).to_le_bytes())?;
        }
        out.put(&(self.timers.len() as u16).to_le_bytes())?;
        for timer in &self.timers {
            write_name(&timer.name, out)?;
            let domain = match timer.domain {
                TimeDomain::Event => 0,
                TimeDomain::Processing => 1,
            };
            out.put(&[domain])?;
        }
        out.put(&(self.timer_table.len() as u64).to_le_bytes())?;
        out.put(&(self.pane_table.len() as u64).to_le_bytes())
    }
}

fn write_name(name: &str, out: &mut BlockWriter<'_>) -> io::Result<()> {
    let length = u16::try_from(name.len()).map_err(|_| {
        io::Error::other(format!("a store or timer name has {} bytes: at most 65535", name.len()))
    })?;
    out.put(&length.to_le_bytes())?;
    out.put(name.as_bytes())
}

fn write_table(table: &Table, out: &mut BlockWriter<'_>) -> io::Result<()> {
    table.iter().try_for_each(|(key, slot)| write_entry(key, slot, out))
}

fn write_entry(key: &[u8], slot: &Slot, out: &mut BlockWriter<'_>) -> io::Result<()> {
    debug_assert!(slot.value.is_some(), "a base has no tombstones");
    let value = slot.bytes();
    let (Ok(key_length), Ok(value_length)) = (u32::try_from(key.len()), u32::try_from(value.len()))
    else {
        return Err(io::Error::other("a key or value of 4 GiB cannot be in a snapshot"));
    };
    let mut head = [0; 20];
    head[..4].copy_from_slice(&key_length.to_le_bytes());
    head[4..8].copy_from_slice(&value_length.to_le_bytes());
    head[8..16].copy_from_slice(&slot.number.to_le_bytes());
    head[16..].copy_from_slice(&slot.tag.to_le_bytes());
    out.put(&head)?;
    out.put(key)?;
    out.put(value)
}
