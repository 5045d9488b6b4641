//! `marblerun log`: the Coordinator's history as something that it can be held to.

mod alarm;
mod remembered;
mod verify;

use clap::{Args, Subcommand};

use super::help;
use crate::Failure;
use crate::trust::Context;

/// Arguments of `marblerun log`.
#[derive(Debug, Args)]
pub struct Log {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Verify the whole history, and that it goes on from where it was the last time
    #[command(after_help = "Examples:
  marblerun log verify localhost:4433
  marblerun log verify localhost:4433 --format json")]
    Verify(verify::Verify),
}

impl Log {
    pub(crate) async fn execute(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            None => help(&["log"]),
            Some(Command::Verify(command)) => command.execute(context).await,
        }
    }
}
