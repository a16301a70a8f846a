//! What a check found.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and something is worth knowing.
    Warn,
    /// It does not work, or promises are broken.
    Fail,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) check: String,
    pub(super) status: Verdict,
    pub(super) detail: String,
    /// What to do; with every warning and failure.
    pub(super) next: Option<String>,
}

impl Check {
    pub(super) fn ok(check: &str, detail: impl Into<String>) -> Self {
        Self { check: check.into(), status: Verdict::Ok, detail: detail.into(), next: None }
    }

    pub(super) fn warn(check: &str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        let next = Some(next.into());
        Self { status: Verdict::Warn, next, ..Self::ok(check, detail) }
    }

    pub(super) fn fail(check: &str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { status: Verdict::Fail, ..Self::warn(check, detail, next) }
    }

    /// A failure as its error tells it.
    pub(super) fn error(check: &str, error: crate::CliError) -> Self {
        let next = error.next.unwrap_or_else(|| "mend what it says, and run this again".into());
        Self::fail(check, format!("{} [{}]", error.text, error.code), next)
    }
}
