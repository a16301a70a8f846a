//! What a function declares when it is opened: the same in wasm and natively.

/// The version of the contract that this SDK was built against.
pub(crate) const CONTRACT: u32 = 1;

/// How a store may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Point reads only.
    Kv,
    /// In the order of its keys: range scans too.
    Ordered,
}

/// A state store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreDeclaration {
    /// Its name.
    pub name: String,
    /// How it may be read.
    pub kind: StoreKind,
    /// The version of its values.
    pub schema: u32,
}

/// Which time a timer follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeDomain {
    /// The watermark.
    Event,
    /// The wall clock, as recorded with each commit.
    Processing,
}

/// A kind of timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerDeclaration {
    /// Its name.
    pub name: String,
    /// The time that it follows.
    pub domain: TimeDomain,
}

/// What a function is called with when a window fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All records.
    Contents,
    /// An accumulator.
    Incremental,
}

/// Everything that a function declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declaration {
    /// Names of outputs.
    pub outputs: Vec<String>,
    /// Stores.
    pub stores: Vec<StoreDeclaration>,
    /// Timers.
    pub timers: Vec<TimerDeclaration>,
    /// Settings of the windows, by name; none where there are no windows.
    pub windows: Vec<(&'static str, String)>,
    /// Whether batches carry offsets.
    pub offsets: bool,
    /// Whether batches carry the index of the input.
    pub inputs: bool,
    /// Whether it tells when records happened.
    pub tells_time: bool,
    /// Whether the host keeps its memory.
    pub saves: bool,
}
