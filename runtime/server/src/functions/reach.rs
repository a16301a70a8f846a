//! Which topics a function may name: those of its own tenant, and none that it both reads and writes.

use pelton_core::{Domain, Error, Result, TopicName};

use crate::spec::{DeploymentSpec, PoisonSpec};

/// Checks the topics that a version reads and writes, those too that it has by default.
///
/// # Errors
/// `E-TENANT-OTHER` names a topic of another tenant, `E-INPUT-LOOP` one that would feed the function
/// with what it writes.
pub(super) fn check_topics(spec: &DeploymentSpec) -> Result<()> {
    let reads = spec.inputs.iter().map(|input| ("an [[input]]", &input.topic));
    let writes = spec.outputs.values().map(|topic| ("an [[output]]", topic));
    let dead_letters = match &spec.on_poison {
        PoisonSpec::DeadLetter(topic) => Some(("dead_letter", topic)),
        PoisonSpec::Skip | PoisonSpec::Halt => None,
    };
    let writes = writes.chain(dead_letters);
    for (what, topic) in reads.chain(writes.clone()) {
        check_tenant(spec, what, topic)?;
    }
    let is_read = |topic: &TopicName| spec.inputs.iter().any(|input| input.topic == *topic);
    match writes.into_iter().find(|(_, topic)| is_read(topic)) {
        Some((what, topic)) => Err(feeds_itself(spec, what, topic)),
        None => Ok(()),
    }
}

fn check_tenant(spec: &DeploymentSpec, what: &str, topic: &TopicName) -> Result<()> {
    if topic.tenant() == spec.function.tenant() {
        return Ok(());
    }
    let text = format!(
        "{}: {what} is {topic}, a topic of another tenant; name one of tenant {}",
        spec.function,
        spec.function.tenant().as_str()
    );
    Err(Error::new("E-TENANT-OTHER", Domain::User, text))
}

fn feeds_itself(spec: &DeploymentSpec, what: &str, topic: &TopicName) -> Error {
    let text = format!(
        "{}: topic {topic} is an [[input]] and {what} at once, so that the function would be called \
         with what it has written, without an end; give one of the two another topic in pelton.toml",
        spec.function
    );
    Error::new("E-INPUT-LOOP", Domain::User, text)
}

#[cfg(test)]
mod tests {
    use pelton_core::FunctionId;

    use super::*;
    use crate::spec::InputSpec;

    fn topic(name: &str) -> TopicName {
        TopicName::parse(name).unwrap()
    }

    fn refusal(change: impl FnOnce(&mut DeploymentSpec)) -> Option<(&'static str, String)> {
        let function = FunctionId::parse("f").unwrap();
        let mut spec = DeploymentSpec::new(function, vec![InputSpec::new(topic("in"))]);
        change(&mut spec);
        check_topics(&spec).err().map(|error| (error.code, error.to_string()))
    }

    #[test]
    fn a_function_reads_nothing_that_it_writes() {
        let output = |name: &'static str| {
            refusal(move |spec| drop(spec.outputs.insert("out".into(), topic(name))))
        };
        assert_eq!(output("out"), None);
        let (code, text) = output("in").unwrap();
        assert_eq!(code, "E-INPUT-LOOP");
        assert!(
            text.contains("topic default/in is an [[input]] and an [[output]] at once"),
            "{text}"
        );
        let poison = |poison| refusal(|spec| spec.on_poison = poison);
        assert_eq!(poison(PoisonSpec::DeadLetter(topic("f.dead"))), None);
        let (code, text) = poison(PoisonSpec::DeadLetter(topic("in"))).unwrap();
        assert_eq!(code, "E-INPUT-LOOP");
        assert!(text.contains("dead_letter"), "{text}");
    }

    #[test]
    fn a_function_has_topics_of_its_own_tenant_only() {
        let refused = |error: Option<(&'static str, String)>| {
            let (code, text) = error.unwrap();
            assert_eq!(code, "E-TENANT-OTHER");
            assert!(text.contains("other/x"), "{text}");
        };
        refused(refusal(|spec| spec.inputs[0].topic = topic("other/x")));
        refused(refusal(|spec| drop(spec.outputs.insert("out".into(), topic("other/x")))));
        refused(refusal(|spec| spec.on_poison = PoisonSpec::DeadLetter(topic("other/x"))));
    }
}
