//! Pipelines: functions that are deployed and versioned together.
//!
//! Each is a function like any other, with versions of its own; the pipeline's record says which
//! versions belong together. Before a pipeline changes its functions, its record says what is to
//! be; a server that is stopped in between goes on from there.

mod apply;
mod back;
mod deploy;
mod fuse;
mod internal;
mod lifecycle;
mod member;
mod plan;
mod record;
mod report;
mod status;
mod store;

pub use deploy::PipelineRequest;
pub use plan::Planned;
pub use record::{PIPELINE_VERSIONS_MAX, PipelineFunction, PipelineRecord, PipelineVersion};
pub use report::PipelineReport;
pub use status::{PipelineState, PipelineStatus, PipelineTopic};

pub(super) use internal::Internal;
pub(super) use store::{Store, modules};
