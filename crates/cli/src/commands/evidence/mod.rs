//! `marblerun evidence`: what a quote or report says, and whether it is true.

mod identity;
mod inspect;
mod verdict;

use std::path::Path;

use clap::{Args, Subcommand};

use super::help;
use crate::trust::Context;
use crate::{Failure, file};

/// Larger files are no evidence, in bytes.
const LONGEST: usize = 1 << 20;

/// Arguments of `marblerun evidence`.
#[derive(Debug, Args)]
pub struct Evidence {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what evidence claims, and with --verify whether it is genuine
    #[command(after_help = "Examples:
  marblerun manifest get localhost:4433 --insecure --save-sgx-quote quote.bin
  marblerun evidence inspect quote.bin
  marblerun evidence inspect quote.bin --verify --format json")]
    Inspect(inspect::Inspect),
}

impl Evidence {
    pub(crate) async fn execute(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            None => help(&["evidence"]),
            Some(Command::Inspect(command)) => command.execute(context).await,
        }
    }
}

/// Evidence from a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    file::read(path, LONGEST, "evidence")
}
