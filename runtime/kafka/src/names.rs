//! From Pelton's names to Kafka's.
//!
//! The topics of the tenant `default` keep their names, so that a team uses the topics that it has.
//! Those of other tenants are called `pelton.<tenant>.<name>`, with the dots of the tenant doubled:
//! since no name starts with a dot, two different names never become the same.

use pelton_core::{FunctionId, TenantId, TopicName};

use crate::error::KafkaError;

/// Kafka's own limit.
const NAME_BYTES_MAX: usize = 249;
const PREFIX: &str = "pelton.";

/// The name of a topic in Kafka.
///
/// # Errors
/// [`KafkaError::Name`] for a name of the tenant `default` that is made like another tenant's, and
/// for a name that is longer than Kafka takes.
pub fn kafka_topic(topic: &TopicName) -> Result<String, KafkaError> {
    if *topic.tenant() != TenantId::default() {
        return checked(prefixed(topic.tenant(), topic.name()));
    }
    if topic.name().starts_with(PREFIX) {
        let why = "names that start with `pelton.` are those of other tenants";
        return Err(KafkaError::Name { name: topic.name().into(), why });
    }
    checked(topic.name().into())
}

/// The consumer group of a function, and the id of its transactions.
///
/// # Errors
/// [`KafkaError::Name`] where it is longer than Kafka takes.
pub fn group(function: &FunctionId) -> Result<String, KafkaError> {
    checked(prefixed(function.tenant(), function.name()))
}

/// The changelog topic of a function. No name of a tenant's topic starts with `__`.
///
/// # Errors
/// [`KafkaError::Name`] where it is longer than Kafka takes.
pub fn changelog_topic(function: &FunctionId) -> Result<String, KafkaError> {
    checked(format!("__changelog.{}", prefixed(function.tenant(), function.name())))
}

fn prefixed(tenant: &TenantId, name: &str) -> String {
    format!("{PREFIX}{}.{name}", tenant.as_str().replace('.', ".."))
}

fn checked(name: String) -> Result<String, KafkaError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(KafkaError::Name { name, why: "it is longer than Kafka's 249 bytes" });
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(tenant: &str, name: &str) -> String {
        kafka_topic(&TopicName::new(TenantId::new(tenant).unwrap(), name).unwrap()).unwrap()
    }

    #[test]
    fn two_names_never_become_the_same() {
        assert_eq!(topic("default", "orders"), "orders");
        assert_eq!(topic("acme", "orders"), "pelton.acme.orders");
        assert_ne!(topic("a", "b.c"), topic("a.b", "c"));
        assert_ne!(topic("a.", "b"), topic("a", "b"));
        let taken = TopicName::new(TenantId::default(), "pelton.acme.orders").unwrap();
        assert!(matches!(kafka_topic(&taken), Err(KafkaError::Name { .. })));
    }

    #[test]
    fn the_longest_names_of_kafka_pass_and_one_byte_more_is_refused() {
        let function = |length| {
            let tenant = TenantId::new(&"t".repeat(111)).unwrap();
            FunctionId::new(tenant, &"f".repeat(length)).unwrap()
        };
        let name = changelog_topic(&function(118)).unwrap();
        assert_eq!(name.len(), NAME_BYTES_MAX);
        assert!(changelog_topic(&function(119)).is_err());
    }
}
