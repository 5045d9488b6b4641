//! `marblerun secret`: not built yet, but its command line is read.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::user::Login;
use super::{help, not_built};
use crate::Failure;

/// Arguments of `marblerun secret`.
#[derive(Debug, Args)]
pub struct Secret {
    #[command(flatten)]
    login: Login,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Upload user-defined secrets
    Set(Set),
    /// Print or save secrets
    Get(Get),
}

#[derive(Debug, Args)]
struct Set {
    /// JSON file with secrets, or a PEM file with --from-pem
    #[arg(value_name = "secret_file")]
    file: PathBuf,
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// Name of the secret that the PEM file is for
    #[arg(long, value_name = "SECRETNAME")]
    from_pem: Option<String>,
}

#[derive(Debug, Args)]
struct Get {
    /// Names of the secrets
    #[arg(value_name = "SECRETNAME", required = true)]
    names: Vec<String>,
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Secret {
    #[cfg(test)]
    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    pub(crate) fn execute(self) -> Result<(), Failure> {
        if self.command.is_some() {
            self.login.check()?;
        }
        match self.command {
            None => help(&["secret"]),
            Some(Command::Set(_)) => not_built("secret set"),
            Some(Command::Get(_)) => not_built("secret get"),
        }
    }
}
