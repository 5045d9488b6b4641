//! `marblerun manifest diff`: what one manifest would change in another, without a Coordinator.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use marblerun_manifest::diff::InForce;

use super::difference::Report;
use super::parsed;
use crate::Failure;
use crate::args::Format;
use crate::document::Document;
use crate::trust::Context;

/// Arguments of `marblerun manifest diff`.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// Manifest of before, JSON or YAML
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// Manifest or update, JSON or YAML
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Diff {
    pub(super) fn execute(self, context: &Context) -> Result<(), Failure> {
        let (old, new) = (Document::read(&self.old)?, Document::read(&self.new)?);
        let manifest = parsed::accepted(&old, &self.old)?;
        let update = parsed::update(&new, &self.new, context)?;
        let in_force = InForce { manifest: &manifest, raised: &BTreeMap::new() };
        Report::new(in_force, &update, &new).print(self.format)
    }
}
