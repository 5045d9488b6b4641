//! `marblerun manifest`: everything about manifests.

mod check;
mod diff;
mod difference;
mod get;
mod log;
mod merged;
mod parsed;
mod plan;
mod recovery_file;
mod set;
mod signature;
mod update;
mod verify;

use std::path::Path;

use clap::{Args, Subcommand};

use super::help;
use crate::trust::Context;
use crate::{Failure, file};

/// Arguments of `marblerun manifest`.
#[derive(Debug, Args)]
pub struct Manifest {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a manifest without a Coordinator: all that a Coordinator would refuse, and where it stands
    #[command(after_help = "Examples:
  marblerun manifest check manifest.yaml
  marblerun manifest check manifest.json --deny-warnings --format json")]
    Check(check::Check),
    /// Say in words what one manifest would change in another, without a Coordinator
    ///
    /// NEW is a whole manifest, or an update that holds nothing but Packages. A `!` marks what is lost, refused or less
    /// protected afterwards.
    #[command(after_help = "Examples:
  marblerun manifest diff manifest.json new.yaml
  marblerun manifest diff manifest.json raise.json --format json")]
    Diff(diff::Diff),
    /// Print or save the manifest that the Coordinator holds
    #[command(after_help = "Examples:
  marblerun manifest get localhost:4433 -o manifest.json
  marblerun manifest get localhost:4433 --display-update")]
    Get(get::Get),
    /// Print or save the Coordinator's update log
    #[command(after_help = "Example:
  marblerun manifest log localhost:4433")]
    Log(log::Log),
    /// Say in words what an update would change in the Coordinator, and who has to agree
    ///
    /// Nothing is sent: the manifest, raised SecurityVersions and a pending update are fetched and compared here. The
    /// Coordinator is trusted by its cached certificate, as `manifest update` does.
    #[command(after_help = "Examples:
  marblerun manifest plan new.json localhost:4433
  marblerun manifest update get localhost:4433 -o pending.json
  marblerun manifest plan pending.json localhost:4433 --format json")]
    Plan(plan::Plan),
    /// Set the Coordinator's first manifest
    #[command(after_help = "Examples:
  marblerun manifest set manifest.json localhost:4433 --era-config coordinator-era.json -r recovery.json
  marblerun manifest set manifest.yaml localhost:4433 --insecure")]
    Set(set::Set),
    /// Print the SHA-256 of a manifest as the Coordinator hashes it
    #[command(after_help = "Example:
  marblerun manifest signature manifest.yaml")]
    Signature(signature::Signature),
    /// Manage manifest updates
    Update(update::Update),
    /// Compare the Coordinator's manifest with a file or hash
    #[command(after_help = "Example:
  marblerun manifest verify manifest.json localhost:4433 --era-config coordinator-era.json")]
    Verify(verify::Verify),
}

impl Manifest {
    pub(crate) async fn execute(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            None => help(&["manifest"]),
            Some(Command::Check(command)) => command.execute(context),
            Some(Command::Diff(command)) => command.execute(context),
            Some(Command::Get(command)) => command.execute(context).await,
            Some(Command::Log(command)) => command.execute(context).await,
            Some(Command::Plan(command)) => command.execute(context).await,
            Some(Command::Set(command)) => command.execute(context).await,
            Some(Command::Signature(command)) => command.execute(),
            Some(Command::Update(command)) => command.execute(context).await,
            Some(Command::Verify(command)) => command.execute(context).await,
        }
    }
}

/// A result into the named file, or else to standard output.
fn deliver(content: &[u8], output: Option<&Path>) -> Result<(), Failure> {
    match output {
        None => crate::console::bytes(content),
        Some(path) => file::write(path, content)
            .map_err(|source| Failure::Io { doing: format!("writing {}", path.display()), source }),
    }
}
