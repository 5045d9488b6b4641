//! `marblerun emulator`: a software TEE. It protects nothing; it is there so that attestation can be tried on any machine.

mod evidence;
mod http;
mod platform;
mod processes;
mod root;
mod run;
mod set;
mod show;
mod sign;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use marblerun_tee::emulated::Folder;

use super::help;
use crate::Failure;
use crate::trust::Context;

/// Arguments of `marblerun emulator`.
#[derive(Debug, Args)]
pub struct Emulator {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve platforms to programs, and collateral to verifiers
    Run(run::Run),
    /// Write a new key that signs programs
    #[command(after_help = "Example:
  marblerun emulator key signing.pem")]
    Key(sign::Key),
    /// Sign a program, so that platforms say whose it is and which version
    Sign(sign::Sign),
    /// Change a platform or what the vendors publish, also while the emulator runs
    Set(set::Set),
    /// Print a platform: its state, and what identifies it
    #[command(after_help = "Example:
  marblerun emulator show ./emulator")]
    Show(show::Show),
    /// Print the root certificates: nothing trusts this emulator unless it names them
    Root(root::Root),
    /// Get evidence about this very program, to look at it
    #[command(after_help = "Example:
  marblerun emulator evidence ./emulator/default.sock --report-data c0ffee -o evidence.bin")]
    Evidence(evidence::Evidence),
}

impl Emulator {
    pub(crate) async fn execute(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            None => help(&["emulator"]),
            Some(Command::Run(command)) => command.execute(context).await,
            Some(Command::Key(command)) => command.execute(),
            Some(Command::Sign(command)) => command.execute(),
            Some(Command::Set(command)) => command.execute(),
            Some(Command::Show(command)) => command.execute(),
            Some(Command::Root(command)) => command.execute(),
            Some(Command::Evidence(command)) => command.execute(),
        }
    }
}

/// The folder that every command works on.
#[derive(Debug, Args)]
struct Place {
    /// Folder of the emulator
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

impl Place {
    fn folder(&self) -> Folder {
        Folder::at(&self.folder)
    }
}
