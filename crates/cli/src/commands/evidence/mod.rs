//! `marblerun evidence`: what a quote or report says, and whether it is true.

mod identity;
mod inspect;
mod verdict;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use clap::{Args, Subcommand};

use super::help;
use crate::Failure;
use crate::trust::Context;

/// Larger files are no evidence, in bytes.
const LONGEST: u64 = 1 << 20;

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
    let mut evidence = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut evidence));
    read.map_err(|source| Failure::Io { doing: format!("reading {}", path.display()), source })?;
    Ok(evidence)
}
