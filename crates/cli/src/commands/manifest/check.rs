//! `marblerun manifest check`: what a Coordinator would say, without one.

use std::path::PathBuf;

use clap::Args;
use marblerun_manifest::{Checked, Finding, Manifest, ManifestErrors, Position};
use serde_json::{Value, json};

use crate::args::Format;
use crate::document::{Document, DocumentError};
use crate::trust::Context;
use crate::{Failure, console};

/// Arguments of `marblerun manifest check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Manifest, JSON or YAML
    #[arg(value_name = "manifest.json")]
    file: PathBuf,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Fail on warnings too
    #[arg(long)]
    deny_warnings: bool,
}

/// A finding with its severity and its place in the file.
struct Found {
    severity: &'static str,
    at: Option<Position>,
    finding: Finding,
}

impl Check {
    pub(super) fn execute(self, context: &Context) -> Result<(), Failure> {
        let (found, fingerprint) = match Document::read(&self.file) {
            Ok(document) => (judge(&document, context), Some(document.fingerprint())),
            Err(error) => (vec![syntax(error)?], None),
        };
        let errors = found.iter().filter(|found| found.severity == "error").count();
        match self.format {
            Format::Text => self.print_text(&found, errors, fingerprint)?,
            Format::Json => self.print_json(&found, errors, fingerprint)?,
        }
        if self.fails(errors, &found) { Err(Failure::Said) } else { Ok(()) }
    }

    fn fails(&self, errors: usize, found: &[Found]) -> bool {
        errors > 0 || self.deny_warnings && !found.is_empty()
    }

    /// `FILE:LINE:COLUMN: severity: path: message`, which editors know how to jump to.
    fn print_text(&self, found: &[Found], errors: usize, fingerprint: Option<String>) -> Result<(), Failure> {
        let file = self.file.display();
        for Found { severity, at, finding } in found {
            let place = at.map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
            let path = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
            console::print(&format!("{file}{place}: {severity}: {path}{}", finding.message))?;
        }
        let warnings = found.len() - errors;
        match fingerprint.filter(|_| !self.fails(errors, found)) {
            Some(hash) => console::print(&format!("{file}: OK, {warnings} warning(s), signature {hash}")),
            None => console::print(&format!("{file}: {errors} error(s), {warnings} warning(s)")),
        }
    }

    fn print_json(&self, found: &[Found], errors: usize, fingerprint: Option<String>) -> Result<(), Failure> {
        let findings: Vec<Value> = found.iter().map(as_json).collect();
        let result = json!({ "valid": errors == 0, "signature": fingerprint, "findings": findings });
        console::print(&result.to_string())
    }
}

fn judge(document: &Document, context: &Context) -> Vec<Found> {
    let (severity, findings) = match Manifest::parse(document.json(), context.surroundings.now) {
        Ok(Checked { warnings, .. }) => ("warning", warnings),
        Err(ManifestErrors(errors)) => ("error", errors),
    };
    let mut found: Vec<Found> = findings
        .into_iter()
        .map(|finding| Found { severity, at: document.locate(&finding), finding })
        .collect();
    // The order of the file as it was written; YAML becomes JSON in another order.
    found.sort_by_key(|found| found.at);
    found
}

/// A file that is no document has one finding; one that cannot be read is another kind of failure.
fn syntax(error: DocumentError) -> Result<Found, Failure> {
    let (at, message) = match error {
        DocumentError::NotJson { json, yaml, .. } => {
            (Some(yaml.at), format!("neither JSON ({json}) nor YAML ({})", yaml.message))
        }
        DocumentError::NotYaml { yaml, .. } => (Some(yaml.at), yaml.message),
        other => return Err(other.into()),
    };
    Ok(Found { severity: "error", at, finding: Finding { path: String::new(), message, position: at } })
}

fn as_json(Found { severity, at, finding }: &Found) -> Value {
    json!({
        "severity": severity,
        "line": at.map(|at| at.line),
        "column": at.map(|at| at.column),
        "path": finding.path,
        "message": finding.message,
    })
}
