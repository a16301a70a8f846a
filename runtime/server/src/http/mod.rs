//! The HTTP face of a node: `/api/v1`, health, metrics.
//!
//! [`Server::bind`] listens and serves until [`Server::shutdown`]. Handlers only parse, call a
//! service of [`crate::data`], and answer; what goes wrong is JSON with a stable code, whatever
//! found it.

mod auth;
mod backup;
mod capsules;
mod claim;
mod config;
mod connection;
mod console;
mod consume;
mod error;
mod event_stream;
mod explain;
mod extract;
mod function_metrics;
mod functions;
mod groups;
mod health;
mod history;
mod housekeeping;
mod inspect;
mod invoke;
mod listen;
mod log_stream;
mod metrics;
mod names;
mod pipelines;
mod produce;
mod rate;
mod redrive;
mod replays;
mod replication;
mod revoked;
mod routes;
mod savepoints;
mod server;
mod shadow;
mod sse;
mod stall;
mod state;
mod status;
mod tap;
mod token_routes;
mod tokens;
mod topics;

pub use claim::{Claimed, check_open};
pub use config::HttpConfig;
pub use error::{ApiError, ErrorBody, ErrorDetail};
pub use extract::{ApiPath, ApiQuery, Payload};
pub use routes::openapi;
pub use server::Server;
pub use state::App;
pub use tokens::{TokenInfo, Tokens};
