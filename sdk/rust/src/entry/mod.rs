//! Entry points: what an author writes, turned into a [`Function`](crate::Function).

mod aggregate;
mod event_time;
mod filter;
mod join;
mod lookup;
mod map;
mod process;
mod stateful;
mod window;

pub use aggregate::{Aggregate, aggregate, aggregate_with};
pub use event_time::event_time;
pub use filter::{Keep, filter};
pub use join::{Join, Pair, join_with};
pub use lookup::{Looked, Lookup, lookup_by, lookup_with};
pub use map::{Mapped, map};
pub use process::{Process, process, process_with};
pub use stateful::{Stateful, stateful};
pub use window::{Contents, Window, window, window_with};
