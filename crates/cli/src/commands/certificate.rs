//! `marblerun certificate`: the Coordinator's certificates as files.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::help;
use crate::trust::{self, Context};
use crate::{Failure, console, file};

/// Arguments of `marblerun certificate`.
#[derive(Debug, Args)]
pub struct Certificate {
    #[command(subcommand)]
    which: Option<Which>,
}

/// Which certificates, and where to.
#[derive(Debug, Subcommand)]
enum Which {
    /// Save the Coordinator's root certificate as PEM
    #[command(after_help = "Example:
  marblerun certificate root localhost:4433 --era-config coordinator-era.json")]
    Root {
        #[command(flatten)]
        from: From,
        /// Write to this file
        #[arg(short, long, value_name = "FILE", default_value = "marblerunRootCA.crt")]
        output: PathBuf,
    },
    /// Save the Coordinator's intermediate certificate as PEM
    #[command(after_help = "Example:
  marblerun certificate intermediate localhost:4433 --era-config coordinator-era.json")]
    Intermediate {
        #[command(flatten)]
        from: From,
        /// Write to this file
        #[arg(short, long, value_name = "FILE", default_value = "marblerunIntermediateCA.crt")]
        output: PathBuf,
    },
    /// Save the intermediate and then the root certificate as PEM
    #[command(after_help = "Example:
  marblerun certificate chain localhost:4433 --era-config coordinator-era.json")]
    Chain {
        #[command(flatten)]
        from: From,
        /// Write to this file
        #[arg(short, long, value_name = "FILE", default_value = "marblerunChainCA.crt")]
        output: PathBuf,
    },
}

#[derive(Debug, Args)]
struct From {
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
}

impl Certificate {
    pub(crate) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let Some(which) = self.which else { return help(&["certificate"]) };
        let (Which::Root { from, output }
        | Which::Intermediate { from, output }
        | Which::Chain { from, output }) = &which;
        let coordinator = trust::verified(&from.addr, context).await?;
        let chain = match which {
            Which::Root { .. } => coordinator.chain,
            Which::Intermediate { .. } | Which::Chain { .. } => coordinator.chain_in_force().await?,
        };
        let (what, pem) = match which {
            Which::Root { .. } => ("Root certificate", chain.root_pem()),
            Which::Intermediate { .. } => ("Intermediate certificate", chain.intermediate_pem()),
            Which::Chain { .. } => ("Certificate chain", chain.to_pem()),
        };
        file::write(output, pem.as_bytes())
            .map_err(|source| Failure::Io { doing: format!("writing {}", output.display()), source })?;
        console::print(&format!("{what} written to {}", output.display()))
    }
}
