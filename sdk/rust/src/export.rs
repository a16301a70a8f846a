//! Making a function the component's export.

/// Makes an expression that is a [`Function`](crate::Function) the one that this crate exports. It
/// stands at the top of the crate, once. Natively it defines `pub fn function()`, for tests.
///
/// ```
/// pelton_sdk::function!(pelton_sdk::filter(|record| record.value().is_some()));
/// ```
///
/// A function that saves its memory says so a second time, since its component has other exports:
/// `function!(..., saves)`.
#[macro_export]
macro_rules! function {
    ($function:expr) => {
        $crate::function!(@native $function);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Component;

            $crate::function!(@guest bindings, false);

    $crate::bindings::export_function!(Component with_types_in $crate::bindings);
        };
    };
    ($function:expr, saves) => {
        $crate::function!(@native $function);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Component;

            $crate::function!(@guest saving_bindings, true;
                fn save() -> $crate::export::Answer<
                    ::std::option::Option<::std::vec::Vec<u8>>
                > {
                    $crate::export::save()
                }

                fn restore(saved: ::std::vec::Vec<u8>) -> $crate::export::Answer<()> {
                    $crate::export::restore(&saved)
                }
            );

    $crate::saving_bindings::export_function!(Component with_types_in $crate::saving_bindings);
        };
    };
    (@native $function:expr) => {
        /// The function that this crate exports.
        pub fn function() -> ::std::boxed::Box<dyn $crate::Function> {
            ::std::boxed::Box::new($function)
        }
    };
    (@guest $bindings:ident, $saves:literal $(; $($more:item)*)?) => {
        impl $crate::$bindings::Guest for Component {
            fn open(
                setup: $crate::bindings::Setup,
            ) -> $crate::export::Answer<$crate::bindings::Declaration> {
                $crate::export::open(function(), setup, $saves)
            }

            fn process(
                batch: ::std::vec::Vec<u8>,
            ) -> $crate::export::Answer<::std::vec::Vec<u8>> {
                $crate::export::process(&batch)
            }

            $($($more)*)?
        }
    };
}

/// Exports a filter: a closure from a record to whether to keep it.
///
/// ```
/// pelton_sdk::filter!(|record| record.value_bytes().len() > 100);
/// ```
#[macro_export]
macro_rules! filter {
    ($predicate:expr) => {
        $crate::function!($crate::filter($predicate));
    };
}

/// Exports a map: a closure from a record to its new value, to a `Result` of one, or to an `Option`
/// where `None` drops the record.
///
/// ```
/// pelton_sdk::map!(|record| Ok(record.text()?.to_uppercase()));
/// ```
#[macro_export]
macro_rules! map {
    ($change:expr) => {
        $crate::function!($crate::map($change));
    };
}

/// Exports a [`Process`](crate::Process), or a closure over record and context.
///
/// ```
/// use pelton_sdk::OUT;
///
/// pelton_sdk::process!(|record, ctx| {
///     for word in record.text()?.split_whitespace() {
///         OUT.emit(ctx, word, "1")?;
///     }
///     Ok(())
/// });
/// ```
#[macro_export]
macro_rules! process {
    (|$record:pat_param, $ctx:pat_param| $work:expr) => {
        $crate::function!($crate::process_with(|$record, $ctx| $work));
    };
    ($type:ty) => {
        $crate::function!($crate::process::<$type>());
    };
}

/// Exports a [`Stateful`](crate::Stateful).
#[macro_export]
macro_rules! stateful {
    ($type:ty) => {
        $crate::function!($crate::stateful::<$type>(), saves);
    };
}

/// Exports an [`Aggregate`](crate::Aggregate), or windows and two closures.
///
/// ```
/// use pelton_sdk::prelude::*;
///
/// pelton_sdk::aggregate!(
///     Windows::tumbling(std::time::Duration::from_mins(1)),
///     |count: &mut u64, _record| { *count += 1; Ok(()) },
///     |window, count, ctx| OUT.emit(ctx, window.key(), Json(count)),
/// );
/// ```
#[macro_export]
macro_rules! aggregate {
    ($windows:expr, $add:expr, $finish:expr $(,)?) => {
        $crate::function!($crate::aggregate_with($windows, $add, $finish));
    };
    ($type:ty) => {
        $crate::function!($crate::aggregate::<$type>());
    };
}

/// Exports a [`Window`](crate::Window), or windows and a closure over window, records and context.
///
/// ```
/// use pelton_sdk::prelude::*;
///
/// pelton_sdk::window!(
///     Windows::tumbling(std::time::Duration::from_mins(1)),
///     |window, records, ctx| OUT.emit(ctx, window.key(), Json(records.len())),
/// );
/// ```
#[macro_export]
macro_rules! window {
    ($windows:expr, $fire:expr $(,)?) => {
        $crate::function!($crate::window_with($windows, $fire));
    };
    ($type:ty) => {
        $crate::function!($crate::window::<$type>());
    };
}

#[cfg(target_arch = "wasm32")]
mod component {
    use std::cell::RefCell;

    use crate::bindings;
    use crate::function::{Failure, Function, Instance};

    thread_local! {
        static INSTANCE: RefCell<Option<Instance>> = const { RefCell::new(None) };
    }

    impl From<Failure> for bindings::Failure {
        fn from(failure: Failure) -> Self {
            let Failure { code, message, retryable } = failure;
            Self { code: code.into(), message, retryable }
        }
    }

    /// What an export answers.
    pub type Answer<T> = Result<T, bindings::Failure>;

    /// Opens the instance that this component is; `saves` where it exports `save` and `restore`.
    pub fn open(
        function: Box<dyn Function>,
        setup: bindings::Setup,
        saves: bool,
    ) -> Answer<bindings::Declaration> {
        super::report_panics();
        let (instance, declaration) = Instance::open(function, &setup.into())?;
        if declaration.saves && !saves {
            // Else its memory would be lost in silence.
            return Err(failure(
                "not-saving",
                "this function saves its memory: export it with `function!(..., saves)`",
            ));
        }
        INSTANCE.with(|slot| *slot.borrow_mut() = Some(instance));
        Ok(declaration.into())
    }

    /// Calls it.
    pub fn process(batch: &[u8]) -> Answer<Vec<u8>> {
        within(|instance| instance.call(batch))
    }

    /// What the host is to keep of it, where that has changed.
    pub fn save() -> Answer<Option<Vec<u8>>> {
        within(Instance::save)
    }

    /// Takes up what was kept last.
    pub fn restore(saved: &[u8]) -> Answer<()> {
        within(|instance| instance.restore(saved))
    }

    #[inline]
    fn within<T>(ask: impl FnOnce(&mut Instance) -> Result<T, Failure>) -> Answer<T> {
        INSTANCE.with(|slot| match &mut *slot.borrow_mut() {
            Some(instance) => Ok(ask(instance)?),
            None => Err(failure("not-open", "the function was called before it was opened")),
        })
    }

    fn failure(code: &str, message: &str) -> bindings::Failure {
        bindings::Failure { code: code.into(), message: message.into(), retryable: false }
    }
}

#[cfg(target_arch = "wasm32")]
pub use component::{Answer, open, process, restore, save};

/// A panic traps: say why first, since a trap cannot.
#[cfg(target_arch = "wasm32")]
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        crate::host::log(crate::log::Level::Error, &panic.to_string());
    }));
}
