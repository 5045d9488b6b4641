//! From the document as written to the [`Manifest`] that it means: every rule, every error at once.

use std::time::SystemTime;

use crate::model::Manifest;

/// A manifest that passed every check, and what the operator should nevertheless know.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What the document means.
    pub manifest: Manifest,
    /// Unknown keys, case variants, debug packages and the like: accepted, but worth a word.
    pub warnings: Vec<Finding>,
}

/// One thing found in a manifest: where, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Place in the document, in the operator's words: `Marbles.web.Parameters.Env.ROOT_CA`.
    pub path: String,
    /// What was seen, which rule it breaks and what to write instead. Never a secret's value.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Every error of a refused manifest, in the order of the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the manifest has {} error(s): {}", .0.len(), .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ManifestErrors(pub Vec<Finding>);

impl Manifest {
    /// Parses and checks the bytes of a manifest exactly as uploaded (JSON, at most [`crate::MAX_MANIFEST_BYTES`]).
    ///
    /// `now` decides whether a certificate secret's `NotAfter` lies in the past.
    ///
    /// # Errors
    /// All findings at once, each with the place in the document.
    pub fn parse(raw: &[u8], now: SystemTime) -> Result<Checked, ManifestErrors> {
        let _ = (raw, now);
        Err(ManifestErrors(vec![Finding { path: String::new(), message: "not built yet".into() }]))
    }
}
