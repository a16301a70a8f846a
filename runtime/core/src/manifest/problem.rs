//! What is wrong with a manifest, and where.

use std::fmt;

use crate::error::{Coded, Domain};

/// One problem of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// The key with the tables it stands in, such as `window.size`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub text: String,
}

/// Everything that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// The file.
    pub file: String,
    /// Its problems, at least one, in the order of the file.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let Problem { line, column, key, text } = problem;
            let lead = if index == 0 { "" } else { "\n" };
            write!(f, "{lead}{}:{line}:{column}: ", self.file)?;
            if key.is_empty() {
                write!(f, "{text}")?;
            } else {
                write!(f, "`{key}`: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ManifestError {}

impl Coded for ManifestError {
    fn code(&self) -> &'static str {
        "E-MANIFEST"
    }

    fn domain(&self) -> Domain {
        Domain::User
    }
}

/// Collects problems while a manifest is read.
pub(super) struct Problems<'a> {
    text: &'a str,
    found: Vec<(usize, Problem)>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// Notes a problem at the byte `at` of the text.
    pub(super) fn add(&mut self, at: usize, key: impl Into<String>, text: impl Into<String>) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        let problem = Problem { line, column, key: key.into(), text: text.into() };
        // The tables below are read once for each profile.
        if !self.found.iter().any(|(_, known)| *known == problem) {
            self.found.push((at, problem));
        }
    }

    /// Whether there are none so far.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them as an error, unless there are none.
    pub(super) fn into_error(mut self, file: &str) -> Option<ManifestError> {
        self.found.sort_by_key(|(at, _)| *at);
        let problems: Vec<Problem> = self.found.into_iter().map(|(_, problem)| problem).collect();
        (!problems.is_empty()).then(|| ManifestError { file: file.into(), problems })
    }
}
