//! Why a request came to nothing, told as if it had happened here.

use std::io;

use serde::Deserialize;
use ureq::http::StatusCode;

use crate::error::CliError;
use crate::exit::Exit;

/// What became of a request.
pub(crate) type Outcome<T> = Result<T, Failed>;

/// A request that came to nothing.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What the person is told.
    pub error: CliError,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

impl From<Failed> for CliError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

#[derive(Deserialize)]
struct Body {
    error: Detail,
}

#[derive(Deserialize)]
struct Detail {
    code: String,
    message: String,
    fault: String,
    #[serde(default)]
    retryable: bool,
    next: Option<String>,
}

/// The exit code for an error of a server's.
fn exit_of(code: &str, fault: &str) -> Exit {
    const NOT_THERE: [&str; 9] = [
        "ARTEFACT",
        "FUNCTION",
        "GROUP",
        "PARTITION",
        "PIPELINE",
        "SAVEPOINT",
        "STORE",
        "TOPIC",
        "VERSION",
    ];
    let unknown = code.strip_prefix("E-").and_then(|rest| rest.strip_suffix("-UNKNOWN"));
    match fault {
        _ if code.ends_with("-NOT-FOUND") || code == "E-SHADOW-NONE" => Exit::NotFound,
        _ if unknown.is_some_and(|what| NOT_THERE.contains(&what)) => Exit::NotFound,
        // Not what was asked for is wrong, but that somebody is at it.
        _ if matches!(code, "E-FUNCTION-BUSY" | "E-PIPELINE-BUSY") => Exit::Failure,
        "user" => Exit::BadInput,
        "guest" => Exit::Function,
        _ => Exit::Failure,
    }
}

/// What to do about an error, where a command of this program does it.
fn next_of(code: &str) -> Option<&'static str> {
    Some(match code {
        "E-AUTH-MISSING" | "E-AUTH-TOKEN" => {
            "give a token of this server by --token or PELTON_TOKEN; `pelton token create NAME` \
             makes one"
        }
        "E-TOPIC-UNKNOWN" => "`pelton topic ls` shows all, `pelton topic create NAME` makes one",
        "E-DEAD-LETTER-REDRIVEN" => "give --again to put it back once more",
        "E-FROM" => {
            "use earliest, latest, a time such as 2026-01-31T12:00:00Z, or an offset, with \
             --partition N where there are several"
        }
        "E-SAVEPOINT-UNKNOWN" => "`pelton savepoint ls FUNCTION` shows all",
        "E-JOURNAL-LIMIT" => "make it smaller, or remove what nobody needs: the limit is fixed",
        "E-TOPIC-IN-USE" => {
            "remove these functions first, with `pelton rm` or `pelton pipeline rm`"
        }
        "E-FUNCTION-BUSY" | "E-PIPELINE-BUSY" => "run it again when the other change is done",
        "E-DEPLOY-TRIAL" => {
            "the version before goes on; mend the function, try it with `pelton run`, and deploy \
             it again"
        }
        "E-DEPLOY-PARTIAL" => {
            "`pelton status NAME` shows what runs; mend the function and deploy it again"
        }
        "E-HTTP-ROUTE" => "is this another version of Pelton? `pelton version` shows this one's",
        _ => return None,
    })
}

impl Failed {
    fn new(error: CliError, retryable: bool) -> Self {
        Self { error, retryable }
    }

    /// What a server said that refused a request.
    pub(super) fn status(base: &str, status: StatusCode, body: &[u8]) -> Self {
        let Ok(Body { error }) = serde_json::from_slice::<Body>(body) else {
            let text = format!("{base} answered {status}, not as a Pelton server does");
            let error = CliError::new("E-SERVER-ANSWER", Exit::Failure, text)
                .next("check the address in --server or PELTON_SERVER");
            return Self::new(error, status.is_server_error());
        };
        let Detail { code, message, fault, retryable, next } = error;
        let exit = exit_of(&code, &fault);
        let next = next_of(&code).map(str::to_owned).or(next);
        let next = next.or_else(|| crate::error::next_step(&code).map(str::to_owned));
        Self::new(CliError { next, ..CliError::new(&code, exit, message) }, retryable)
    }

    /// A connection that could not be made, or that broke.
    pub(super) fn transport(base: &str, error: &ureq::Error) -> Self {
        let (code, text, next) = match error {
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => (
                "E-SERVER-DOWN",
                format!("nothing listens at {base}"),
                "start a server with `pelton up`, or name another with --server",
            ),
            other if is_unknown_host(other) => (
                "E-SERVER-DOWN",
                format!("there is no host as in {base}"),
                "check the address in --server or PELTON_SERVER",
            ),
            ureq::Error::Timeout(_) => (
                "E-SERVER-SILENT",
                format!("{base} did not answer in time"),
                "see whether the server is busy or stopped, then run it again",
            ),
            other if base.starts_with("https://") && is_no_tls(other) => (
                "E-SERVER-TLS",
                format!("{base} does not speak TLS: no https server listens there"),
                "write http:// in --server or PELTON_SERVER; a Pelton server speaks plain HTTP, \
                 behind a proxy TLS",
            ),
            ureq::Error::Protocol(_) | ureq::Error::Http(_) => (
                "E-SERVER-ANSWER",
                format!("what listens at {base} does not speak HTTP: {error}"),
                "check the address in --server or PELTON_SERVER",
            ),
            other => (
                "E-SERVER-LOST",
                format!("the connection to {base} broke: {other}"),
                "see whether the server still runs, then run it again",
            ),
        };
        Self::new(CliError::new(code, Exit::Failure, text).next(next), true)
    }

    /// An answer that this program does not understand.
    pub(super) fn answer(base: &str, error: &serde_json::Error) -> Self {
        let text = format!("{base} answered what this pelton cannot read: {error}");
        let error = CliError::new("E-SERVER-ANSWER", Exit::Failure, text)
            .next("use the pelton of the server's version");
        Self::new(error, false)
    }
}

/// Whether the name of the host could not be looked up: the system tells that as an I/O error.
fn is_unknown_host(error: &ureq::Error) -> bool {
    let lookup = "failed to lookup address information";
    matches!(error, ureq::Error::HostNotFound) || error.to_string().contains(lookup)
}

/// Whether what answered a TLS handshake was no TLS.
fn is_no_tls(error: &ureq::Error) -> bool {
    let text = error.to_string();
    ["corrupt message", "InvalidContentType", "tls handshake eof"]
        .iter()
        .any(|no| text.contains(no))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: &str, fault: &str) -> CliError {
        let body = format!(
            r#"{{"error":{{"code":"{code}","message":"m","fault":"{fault}","retryable":true}}}}"#
        );
        let failed = Failed::status("http://x", StatusCode::BAD_REQUEST, body.as_bytes());
        assert!(failed.retryable);
        failed.error
    }

    #[test]
    fn an_error_of_a_server_keeps_its_code_and_exits_by_who_is_at_fault() {
        for (code, fault, exit) in [
            ("E-RECORD-JSON", "user", Exit::BadInput),
            ("E-DEPLOY-TRIAL", "guest", Exit::Function),
            ("E-JOURNAL-FULL", "external", Exit::Failure),
            ("E-INTERNAL", "internal", Exit::Failure),
            ("E-TOPIC-UNKNOWN", "user", Exit::NotFound),
            ("E-SAVEPOINT-UNKNOWN", "user", Exit::NotFound),
            ("E-TOKEN-NOT-FOUND", "user", Exit::NotFound),
            ("E-PRODUCER-UNKNOWN", "user", Exit::BadInput),
        ] {
            let error = told(code, fault);
            assert_eq!((error.code.as_str(), error.exit), (code, exit));
        }
        assert!(told("E-AUTH-MISSING", "user").next.unwrap().contains("--token"));
    }

    #[test]
    fn an_answer_of_something_else_is_told_as_one() {
        let failed = Failed::status("http://x", StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(failed.error.code, "E-SERVER-ANSWER");
        assert!(failed.retryable && failed.error.text.contains("502"));
    }
}
