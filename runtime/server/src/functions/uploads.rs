//! Modules that were uploaded and wait for their deployment.

use dashmap::DashMap;

/// How long a module is kept that was uploaded and that no version names yet, ms.
pub const UPLOAD_KEPT_MS: i64 = 10 * 60 * 1_000;

/// When modules were uploaded, ms, by digest.
#[derive(Default)]
pub(super) struct Uploads(DashMap<String, i64>);

impl Uploads {
    /// Takes note of a module that was uploaded, or was uploaded again.
    pub(super) fn note(&self, digest: &str, now_ms: i64) {
        self.0.insert(digest.to_owned(), now_ms);
    }

    /// The modules that are to be kept; the others are forgotten.
    pub(super) fn fresh(&self, now_ms: i64) -> Vec<String> {
        self.0.retain(|_, uploaded_ms| now_ms.saturating_sub(*uploaded_ms) <= UPLOAD_KEPT_MS);
        self.0.iter().map(|entry| entry.key().clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_kept_for_its_time_and_anew_when_it_comes_again() {
        let uploads = Uploads::default();
        uploads.note("a", 5);
        assert_eq!(uploads.fresh(5 + UPLOAD_KEPT_MS), ["a"]);
        uploads.note("a", 6);
        assert_eq!(uploads.fresh(6 + UPLOAD_KEPT_MS), ["a"]);
        assert!(uploads.fresh(7 + UPLOAD_KEPT_MS).is_empty());
        assert!(uploads.fresh(5).is_empty(), "it is forgotten");
    }
}
