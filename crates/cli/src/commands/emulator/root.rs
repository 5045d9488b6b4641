//! `marblerun emulator root`: what a manifest or an era-config has to name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use marblerun_tee::emulated::certificate_pem;
use serde_json::json;

use super::Place;
use super::platform::ProductName;
use crate::{Failure, console};

/// Arguments of `marblerun emulator root`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, a manifest that takes platforms of this emulator for genuine, and no others:
  marblerun emulator root ./emulator --infrastructure > root.json
  jq --slurpfile root root.json '.Infrastructures.emulator = $root[0]' manifest.json > trusting.json")]
pub(super) struct Root {
    #[command(flatten)]
    place: Place,
    /// Print AMD's root (ARK) of this product line instead of Intel's
    #[arg(long, value_enum, value_name = "PRODUCT")]
    amd: Option<ProductName>,
    /// Print an entry of a manifest's `Infrastructures` instead of PEM
    #[arg(long)]
    infrastructure: bool,
}

impl Root {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let vendor = self.place.folder().vendor()?;
        let der = match self.amd {
            None => vendor.intel_root(),
            Some(product) => vendor.amd_root(product.into())?,
        };
        if self.infrastructure {
            return console::print(&format!("{:#}", json!({ "RootCA": STANDARD.encode(der) })));
        }
        console::print(&certificate_pem(der)?)
    }
}
