//! An open file of the simulated disk.

use std::io::{self, IoSlice};
use std::sync::MutexGuard;

use bytes::Bytes;
use rustix::io::Errno;

use super::{SimDisk, State, put};
use crate::storage::File;

pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) life: u64,
    pub(super) file: usize,
    pub(super) size: u64,
}

impl SimFile {
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.life == self.life { Ok(state) } else { Err(Errno::IO.into()) }
    }
}

impl File for SimFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let state = self.alive()?;
        let bytes = state.files[self.file].now.get(offset as usize..).and_then(|b| b.get(..len));
        bytes.map(Bytes::copy_from_slice).ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    fn reclaim(&mut self) -> io::Result<bool> {
        // Reads are copies, and there are no links.
        Ok(true)
    }

    fn write(&self, offset: u64, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut state = self.alive()?;
        state.spend()?;
        if state.faults.write_fails {
            return Err(Errno::IO.into());
        }
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        state.files[self.file].write(offset as usize, &all);
        Ok(())
    }

    fn zero_from(&self, offset: u64) -> io::Result<()> {
        let mut state = self.alive()?;
        state.spend()?;
        let data = &mut state.files[self.file];
        let len = data.now.len().saturating_sub(offset as usize);
        data.write(offset as usize, &vec![0; len]);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.alive()?;
        state.spend()?;
        if state.faults.sync_fails {
            return Err(Errno::IO.into());
        }
        state.syncs += 1;
        let data = &mut state.files[self.file];
        for (at, bytes) in data.pending.drain(..) {
            put(&mut data.synced, at, &bytes);
        }
        Ok(())
    }
}
