//! A disk in memory that forgets like a real one.
//!
//! What was written is seen at once, but a power cut keeps of the unsynced writes only what luck
//! leaves: any subset of their 512-byte sectors. Names (creations, renames, removals) last after
//! their folder was synced; of the others a power cut keeps some first ones. Faults are set by
//! [`SimDisk::set_faults`], chance comes from a seed.

mod file;
mod random;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::io::Errno;

use file::SimFile;
use random::Random;

use crate::locks::lock;
use crate::storage::{File, Storage};

/// What goes wrong from now on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Creating a file fails with `ENOSPC` where all files' sizes would pass this many bytes.
    pub capacity_bytes: Option<u64>,
    /// Writing into files fails with `EIO`.
    pub write_fails: bool,
    /// Syncing files fails with `EIO`.
    pub sync_fails: bool,
    /// The power goes after this many more writes, syncs, creations, renames and removals: all
    /// later ones fail with `EIO`, until these faults are replaced.
    pub operations_left: Option<u64>,
}

/// The simulated disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    names: Names,
    /// Names as a power cut would leave them at least.
    lasting: Names,
    renamings: Vec<Renaming>,
    files: Vec<Data>,
    faults: Faults,
    /// Handles of an earlier life are dead.
    life: u64,
    is_locked: bool,
    syncs: u64,
}

impl State {
    /// Accounts for one change of the disk.
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.faults.operations_left {
            Some(0) => Err(Errno::IO.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

type Names = BTreeMap<String, usize>;

enum Renaming {
    Create { path: String, file: usize },
    Rename { from: String, to: String },
    Remove { path: String },
}

impl Renaming {
    fn is_in(&self, folder: &str) -> bool {
        let path = match self {
            Renaming::Create { path, .. } | Renaming::Remove { path } => path,
            Renaming::Rename { to, .. } => to,
        };
        path.rsplit_once('/').map_or("", |(folder, _)| folder) == folder
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Renaming::Create { path, file } => drop(names.insert(path.clone(), *file)),
            Renaming::Rename { from, to } => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Renaming::Remove { path } => drop(names.remove(path)),
        }
    }
}

#[derive(Default, Clone)]
struct Data {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Unsynced writes, in order.
    pending: Vec<(usize, Vec<u8>)>,
}

impl Data {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        put(&mut self.now, at, bytes);
        self.pending.push((at, bytes.to_vec()));
    }
}

fn put(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if to.len() < at + bytes.len() {
        to.resize(at + bytes.len(), 0);
    }
    to[at..at + bytes.len()].copy_from_slice(bytes);
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Kills the process: what was written stays, every open handle is dead.
    pub fn kill(&self) {
        let mut state = self.state();
        state.life += 1;
        state.is_locked = false;
    }

    /// Cuts the power: of what was not synced, chance from `seed` decides.
    pub fn power_cut(&self, seed: u64) {
        self.kill();
        let mut random = Random(seed | 1);
        let state = &mut *self.state();
        let kept = random.below(state.renamings.len() + 1);
        let mut names = std::mem::take(&mut state.lasting);
        state.renamings.drain(..).take(kept).for_each(|renaming| renaming.apply(&mut names));
        for file in &mut state.files {
            let mut left = std::mem::take(&mut file.synced);
            for (at, bytes) in file.pending.drain(..) {
                random.keep_some(&mut left, at, &bytes);
            }
            file.now.clone_from(&left);
            file.synced = left;
        }
        state.lasting.clone_from(&names);
        state.names = names;
    }

    /// The bytes of a file as they are now.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path).map(|file| state.files[*file].now.clone())
    }

    /// Overwrites bytes of a file behind the journal's back, lastingly.
    ///
    /// # Panics
    /// Where there is no such file.
    pub fn damage(&self, path: &str, at: usize, change: impl FnOnce(&mut [u8])) {
        let mut state = self.state();
        let file = *state.names.get(path).expect("a file to damage");
        let data = &mut state.files[file];
        change(&mut data.now[at..]);
        data.pending.clear();
        data.synced.clone_from(&data.now);
    }

    /// The paths of all files.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// How many times a file was synced.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// A copy of this disk with everything on it lasting and no faults: a second future.
    #[must_use]
    pub fn fork(&self) -> SimDisk {
        let state = self.state();
        let files = state.files.iter().map(|file| Data {
            now: file.now.clone(),
            synced: file.now.clone(),
            pending: Vec::new(),
        });
        SimDisk(Arc::new(Mutex::new(State {
            names: state.names.clone(),
            lasting: state.names.clone(),
            files: files.collect(),
            ..State::default()
        })))
    }

    fn handle(&self, state: &State, file: usize) -> Arc<dyn File> {
        let size = state.files[file].now.len() as u64;
        Arc::new(SimFile { disk: self.clone(), life: state.life, file, size })
    }
}

impl Storage for SimDisk {
    fn name(&self) -> String {
        "simulated disk".to_owned()
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state();
        if state.is_locked {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "simulation"));
        }
        state.is_locked = true;
        Ok(Box::new(Unlock { disk: self.clone(), life: state.life }))
    }

    fn salt(&self) -> u32 {
        0x5eed_5a17
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        let names = state.names.keys().filter_map(|path| path.rsplit_once('/'));
        Ok(names.filter(|(of, _)| *of == folder).map(|(_, name)| name.to_owned()).collect())
    }

    fn create(&self, path: &str, len: u64) -> io::Result<Arc<dyn File>> {
        let state = &mut *self.state();
        state.spend()?;
        if let Some(capacity) = state.faults.capacity_bytes {
            let used = state.names.values().map(|file| state.files[*file].now.len() as u64);
            if used.sum::<u64>() + len > capacity {
                return Err(Errno::NOSPC.into());
            }
        }
        let file = state.files.len();
        let mut data = Data::default();
        if len > 0 {
            data.write(0, &vec![0; len as usize]);
        }
        state.files.push(data);
        let renaming = Renaming::Create { path: path.to_owned(), file };
        renaming.apply(&mut state.names);
        state.renamings.push(renaming);
        Ok(self.handle(state, file))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let state = self.state();
        let file = *state.names.get(path).ok_or(Errno::NOENT)?;
        Ok(self.handle(&state, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let state = &mut *self.state();
        state.spend()?;
        if !state.names.contains_key(from) {
            return Err(Errno::NOENT.into());
        }
        let renaming = Renaming::Rename { from: from.to_owned(), to: to.to_owned() };
        renaming.apply(&mut state.names);
        state.renamings.push(renaming);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let state = &mut *self.state();
        state.spend()?;
        if !state.names.contains_key(path) {
            return Err(Errno::NOENT.into());
        }
        let renaming = Renaming::Remove { path: path.to_owned() };
        renaming.apply(&mut state.names);
        state.renamings.push(renaming);
        Ok(())
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let state = &mut *self.state();
        state.spend()?;
        let (done, left): (Vec<_>, Vec<_>) =
            state.renamings.drain(..).partition(|renaming| renaming.is_in(folder));
        done.iter().for_each(|renaming| renaming.apply(&mut state.lasting));
        state.renamings = left;
        Ok(())
    }
}

struct Unlock {
    disk: SimDisk,
    life: u64,
}

impl Drop for Unlock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.is_locked = false;
        }
    }
}
