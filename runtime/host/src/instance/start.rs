//! A fresh store with an instance in it.

use pelton_core::{Fault, FaultKind, Limits, SharedEnvironment};
use wasmtime::component::{ComponentNamedList, Instance, InstancePre, Lift, Lower, TypedFunc};
use wasmtime::{Error, Store, UpdateDeadline};

use super::HostState;
use super::factory::LoadError;
use crate::contract::{Failure, MessageIn, MessageOut, Setup, WitDeclaration};
use crate::error::{ErrorKind, HostError};
use crate::faults::{Facts, OutOfTime, Phase, fault};
use crate::meter::CallStats;
use crate::scan::World;

/// What an export answers.
pub(super) type Answer<T> = (Result<T, Failure>,);
pub(super) type Process = TypedFunc<(&'static [u8],), Answer<Vec<u8>>>;
pub(super) type Save = TypedFunc<(), Answer<Option<Vec<u8>>>>;
pub(super) type Restore = TypedFunc<(&'static [u8],), Answer<()>>;
pub(super) type Handle = TypedFunc<(MessageIn<'static>,), Answer<Vec<MessageOut>>>;

/// Handles of component resources that an instance may hold; the contract has none, WASI a few.
pub(crate) const HANDLES_MAX: usize = 1_000;
/// Bytes that a guest may hand over at once where the limit on its output is lower.
const HANDOVER_BYTES_MIN: usize = 1 << 20;

/// The exports of an instance.
pub(super) enum Exports {
    Function { process: Process, state: Option<(Save, Restore)> },
    Simple(Handle),
}

/// A store with its instance.
pub(super) struct Live {
    pub(super) store: Store<HostState>,
    pub(super) exports: Exports,
}

/// A store with the limits of a deployment, which yields at every tick.
pub(super) fn store(
    pre: &InstancePre<HostState>,
    limits: &Limits,
    stats: &CallStats,
) -> Store<HostState> {
    let mut store = Store::new(pre.engine(), HostState::new(limits));
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel((limits.output_bytes.value as usize).max(HANDOVER_BYTES_MIN));
    store.set_max_component_handles(HANDLES_MAX);
    let meter = stats.meter().clone();
    store.epoch_deadline_callback(move |_| {
        if meter.tick() { Ok(UpdateDeadline::Yield(1)) } else { Err(Error::new(OutOfTime)) }
    });
    store
}

/// Instantiates and opens: the instance, and what it declares where its world declares anything.
pub(super) async fn start(
    pre: &InstancePre<HostState>,
    world: World,
    setup: &Setup,
    limits: &Limits,
    stats: &CallStats,
    environment: SharedEnvironment,
) -> Result<(Live, Option<WitDeclaration>), Fault> {
    let mut store = store(pre, limits, stats);
    store.data_mut().start_call(environment);
    store.set_epoch_deadline(1);
    stats.meter().start(limits.open_cpu_ms.value * 1_000_000);
    let opened = open(&mut store, pre, world, setup).await;
    let refused = store.data().limiter.refused();
    store.data_mut().finish_call();
    let panic = store.data_mut().take_panic();
    let (exports, declaration) = opened
        .map_err(|error| fault(&error, Facts { phase: Phase::Open, refused, panic, limits }))?;
    let declaration = declaration.transpose().map_err(|failure: Failure| Fault {
        retryable: failure.retryable,
        ..Fault::new(
            FaultKind::Open,
            format!("`open` failed with `{}`: {}", failure.code, failure.message),
        )
    })?;
    Ok((Live { store, exports }, declaration))
}

/// Instantiates, and looks whether all exports have the types of the contract; calls none.
///
/// # Errors
/// `E-MODULE-WORLD` where one has others, a fault where it cannot be instantiated.
pub(super) async fn check_exports(
    pre: &InstancePre<HostState>,
    world: World,
    limits: &Limits,
    stats: &CallStats,
    environment: SharedEnvironment,
) -> Result<(), LoadError> {
    let mut store = store(pre, limits, stats);
    store.data_mut().start_call(environment);
    store.set_epoch_deadline(1);
    stats.meter().start(limits.open_cpu_ms.value * 1_000_000);
    let Err(error) = exports(&mut store, pre, world).await else { return Ok(()) };
    if let Some(wrong) = error.downcast_ref::<HostError>() {
        return Err(wrong.clone().into());
    }
    let refused = store.data().limiter.refused();
    Err(fault(&error, Facts { phase: Phase::Open, refused, panic: None, limits }).into())
}

type Open = TypedFunc<(Setup,), Answer<WitDeclaration>>;
type Opened = (Exports, Option<Result<WitDeclaration, Failure>>);

async fn open(
    store: &mut Store<HostState>,
    pre: &InstancePre<HostState>,
    world: World,
    setup: &Setup,
) -> wasmtime::Result<Opened> {
    let (exports, open) = exports(store, pre, world).await?;
    let Some(open) = open else { return Ok((exports, None)) };
    let (declaration,) = open.call_async(&mut *store, (setup.clone(),)).await?;
    Ok((exports, Some(declaration)))
}

/// The exports of a new instance, with the one that opens it where its world has one.
async fn exports(
    store: &mut Store<HostState>,
    pre: &InstancePre<HostState>,
    world: World,
) -> wasmtime::Result<(Exports, Option<Open>)> {
    let instance = pre.instantiate_async(&mut *store).await?;
    if world == World::Simple {
        return Ok((Exports::Simple(export(store, &instance, "handle")?), None));
    }
    let open = export(store, &instance, "open")?;
    let process = export(store, &instance, "process")?;
    let state = match world {
        World::StatefulFunction => {
            let save = export(store, &instance, "save")?;
            Some((save, export(store, &instance, "restore")?))
        }
        World::Function | World::Simple => None,
    };
    Ok((Exports::Function { process, state }, Some(open)))
}

fn export<P, R>(
    store: &mut Store<HostState>,
    instance: &Instance,
    name: &str,
) -> wasmtime::Result<TypedFunc<P, R>>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    instance.get_typed_func(&mut *store, name).map_err(|error| {
        let text = format!(
            "the export `{name}` differs from pelton:function@{}: {error:#}; rebuild it with the \
             WIT of this version",
            crate::scan::VERSION
        );
        Error::new(HostError::new(ErrorKind::World, text))
    })
}
