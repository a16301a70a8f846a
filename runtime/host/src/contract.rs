//! The types of `pelton:function` as wasmtime passes them.

use pelton_core::TimerDeclaration;
use pelton_core::manifest::WindowSettings;
use pelton_core::{Declaration, LogLevel, StoreDeclaration, StoreKind, TimeDomain};
use wasmtime::component::{ComponentType, Lift, Lower, flags};

/// The oldest and newest version of the contract that this host speaks.
pub const CONTRACT_VERSIONS: std::ops::RangeInclusive<u32> = 1..=1;

#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Setup {
    pub(crate) function: String,
    #[component(name = "contract-min")]
    pub(crate) contract_min: u32,
    #[component(name = "contract-max")]
    pub(crate) contract_max: u32,
    #[component(name = "batch-version")]
    pub(crate) batch_version: u16,
    pub(crate) inputs: Vec<String>,
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retryable: bool,
}

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[allow(dead_code, reason = "lifted from the guest")]
#[repr(u8)]
pub(crate) enum WitStoreKind {
    #[component(name = "kv")]
    Kv,
    #[component(name = "ordered")]
    Ordered,
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct WitStore {
    name: String,
    kind: WitStoreKind,
    schema: u32,
}

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[allow(dead_code, reason = "lifted from the guest")]
#[repr(u8)]
pub(crate) enum WitTimeDomain {
    #[component(name = "event")]
    Event,
    #[component(name = "processing")]
    Processing,
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct WitTimer {
    name: String,
    domain: WitTimeDomain,
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct WitSetting {
    name: String,
    value: String,
}

flags! {
    WitColumns {
        #[component(name = "offsets")]
        const OFFSETS;
        #[component(name = "inputs")]
        const INPUTS;
    }
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct WitDeclaration {
    pub(crate) contract: u32,
    outputs: Vec<String>,
    stores: Vec<WitStore>,
    timers: Vec<WitTimer>,
    windows: Vec<WitSetting>,
    columns: WitColumns,
}

impl WitDeclaration {
    /// The declaration in the words of `core`, of which only the windows are checked.
    ///
    /// # Errors
    /// A sentence about the windows.
    pub(crate) fn into_core(self, saves: bool) -> Result<Declaration, String> {
        let settings = self.windows.iter().map(|it| (it.name.as_str(), it.value.as_str()));
        let tells_time = WindowSettings::tells_time(settings.clone())?;
        let window = WindowSettings::declared(settings, &self.outputs)?;
        Ok(Declaration {
            outputs: self.outputs,
            stores: self.stores.into_iter().map(WitStore::into_core).collect(),
            timers: self.timers.into_iter().map(WitTimer::into_core).collect(),
            window,
            wants_offsets: self.columns.contains(WitColumns::OFFSETS),
            wants_inputs: self.columns.contains(WitColumns::INPUTS),
            tells_time,
            saves,
        })
    }
}

impl WitStore {
    fn into_core(self) -> StoreDeclaration {
        let kind = match self.kind {
            WitStoreKind::Kv => StoreKind::Kv,
            WitStoreKind::Ordered => StoreKind::Ordered,
        };
        StoreDeclaration { name: self.name, kind, schema: self.schema }
    }
}

impl WitTimer {
    fn into_core(self) -> TimerDeclaration {
        let domain = match self.domain {
            WitTimeDomain::Event => TimeDomain::Event,
            WitTimeDomain::Processing => TimeDomain::Processing,
        };
        TimerDeclaration { name: self.name, domain }
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[allow(dead_code, reason = "lifted from the guest")]
#[repr(u8)]
pub(crate) enum WitLevel {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl From<WitLevel> for LogLevel {
    fn from(level: WitLevel) -> Self {
        match level {
            WitLevel::Trace => Self::Trace,
            WitLevel::Debug => Self::Debug,
            WitLevel::Info => Self::Info,
            WitLevel::Warn => Self::Warn,
            WitLevel::Error => Self::Error,
        }
    }
}

/// A header on its way to a guest of the `simple` world.
#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
pub(crate) struct HeaderIn<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Option<&'a [u8]>,
}

/// A record on its way to a guest of the `simple` world.
#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
pub(crate) struct MessageIn<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: Vec<HeaderIn<'a>>,
}

/// A header that a guest of the `simple` world answered.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct HeaderOut {
    pub(crate) name: String,
    pub(crate) value: Option<Vec<u8>>,
}

/// A record that a guest of the `simple` world answered.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct MessageOut {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: Vec<HeaderOut>,
}
