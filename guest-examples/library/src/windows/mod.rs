//! Functions over windows: each keeps an accumulator, never the records.

mod count;
mod debounce;
mod distinct;
mod quantiles;
mod rate;
mod session;
mod stats;
mod top;

use pelton_sdk::{Context, Fired, Function, Json, OUT, Result, aggregate};
use serde::Serialize;

use crate::spec::Spec;

/// The function of this name, where it is one over windows.
pub(crate) fn make(spec: &'static Spec) -> Option<Box<dyn Function>> {
    Some(match spec.name {
        "count" => Box::new(aggregate::<count::Count>()),
        "stats" => Box::new(aggregate::<stats::Stats>()),
        "top" => Box::new(aggregate::<top::Top>()),
        "distinct" => Box::new(aggregate::<distinct::Distinct>()),
        "quantiles" => Box::new(aggregate::<quantiles::Quantiles>()),
        "session" => Box::new(aggregate::<session::Session>()),
        "debounce" => Box::new(aggregate::<debounce::Debounce>()),
        "rate" => Box::new(aggregate::<rate::Rate>()),
        _ => return None,
    })
}

/// The window that is told of, and what is told of it.
#[derive(Serialize)]
struct Told<T> {
    start: i64,
    end: i64,
    #[serde(flatten)]
    of_it: T,
}

/// Sends what is told of a window, under its key.
fn tell<T: Serialize>(window: &Fired<'_>, of_it: T, ctx: &mut Context<'_>) -> Result<()> {
    let told = Told { start: window.start(), end: window.end(), of_it };
    OUT.emit(ctx, window.key(), Json(told))
}
