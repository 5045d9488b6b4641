//! `marblerun manifest signature`: the hash that identifies a manifest.

use std::path::PathBuf;

use clap::Args;

use crate::document::Document;
use crate::{Failure, console};

/// Arguments of `marblerun manifest signature`.
#[derive(Debug, Args)]
pub(super) struct Signature {
    /// Manifest, JSON or YAML
    #[arg(value_name = "manifest.json")]
    file: PathBuf,
}

impl Signature {
    pub(super) fn execute(self) -> Result<(), Failure> {
        console::print(&Document::read(&self.file)?.fingerprint())
    }
}
