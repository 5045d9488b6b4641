//! `marblerun manifest update`: not built yet, but its command line is read.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::Failure;
use crate::commands::user::Login;
use crate::commands::{help, not_built};

/// Arguments of `marblerun manifest update`.
#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send an update manifest as a user
    Apply(Send),
    /// Agree as a user to the pending update
    Acknowledge(Send),
    /// Cancel the pending update as a user
    Cancel(Cancel),
    /// Print or save the pending update manifest
    Get(Get),
}

#[derive(Debug, Args)]
struct Send {
    /// Manifest, JSON or YAML
    #[arg(value_name = "manifest.json")]
    file: PathBuf,
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// Write recovery secrets to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    recoverydata: Option<PathBuf>,
    #[command(flatten)]
    login: Login,
}

#[derive(Debug, Args)]
struct Cancel {
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    #[command(flatten)]
    login: Login,
}

#[derive(Debug, Args)]
struct Get {
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// Show which users still have to agree instead of the manifest
    #[arg(long)]
    missing: bool,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Update {
    pub(super) fn execute(self) -> Result<(), Failure> {
        match self.command {
            None => help(&["manifest", "update"]),
            Some(Command::Apply(send)) => {
                send.login.check().and_then(|()| not_built("manifest update apply"))
            }
            Some(Command::Acknowledge(send)) => {
                send.login.check().and_then(|()| not_built("manifest update acknowledge"))
            }
            Some(Command::Cancel(cancel)) => {
                cancel.login.check().and_then(|()| not_built("manifest update cancel"))
            }
            Some(Command::Get(_)) => not_built("manifest update get"),
        }
    }
}
