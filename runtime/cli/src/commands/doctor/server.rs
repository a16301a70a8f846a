//! The server, where one answers.

use pelton_server::functions::FunctionStatus;
use pelton_server::replication::ReplicationStatus;
use serde::Deserialize;
use ureq::http::Method;

use super::check::Check;
use super::functions::{self, Seen, Topic};
use super::metrics;
use crate::client::{Call, Client, ServerArgs};
use crate::clock;
use crate::error::{CliError, Result};
use crate::text;

/// Clocks that differ by more are told, ms.
const SKEW_MS_MAX: u64 = 2_000;

#[derive(Deserialize)]
struct Health {
    version: String,
}

#[derive(Deserialize)]
struct FunctionList {
    functions: Vec<FunctionStatus>,
}

#[derive(Deserialize)]
struct TopicList {
    topics: Vec<Topic>,
}

/// All that is to be said of the server. That none answers is a failure only where one was named.
///
/// # Errors
/// Where its address is none.
pub(super) fn checks(server: &ServerArgs) -> Result<Vec<Check>> {
    let client = server.client()?;
    let asked_ms = clock::now_ms();
    let answer = match client.answer(Call::outside("/healthz")) {
        Ok(answer) => answer,
        Err(failed) => return Ok(vec![unreached(failed.error, server.is_given())]),
    };
    let now_ms = clock::now_ms();
    let mut checks = Vec::new();
    match client.read::<Health>(&answer.body) {
        Ok(Health { version }) => checks.push(versions(client.base(), &version)),
        Err(failed) => return Ok(vec![unreached(failed.error, server.is_given())]),
    }
    checks.extend(answer.date_ms.map(|date| clocks(skew_ms(date, asked_ms, now_ms))));
    checks.push(match client.answer(Call::outside("/readyz")) {
        Ok(_) => Check::ok("readiness", "it takes requests"),
        Err(failed) => Check::error("readiness", failed.error),
    });
    checks.extend(inside(&client).unwrap_or_else(|error| vec![Check::error("server", error)]));
    Ok(checks)
}

fn unreached(error: CliError, is_given: bool) -> Check {
    match is_given {
        false if error.code == "E-SERVER-DOWN" => {
            Check::ok("server", format!("{}; `pelton up` starts one", error.text))
        }
        // Another program may have the port: a server was not asked for.
        false => {
            let check = Check::error("server", error);
            Check { status: super::Verdict::Warn, ..check }
        }
        true => Check::error("server", error),
    }
}

/// What needs a token, where the server has any.
fn inside(client: &Client) -> Result<Vec<Check>> {
    let list: FunctionList = client.get(&["functions"])?;
    let topics: TopicList = client.get(&["topics"])?;
    let replication: ReplicationStatus = client.json(Call::new(Method::GET, &["replication"]))?;
    let figures = client.answer(Call::outside("/metrics"))?;
    let seen: Vec<Seen> = list.functions.iter().map(Seen::of).collect();
    let mut checks = functions::of_functions(&seen);
    checks.extend(functions::of_topics(&topics.topics, &seen));
    checks.push(replicas(&replication));
    checks.push(metrics::refused_writes(&String::from_utf8_lossy(&figures.body)));
    Ok(checks)
}

fn versions(base: &str, theirs: &str) -> Check {
    let ours = env!("CARGO_PKG_VERSION");
    if theirs == ours {
        return Check::ok("server", format!("{base}, version {theirs}"));
    }
    let detail = format!("{base}, version {theirs}; this pelton is {ours}");
    Check::warn("server", detail, "use the same version of both")
}

/// How far a clock that showed `date_ms` (cut to the second) is off, seen between two moments of ours.
fn skew_ms(date_ms: i64, asked_ms: i64, now_ms: i64) -> i64 {
    let latest = date_ms.saturating_add(999);
    if latest < asked_ms {
        latest.saturating_sub(asked_ms)
    } else {
        date_ms.saturating_sub(now_ms).max(0)
    }
}

fn clocks(skew_ms: i64) -> Check {
    if skew_ms.unsigned_abs() <= SKEW_MS_MAX {
        return Check::ok("clocks", "this machine's and the server's agree");
    }
    let way = if skew_ms < 0 { "behind" } else { "ahead" };
    let off = text::seconds(skew_ms.unsigned_abs() as f64 / 1e3);
    Check::warn(
        "clocks",
        format!("the server's is {off} {way} of this machine's"),
        "see that both follow a time server: retention and times of records go by them",
    )
}

fn replicas(status: &ReplicationStatus) -> Check {
    let leader = status.leader.as_deref().unwrap_or("?");
    match (status.role.as_str(), status.lag) {
        ("replica", lag) if !status.connected => {
            let behind = lag.map(|lag| format!(", {} behind", text::count(lag.commits, "commit")));
            let why = status.error.as_deref().map(|error| format!(": {error}"));
            let detail = format!(
                "replica of {leader}, not connected{}{}",
                behind.unwrap_or_default(),
                why.unwrap_or_default()
            );
            let next = "see whether the leader runs; `pelton replica promote` makes this one lead";
            Check::fail("replication", detail, next)
        }
        ("replica", Some(lag)) => {
            let (commits, time) =
                (text::count(lag.commits, "commit"), text::seconds(lag.ms as f64 / 1e3));
            Check::ok("replication", format!("replica of {leader}, {commits} and {time} behind"))
        }
        ("replica", None) => Check::ok("replication", format!("replica of {leader}")),
        ("fenced", _) => {
            let detail = format!("fenced: {leader} was promoted, this one takes no changes");
            Check::fail("replication", detail, "send requests to the server that was promoted")
        }
        _ => match &status.untold {
            Some(old) => Check::warn(
                "replication",
                format!("leads, and {old}, which led before, could not be told"),
                format!("pelton replica fence --server {old} --by THIS"),
            ),
            None => Check::ok("replication", leads(status)),
        },
    }
}

fn leads(status: &ReplicationStatus) -> String {
    let furthest = status.followers.iter().map(|follower| follower.lag).max();
    match furthest {
        None => "leads, without replicas".into(),
        Some(lag) => format!(
            "leads {}, at most {} behind",
            text::count(status.followers.len() as u64, "replica"),
            text::count(lag, "commit")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    #[test]
    fn a_date_of_the_second_that_is_or_was_is_no_skew() {
        for (date, asked, now, skew) in [
            (1_000, 1_000, 1_000, 0),
            (1_000, 1_999, 2_000, 0),
            (1_000, 2_000, 2_100, -1),
            (3_000, 2_000, 2_100, 900),
            (3_000, 2_000, 3_000, 0),
        ] {
            assert_eq!(skew_ms(date, asked, now), skew, "{date} in {asked}..{now}");
        }
        assert_eq!((clocks(2_000).status, clocks(-2_001).status), (Verdict::Ok, Verdict::Warn));
        assert!(clocks(-2_001).detail.contains("behind"));
    }

    #[test]
    fn another_version_of_the_server_is_a_warning() {
        assert_eq!(versions("http://x", env!("CARGO_PKG_VERSION")).status, Verdict::Ok);
        assert_eq!(versions("http://x", "0.0.0").status, Verdict::Warn);
    }

    #[test]
    fn nobody_there_is_a_failure_where_somebody_was_named() {
        let down = CliError::new("E-SERVER-DOWN", crate::Exit::Failure, "nobody");
        assert_eq!(unreached(down.clone(), false).status, Verdict::Ok);
        assert_eq!(unreached(down, true).status, Verdict::Fail);
        let silent = CliError::new("E-SERVER-SILENT", crate::Exit::Failure, "no answer");
        assert_eq!(unreached(silent, false).status, Verdict::Warn);
    }
}
