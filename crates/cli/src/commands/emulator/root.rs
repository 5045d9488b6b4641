//! `marblerun emulator root`: what a manifest or an era-config has to name.

use clap::Args;

use super::Place;
use super::platform::ProductName;
use crate::{Failure, console};

/// Arguments of `marblerun emulator root`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, a manifest that takes platforms of this emulator for genuine:
  marblerun emulator root ./emulator > root.pem
  jq --rawfile root root.pem '.Infrastructures.emulator.RootCA = $root' manifest.json > trusting.json")]
pub(super) struct Root {
    #[command(flatten)]
    place: Place,
    /// Print AMD's root (ARK) of this product line instead of Intel's
    #[arg(long, value_enum, value_name = "PRODUCT")]
    amd: Option<ProductName>,
}

impl Root {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let vendor = self.place.folder().vendor()?;
        match self.amd {
            None => console::print(&vendor.intel_root()?),
            Some(product) => console::print(&vendor.amd_root(product.into())?),
        }
    }
}
