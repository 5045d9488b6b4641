//! Manifests that a command has to understand, not only to send. What is wrong with one is said as `manifest check` says
//! it, line by line.

use std::path::Path;
use std::time::SystemTime;

use marblerun_manifest::{Manifest, ManifestErrors, Update};

use crate::document::Document;
use crate::trust::Context;
use crate::{Failure, console};

/// An update: a whole manifest, or packages alone.
///
/// # Errors
/// After all findings have been printed.
pub(super) fn update(document: &Document, path: &Path, context: &Context) -> Result<Update, Failure> {
    Update::parse(document.json(), context.surroundings.now)
        .map_err(|errors| explain(document, path, &errors))
}

/// A manifest that was accepted at some time: what has expired since is no reason to refuse it.
///
/// # Errors
/// After all findings have been printed.
pub(super) fn accepted(document: &Document, path: &Path) -> Result<Manifest, Failure> {
    match Manifest::parse(document.json(), SystemTime::UNIX_EPOCH) {
        Ok(checked) => Ok(checked.manifest),
        Err(errors) => Err(explain(document, path, &errors)),
    }
}

fn explain(document: &Document, path: &Path, errors: &ManifestErrors) -> Failure {
    for finding in &errors.0 {
        let at = document.locate(finding).map(|at| format!(":{}:{}", at.line, at.column));
        console::note(&format!("{}{}: error: {finding}", path.display(), at.unwrap_or_default()));
    }
    Failure::Said
}
