//! A function as a guest of the engine's, without wasm.

use std::any::Any;
use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pelton_core::manifest::WindowSettings;
use pelton_core::{
    BoxFuture, Fault, FaultKind, Guest, GuestFactory, SharedEnvironment, StoreKind, TimeDomain,
};

use crate::declaration::{self, CONTRACT, Declaration};
use crate::function::{Failure, Function, Instance};
use crate::host::native::within;
use crate::setup::SetupInfo;

type Make = Arc<dyn Fn() -> Box<dyn Function> + Send + Sync>;

/// A function that the engine can run natively: a [`GuestFactory`].
pub struct NativeFunction {
    make: Make,
    info: SetupInfo,
    declaration: pelton_core::Declaration,
}

impl NativeFunction {
    /// Opens the function that `make` makes, to learn what it declares.
    ///
    /// # Errors
    /// What the function answers to `open`, or that it panicked.
    pub fn open(
        make: impl Fn() -> Box<dyn Function> + Send + Sync + 'static,
        name: &str,
        inputs: &[String],
        environment: SharedEnvironment,
    ) -> Result<Self, Fault> {
        let make: Make = Arc::new(make);
        let info = SetupInfo {
            function: name.to_owned(),
            contract_min: CONTRACT,
            contract_max: CONTRACT,
            inputs: inputs.to_vec(),
        };
        let (_, declaration) = open(&make, &info, environment)?;
        Ok(Self { make, info, declaration: declared(declaration)? })
    }
}

fn open(
    make: &Make,
    info: &SetupInfo,
    environment: SharedEnvironment,
) -> Result<(Instance, Declaration), Fault> {
    let opened = guarded(environment, || Instance::open(make(), info));
    opened.map_err(|fault| match fault.kind {
        FaultKind::Failure => Fault { kind: FaultKind::Open, ..fault },
        _ => fault,
    })
}

/// Runs guest code: a panic is a trap, a failure is one.
fn guarded<T>(
    environment: SharedEnvironment,
    call: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(|| within(environment, call))) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Failure { code, message, retryable })) => {
            let message = format!("{message} ({code})");
            Err(Fault { retryable, ..Fault::new(FaultKind::Failure, message) })
        }
        Err(panic) => Err(trap(panic)),
    }
}

fn trap(panic: Box<dyn Any + Send>) -> Fault {
    let panic = match panic.downcast::<Fault>() {
        Ok(fault) => return *fault,
        Err(panic) => panic,
    };
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Fault::new(FaultKind::Trap, text.unwrap_or_else(|| "the function panicked".to_owned()))
}

impl GuestFactory for NativeFunction {
    fn declaration(&self) -> &pelton_core::Declaration {
        &self.declaration
    }

    fn instantiate(
        &self,
        environment: SharedEnvironment,
    ) -> BoxFuture<'_, Result<Box<dyn Guest>, Fault>> {
        let opened = open(&self.make, &self.info, environment);
        let guest = opened.map(|(instance, _)| Box::new(NativeGuest(instance)) as Box<dyn Guest>);
        Box::pin(ready(guest))
    }
}

struct NativeGuest(Instance);

impl Guest for NativeGuest {
    fn call<'a>(
        &'a mut self,
        input: &'a [u8],
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Vec<u8>, Fault>> {
        Box::pin(ready(guarded(environment, || self.0.call(input))))
    }

    fn save<'a>(
        &'a mut self,
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>> {
        Box::pin(ready(guarded(environment, || self.0.save())))
    }

    fn restore<'a>(
        &'a mut self,
        saved: &'a [u8],
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(ready(guarded(environment, || self.0.restore(saved))))
    }
}

fn declared(declared: Declaration) -> Result<pelton_core::Declaration, Fault> {
    let settings = declared.windows.iter().map(|(name, value)| (*name, value.as_str()));
    let wrong = |text: String| Fault::new(FaultKind::Open, text);
    let tells_time = WindowSettings::tells_time(settings.clone()).map_err(wrong)?;
    let window = WindowSettings::declared(settings, &declared.outputs).map_err(wrong)?;
    let store = |store: declaration::StoreDeclaration| pelton_core::StoreDeclaration {
        name: store.name,
        kind: match store.kind {
            declaration::StoreKind::Kv => StoreKind::Kv,
            declaration::StoreKind::Ordered => StoreKind::Ordered,
        },
        schema: store.schema,
    };
    let timer = |timer: declaration::TimerDeclaration| pelton_core::TimerDeclaration {
        name: timer.name,
        domain: match timer.domain {
            declaration::TimeDomain::Event => TimeDomain::Event,
            declaration::TimeDomain::Processing => TimeDomain::Processing,
        },
    };
    Ok(pelton_core::Declaration {
        outputs: declared.outputs,
        stores: declared.stores.into_iter().map(store).collect(),
        timers: declared.timers.into_iter().map(timer).collect(),
        window,
        wants_offsets: declared.offsets,
        wants_inputs: declared.inputs,
        tells_time,
        saves: declared.saves,
    })
}
