//! Epochs: how often a copy of this journal was promoted, and from which commit on.
//!
//! A journal begins in epoch 1. Each promotion begins another one with a commit of its own, an
//! entry of the registry that holds the whole history: two copies of a journal are the same as far
//! as the first commit of an epoch that only one of them knows.

use crate::commit::Commit;
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::locks::{read, write};
use crate::role::{self, Role, RoleFile};

const KEY: &str = "replication/epochs";
/// Promotions that are remembered.
const EPOCHS_MAX: usize = 1_000;
/// How many promotions a copy may be ahead of a journal that it fences.
pub const EPOCHS_AHEAD_MAX: u64 = 1_000;

/// A time during which one copy of a journal took commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Its number, from 1 on.
    pub number: u64,
    /// Its first commit.
    pub first_seq: u64,
    /// When it began, ms; 0 for the first.
    pub time_ms: i64,
    /// The checksum of the commit before its first one, which only a copy of this journal knows; absent
    /// for the first epoch.
    pub chain: Option<u32>,
}

impl Journal {
    /// All epochs, the first one first.
    #[must_use]
    pub fn epochs(&self) -> Vec<Epoch> {
        let mut epochs = vec![Epoch { number: 1, first_seq: 1, time_ms: 0, chain: None }];
        let text = self.entry(KEY).unwrap_or_default();
        epochs.extend(String::from_utf8_lossy(&text).lines().filter_map(parse));
        epochs
    }

    /// The number of the current epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epochs().last().map_or(1, |epoch| epoch.number)
    }

    /// Whether it takes commits of its own.
    #[must_use]
    pub fn role(&self) -> Role {
        read(&self.shared.role).clone()
    }

    /// Makes this journal a replica of the one at `leader`: from here on it takes only that one's
    /// frames. Lasting on return.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Io`].
    pub fn follow(&self, leader: &str) -> Result<()> {
        self.set_role(Role::Replica { leader: leader.to_owned() })
    }

    /// Takes nothing any more, as a copy was promoted in `epoch` and is at `by`. Lasting on
    /// return: also after it was opened again.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Io`]: it takes nothing all the same until it is opened again.
    pub fn fence(&self, epoch: u64, by: &str) -> Result<()> {
        self.set_role(Role::Fenced { epoch, by: by.to_owned() })
    }

    /// Whether a copy of this journal was promoted in the last of these epochs: the first of them that
    /// this journal does not know begins behind a commit that is here.
    ///
    /// # Errors
    /// [`Error::Unproven`] where that is not so, or cannot be found out any more.
    pub fn check_promotion(&self, theirs: &[Epoch]) -> Result<()> {
        let own = self.epoch();
        let unproven = |what: &'static str| Error::Unproven { own, what };
        let newest = theirs.last().map_or(0, |epoch| epoch.number);
        if newest > own.saturating_add(EPOCHS_AHEAD_MAX) {
            return Err(unproven("its epoch is further ahead than promotions lead"));
        }
        let parting = theirs.iter().find(|epoch| epoch.number > own);
        let parting = parting.ok_or(unproven("it names no epoch behind that"))?;
        let (Some(chain), Some(last @ 1..)) = (parting.chain, parting.first_seq.checked_sub(1))
        else {
            return Err(unproven("it names no commit that both have"));
        };
        match self.frames(last + 1) {
            Ok(reader) if reader.chain() == chain => Ok(()),
            Err(Error::FramesGone { .. }) => Err(unproven("the last commit of both is gone here")),
            Ok(_) | Err(Error::FramesAhead { .. }) => {
                Err(unproven("the commit before its epoch is not this journal's"))
            }
            Err(other) => Err(other),
        }
    }

    /// Lets a fenced journal take commits of its own again, in an epoch behind its own and the one that
    /// it was fenced in, which it answers; all of it is durable. A crash on the way leaves it fenced, or
    /// is finished at the next open.
    ///
    /// # Errors
    /// Those of [`Journal::append`]. A journal that is not fenced answers its epoch.
    pub fn unfence(&self, time_ms: i64) -> Result<u64> {
        let _control = self.shared.control_lock();
        let Role::Fenced { epoch: fenced, .. } = self.role() else { return Ok(self.epoch()) };
        let own = self.epoch();
        // One that no promotion leads to was made up.
        let is_real = fenced <= own.saturating_add(EPOCHS_AHEAD_MAX);
        let behind = if is_real { own.max(fenced) } else { own };
        self.begin_for_good(behind + 1, time_ms)
    }

    /// Begins an epoch, with the role of a leader. Only under the control lock.
    fn begin_for_good(&self, epoch: u64, time_ms: i64) -> Result<u64> {
        let shared = &*self.shared;
        shared.sync_all()?;
        role::write(&*shared.storage, &RoleFile::Promoting { epoch, time_ms })?;
        let begun = self.begin_epoch(epoch, time_ms);
        if begun.is_err() && self.epoch() < epoch {
            // It is what it was, also at the next open.
            role::write(&*shared.storage, &RoleFile::Role(self.role()))?;
        }
        begun
    }

    fn set_role(&self, new: Role) -> Result<()> {
        let _control = self.shared.control_lock();
        if self.role() == new {
            // A full disk keeps nobody from being what it is.
            return Ok(());
        }
        {
            // Under the append lock: what was appended before counts, nothing comes behind it.
            let _appender = self.shared.appender()?;
            *write(&self.shared.role) = new.clone();
        }
        role::write(&*self.shared.storage, &RoleFile::Role(new))
    }

    /// Lets a replica take commits of its own from now on, in a new epoch, which it answers; all of
    /// it is durable. A crash on the way leaves a replica, or is finished at the next open.
    ///
    /// # Errors
    /// [`Error::Deposed`] for a fenced journal, those of [`Journal::append`]. A journal that is no
    /// replica answers its epoch.
    pub fn promote(&self, time_ms: i64) -> Result<u64> {
        let _control = self.shared.control_lock();
        match self.role() {
            Role::Leader => return Ok(self.epoch()),
            Role::Replica { .. } => {}
            fenced @ Role::Fenced { .. } => fenced.check()?,
        }
        self.begin_for_good(self.epoch() + 1, time_ms)
    }

    /// Ends a promotion that has begun.
    pub(crate) fn begin_epoch(&self, number: u64, time_ms: i64) -> Result<u64> {
        let shared = &*self.shared;
        if self.epoch() < number {
            let mut epochs = self.epochs().split_off(1);
            let (last, chain) = self.log_end()?;
            epochs.push(Epoch { number, first_seq: last + 1, time_ms, chain: Some(chain) });
            let from = epochs.len().saturating_sub(EPOCHS_MAX);
            let text: String = epochs[from..].iter().map(write_line).collect();
            let mut commit = Commit::new(time_ms);
            commit.is_urgent = true;
            commit.entry(KEY, Some(text.as_bytes()));
            let seq = shared.append_as(&mut commit, true)?;
            let begun = self.epochs().last().map(|epoch| epoch.first_seq);
            assert_eq!(begun, Some(seq), "a replica has no other writer");
        }
        shared.sync_all()?;
        role::write(&*shared.storage, &RoleFile::Role(Role::Leader))?;
        *write(&shared.role) = Role::Leader;
        Ok(number)
    }
}

fn write_line(epoch: &Epoch) -> String {
    let chain = epoch.chain.map(|chain| format!(" {chain}")).unwrap_or_default();
    format!("{} {} {}{chain}\n", epoch.number, epoch.first_seq, epoch.time_ms)
}

fn parse(line: &str) -> Option<Epoch> {
    let mut words = line.split(' ');
    let (number, first_seq) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let time_ms = words.next()?.parse().ok()?;
    let chain = words.next().and_then(|word| word.parse().ok());
    Some(Epoch { number, first_seq, time_ms, chain })
}

/// Where a log of `seq` commits in `epoch` parts from one with these epochs: the first commit that
/// is not the same, or `None` where it is as far the same.
///
/// # Errors
/// [`Error::EpochOlder`] where these epochs are the older ones.
pub(crate) fn parting(epochs: &[Epoch], epoch: u64, seq: u64) -> Result<Option<u64>> {
    let own = epochs.last().map_or(1, |epoch| epoch.number);
    if epoch > own {
        return Err(Error::EpochOlder { own, other: epoch });
    }
    let next = epochs.iter().find(|known| known.number > epoch);
    Ok(next.map(|next| next.first_seq).filter(|first| seq >= *first))
}
