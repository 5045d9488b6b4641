//! `marblerun manifest plan`: what an update would change in a Coordinator, before anyone signs it.

use std::path::{Path, PathBuf};

use clap::Args;
use marblerun_manifest::diff::InForce;

use super::difference::Report;
use super::get::held_manifest;
use super::{merged, parsed};
use crate::args::Format;
use crate::document::Document;
use crate::trust::{self, Context};
use crate::{Failure, console};

/// Arguments of `marblerun manifest plan`.
#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Manifest or update, JSON or YAML
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Plan {
    pub(super) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let document = Document::read(&self.new)?;
        let update = parsed::update(&document, &self.new, context)?;
        let client = trust::known(&self.addr, context)?;
        let held = Document::of_json(held_manifest(&client).await?.manifest.0);
        let raised = merged::raised(&client.update_log().await?)?;
        let pending = client.pending_update().await?;
        let manifest = parsed::accepted(&held, Path::new("the Coordinator's manifest"))
            .inspect_err(|_| console::note("It was accepted by other rules than those of this program."))?;
        let in_force = InForce { manifest: &manifest, raised: &raised };
        Report::new(in_force, &update, &document).with_pending(pending, &document).print(self.format)
    }
}
