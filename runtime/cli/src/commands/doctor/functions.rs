//! Functions that do not get on, and topics at a limit.

use pelton_server::functions::{FunctionState, FunctionStatus};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::check::Check;
use crate::text;

/// Records that may wait before it is told.
const LAG_LEAST: u64 = 1_000;
/// Seconds that the records which wait may take at the latest rate.
const LAG_SECONDS_MAX: f64 = 10.0;

/// What counts of a function.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    name: String,
    state: FunctionState,
    error: Option<String>,
    lag: u64,
    /// Records a second, lately; `None` in the first seconds.
    rate: Option<f64>,
    dead_letters: u64,
    last_fault: Option<String>,
    /// The topics that it reads, with the tenant.
    reads: Vec<String>,
}

/// A topic, as the server lists it.
#[derive(Debug, Deserialize)]
pub(super) struct Topic {
    name: String,
    tenant: String,
    retention_bytes: Option<u64>,
    bytes: u64,
    partitions: Vec<IgnoredAny>,
}

impl Seen {
    pub(super) fn of(status: &FunctionStatus) -> Self {
        Self {
            name: status.function.name().to_owned(),
            state: status.state,
            error: status.error.clone(),
            lag: status.lag,
            rate: status.recent.map(|recent| recent.records_in_rate),
            dead_letters: status.poison,
            last_fault: status.last_fault.clone(),
            reads: status.inputs.clone(),
        }
    }

    /// What is wrong with it, where anything is.
    fn check(&self) -> Option<Check> {
        let Self { name, lag, .. } = self;
        let what = format!("function {name}");
        let waiting = format!("{} of its records wait", text::thousands(*lag));
        let fault = self.last_fault.as_deref();
        Some(match self.state {
            FunctionState::Stopped => {
                let why = self.error.as_deref().unwrap_or("it should run and does not");
                let next = format!("pelton logs {name}; mend it, then pelton resume {name}");
                Check::fail(&what, format!("stopped: {why}"), next)
            }
            FunctionState::Paused => {
                Check::warn(&what, format!("paused; {waiting}"), format!("pelton resume {name}"))
            }
            // What waits and what fails is the leader's to tell.
            FunctionState::Replica => return None,
            // It is called again and again, or not for a while.
            _ if *lag > 0 && self.rate == Some(0.0) && fault.is_some() => Check::fail(
                &what,
                format!("{waiting} and none gets through: {}", fault.unwrap_or_default()),
                format!("pelton logs {name}; pelton capsule export {name} takes the call apart"),
            ),
            FunctionState::OnTrial => Check::warn(
                &what,
                "on trial: its newest version has not committed on every partition yet",
                format!("pelton status {name} shows which; a record lets it commit"),
            ),
            _ if self.lags() => Check::warn(
                &what,
                waiting,
                format!("pelton status {name} shows how long calls take; more partitions help"),
            ),
            _ if self.dead_letters > 0 => Check::warn(
                &what,
                format!("{} were given up", text::count(self.dead_letters, "record")),
                format!("pelton dlq ls {name}"),
            ),
            FunctionState::Running => return None,
        })
    }

    fn lags(&self) -> bool {
        let rate = self.rate.unwrap_or(f64::INFINITY);
        self.lag > LAG_LEAST && self.lag as f64 > rate * LAG_SECONDS_MAX
    }
}

/// A line for each function with something wrong, and one for the others.
pub(super) fn of_functions(all: &[Seen]) -> Vec<Check> {
    let mut checks: Vec<Check> = all.iter().filter_map(Seen::check).collect();
    let well = all.len() - checks.len();
    if well > 0 || all.is_empty() {
        let well = text::count(well as u64, "function");
        let detail = if checks.is_empty() && all.is_empty() {
            "none is deployed".to_owned()
        } else {
            format!("{well} without anything to tell")
        };
        checks.insert(0, Check::ok("functions", detail));
    }
    checks
}

/// Topics that forget what a function has not read yet, and their number against the limit.
pub(super) fn of_topics(topics: &[Topic], functions: &[Seen]) -> Vec<Check> {
    let mut checks: Vec<Check> =
        topics.iter().filter_map(|topic| topic.forgets_unread(functions)).collect();
    let most = pelton_journal::Limits::default().topics_per_tenant_max as usize;
    let detail =
        format!("{} of {}", text::thousands(topics.len() as u64), text::thousands(most as u64));
    checks.push(match topics.len() {
        count if count >= most => {
            Check::fail("topics", detail, "remove topics that nobody needs: pelton topic rm NAME")
        }
        count if count * 10 >= most * 9 => {
            Check::warn("topics", detail, "remove topics that nobody needs: pelton topic rm NAME")
        }
        _ => Check::ok("topics", detail),
    });
    checks
}

impl Topic {
    fn forgets_unread(&self, functions: &[Seen]) -> Option<Check> {
        let kept = self.retention_bytes?.saturating_mul(self.partitions.len() as u64);
        let full_name = format!("{}/{}", self.tenant, self.name);
        let behind: Vec<&str> = functions
            .iter()
            .filter(|of| of.lag > 0 && of.reads.contains(&full_name))
            .map(|of| of.name.as_str())
            .collect();
        if self.bytes < kept || behind.is_empty() {
            return None;
        }
        let detail = format!(
            "at its retention of {}, and {} has not read all of it: the oldest records may go unread",
            text::bytes(kept),
            behind.join(", "),
        );
        let next = "keep more of it until they have caught up: raise its retention_bytes";
        Some(Check::warn(&format!("topic {}", self.name), detail, next))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    fn seen() -> Seen {
        Seen {
            name: "f".into(),
            state: FunctionState::Running,
            error: None,
            lag: 0,
            rate: Some(0.0),
            dead_letters: 0,
            last_fault: None,
            reads: vec!["default/in".into()],
        }
    }

    fn verdict(seen: &Seen) -> Option<Verdict> {
        seen.check().map(|check| check.status)
    }

    #[test]
    fn a_function_is_judged_by_its_state_then_by_what_waits() {
        assert_eq!(verdict(&seen()), None);
        let stopped = Seen { state: FunctionState::Stopped, ..seen() };
        assert_eq!(verdict(&stopped), Some(Verdict::Fail));
        for state in [FunctionState::Paused, FunctionState::OnTrial] {
            assert_eq!(verdict(&Seen { state, ..seen() }), Some(Verdict::Warn));
        }
        let last_fault = Some("E-GUEST-TRAP".to_owned());
        let stuck = Seen { lag: 1, last_fault, ..seen() };
        assert_eq!(verdict(&stuck), Some(Verdict::Fail));
        assert_eq!(verdict(&Seen { rate: Some(1.0), ..stuck }), None, "it gets on");
        assert_eq!(verdict(&Seen { dead_letters: 1, ..seen() }), Some(Verdict::Warn));
    }

    #[test]
    fn lag_counts_from_a_thousand_and_ten_seconds_on() {
        let lags = |lag, rate| Seen { lag, rate, ..seen() }.lags();
        assert!(!lags(1_000, Some(0.0)) && lags(1_001, Some(0.0)));
        assert!(!lags(2_000, Some(200.0)) && lags(2_001, Some(200.0)));
        assert!(!lags(u64::MAX, None), "too early to tell");
    }

    #[test]
    fn functions_without_anything_to_tell_share_a_line() {
        assert_eq!(of_functions(&[]).len(), 1);
        let checks = of_functions(&[seen(), seen(), Seen { dead_letters: 1, ..seen() }]);
        assert_eq!(checks.len(), 2);
        assert!(checks[0].detail.starts_with("2 functions"), "{}", checks[0].detail);
    }

    #[test]
    fn a_topic_at_its_retention_is_told_where_its_reader_is_behind() {
        let topic = |bytes| -> Topic {
            serde_json::from_value(serde_json::json!({
                "name": "in", "tenant": "default", "retention_bytes": 50, "bytes": bytes,
                "partitions": [{}, {}],
            }))
            .unwrap()
        };
        let behind = [Seen { lag: 1, ..seen() }];
        assert_eq!(of_topics(&[topic(99)], &behind).len(), 1);
        assert_eq!(of_topics(&[topic(100)], &behind).len(), 2);
        assert_eq!(of_topics(&[topic(100)], &[seen()]).len(), 1);
    }
}
