//! Names of things. Each carries its tenant, so that nothing can be reached without one.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Most bytes of one part of a name.
pub(crate) const NAME_BYTES_MAX: usize = 120;

/// A name that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} name {name:?} is not allowed: use 1 to {NAME_BYTES_MAX} of a-z A-Z 0-9 . _ -, not \
     starting with '.', and not '__' at the start"
)]
pub struct NameError {
    what: &'static str,
    name: String,
}

fn check(what: &'static str, name: &str) -> Result<(), NameError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(allowed);
    if plain && !name.starts_with('.') && !name.starts_with("__") {
        return Ok(());
    }
    let name = name.chars().take(NAME_BYTES_MAX + 1).collect();
    Err(NameError { what, name })
}

/// A tenant's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The tenant with this name.
    ///
    /// # Errors
    /// [`NameError`] where the name is not allowed.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check("tenant", name)?;
        Ok(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which the shadows of its functions get CPU time: no tenant can have it.
    #[must_use]
    pub fn shadows(&self) -> Self {
        Self(format!("{}~shadows", self.0).into())
    }
}

impl Default for TenantId {
    /// The tenant `default`, where none is named.
    fn default() -> Self {
        Self("default".into())
    }
}

impl TryFrom<String> for TenantId {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(&name)
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.0.as_ref().into()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! tenant_name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type {
            tenant: TenantId,
            name: Arc<str>,
        }

        impl $type {
            /// The one with this name in this tenant.
            ///
            /// # Errors
            /// [`NameError`] where the name is not allowed.
            pub fn new(tenant: TenantId, name: &str) -> Result<Self, NameError> {
                check($what, name)?;
                Ok(Self { tenant, name: name.into() })
            }

            /// The one called `name` or `tenant/name`; without a tenant, that of `default`.
            ///
            /// # Errors
            /// [`NameError`] where a name is not allowed.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                match text.split_once('/') {
                    Some((tenant, name)) => Self::new(TenantId::new(tenant)?, name),
                    None => Self::new(TenantId::default(), text),
                }
            }

            /// The tenant.
            #[must_use]
            pub fn tenant(&self) -> &TenantId {
                &self.tenant
            }

            /// The name within the tenant.
            #[must_use]
            pub fn name(&self) -> &str {
                &self.name
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.tenant, self.name)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.to_string()
            }
        }
    };
}

tenant_name! {
    /// A function: the lasting identity that deployments are versions of. Shown as `tenant/name`.
    FunctionId, "function"
}
tenant_name! {
    /// A pipeline: functions that are deployed together. Shown as `tenant/name`.
    PipelineId, "pipeline"
}
tenant_name! {
    /// A topic. Shown as `tenant/name`.
    TopicName, "topic"
}

/// A task: one function at work on one partition number of its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskId {
    /// The function.
    pub function: FunctionId,
    /// The partition number.
    pub partition: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.function, self.partition)
    }
}

/// A partition of a topic on a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The cluster: empty for the one that Pelton itself runs on.
    pub cluster: Arc<str>,
    /// The topic.
    pub topic: TopicName,
    /// The partition number, from 0.
    pub partition: u32,
}

impl TopicPartition {
    /// A partition on the cluster that Pelton itself runs on.
    #[must_use]
    pub fn local(topic: TopicName, partition: u32) -> Self {
        Self { cluster: "".into(), topic, partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.cluster.is_empty() {
            write!(f, "{}:", self.cluster)?;
        }
        write!(f, "{}-{}", self.topic, self.partition)
    }
}
