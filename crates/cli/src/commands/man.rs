//! `marblerun man`: manual pages, for packagers.

use std::path::PathBuf;

use clap::Args;

use crate::Failure;
use crate::args::command_tree;

/// Arguments of `marblerun man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Folder that takes a page for every command
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Man {
    pub(crate) fn execute(self) -> Result<(), Failure> {
        let failed =
            |source| Failure::Io { doing: format!("writing manual pages to {}", self.dir.display()), source };
        std::fs::create_dir_all(&self.dir).map_err(failed)?;
        clap_mangen::generate_to(command_tree(), &self.dir).map_err(failed)
    }
}
