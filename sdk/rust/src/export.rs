//! Making a function the component's export.

/// Makes an expression that is a [`Function`](crate::Function) the one that this crate exports. It
/// stands at the top of the crate, once. Natively it defines `pub fn function()`, for tests.
///
/// ```
/// pelton_sdk::function!(pelton_sdk::filter(|record| record.value().is_some()));
/// ```
#[macro_export]
macro_rules! function {
    ($function:expr) => {
        /// The function that this crate exports.
        pub fn function() -> ::std::boxed::Box<dyn $crate::Function> {
            ::std::boxed::Box::new($function)
        }

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Component;

            impl $crate::bindings::Guest for Component {
                fn open(
                    setup: $crate::bindings::Setup,
                ) -> $crate::export::Answer<$crate::bindings::Declaration> {
                    $crate::export::open(function(), setup)
                }

                fn process(
                    batch: ::std::vec::Vec<u8>,
                ) -> $crate::export::Answer<::std::vec::Vec<u8>> {
                    $crate::export::process(&batch)
                }
            }

    $crate::bindings::export_function!(Component with_types_in $crate::bindings);
        };
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

    /// Opens the instance that this component is.
    pub fn open(
        function: Box<dyn Function>,
        setup: bindings::Setup,
    ) -> Answer<bindings::Declaration> {
        super::report_panics();
        let (instance, declaration) = Instance::open(function, &setup.into())?;
        INSTANCE.with(|slot| *slot.borrow_mut() = Some(instance));
        Ok(declaration.into())
    }

    /// Calls it.
    pub fn process(batch: &[u8]) -> Answer<Vec<u8>> {
        INSTANCE.with(|slot| match &mut *slot.borrow_mut() {
            Some(instance) => Ok(instance.call(batch)?),
            None => Err(bindings::Failure {
                code: "not-open".into(),
                message: "the function was called before it was opened".into(),
                retryable: false,
            }),
        })
    }
}

#[cfg(target_arch = "wasm32")]
pub use component::{Answer, open, process};

/// A panic traps: say why first, since a trap cannot.
#[cfg(target_arch = "wasm32")]
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        crate::host::log(crate::log::Level::Error, &panic.to_string());
    }));
}
