//! What the ready-made functions are: their names, settings and examples. The program that carries
//! the module reads this too, so it needs nothing but `core`.

mod joins;
mod records;
mod windows;

/// What stands in front of the name in the module.
pub const SLOT_MARK: &[u8; 24] = b"pelton:standard-library=";
/// The mark and the longest name.
pub const SLOT_BYTES: usize = 48;
/// The slot of a module that is no function yet.
pub const EMPTY_SLOT: &[u8; SLOT_BYTES] = b"pelton:standard-library=                        ";

/// A ready-made function.
#[derive(Debug)]
pub struct Spec {
    /// What follows `std:`.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// The window that it has where the manifest names none; `None`: it is called for each record.
    pub window: Option<&'static str>,
    /// Its configuration entries.
    pub keys: &'static [Key],
    /// What it sends, and with what key and timestamp.
    pub sends: &'static str,
    /// How it is used.
    pub example: Example,
}

/// A configuration entry.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in `[config]`.
    pub name: &'static str,
    /// What is allowed.
    pub takes: &'static str,
    /// What it is where it is not given.
    pub default: Default,
    /// What it says.
    pub about: &'static str,
}

/// What a configuration entry is where it is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// It has to be given.
    Required,
    /// Nothing.
    None,
    /// This.
    Is(&'static str),
}

/// A run that the documentation shows and a test repeats.
#[derive(Debug)]
pub struct Example {
    /// Flags of `pelton run` beside the configuration.
    pub flags: &'static [&'static str],
    /// Configuration entries.
    pub config: &'static [(&'static str, &'static str)],
    /// JSON lines in.
    pub input: &'static str,
    /// JSON lines out.
    pub output: &'static str,
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Spec> {
    windows::ALL.iter().chain(records::ALL).chain(joins::ALL)
}

/// The function of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Spec> {
    all().find(|spec| spec.name == name)
}

const fn required(name: &'static str, takes: &'static str, about: &'static str) -> Key {
    Key { name, takes, default: Default::Required, about }
}

const fn optional(name: &'static str, takes: &'static str, about: &'static str) -> Key {
    Key { name, takes, default: Default::None, about }
}

const fn key(
    name: &'static str,
    takes: &'static str,
    default: &'static str,
    about: &'static str,
) -> Key {
    Key { name, takes, default: Default::Is(default), about }
}

const MISSING: Key = key(
    "missing",
    "`reject` or `skip`",
    "reject",
    "What becomes of a record without the field, or with something else in it: `reject` leaves it \
     to the delivery policy (a dead letter), `skip` passes over it.",
);

const LATE: Key = key(
    "late",
    "`true` or `false`",
    "false",
    "Whether there is an output `late` for records that are too late for their window; else they \
     are counted only.",
);
