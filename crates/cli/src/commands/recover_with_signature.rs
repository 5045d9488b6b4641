//! `marblerun recover-with-signature`: not built yet, but its command line is read.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::not_built;
use super::user::RecoveryKey;
use crate::Failure;

/// Arguments of `marblerun recover-with-signature`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct RecoverWithSignature {
    /// Recovery secret, plain or encrypted to the Coordinator's ephemeral key
    #[arg(value_name = "recovery_key_file", required = true)]
    file: Option<PathBuf>,
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT", required = true)]
    addr: Option<String>,
    /// Signature over the recovery secret
    #[arg(short, long, value_name = "FILE", required = true)]
    signature: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print or save the Coordinator's ephemeral public key
    PublicKey(PublicKey),
    /// Encrypt a recovery secret to the Coordinator's ephemeral public key
    EncryptSecret(EncryptSecret),
    /// Sign a recovery secret
    SignSecret(SignSecret),
}

#[derive(Debug, Args)]
struct PublicKey {
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// Write to this file, which must not exist
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct EncryptSecret {
    /// Recovery secret, decrypted or as it was handed out
    #[arg(value_name = "recovery_key_file")]
    file: PathBuf,
    /// The Coordinator's ephemeral public key (PEM)
    #[arg(long, value_name = "FILE", required = true)]
    coordinator_pub_key: Option<PathBuf>,
    /// Write to this file, which must not exist
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Option<PathBuf>,
    #[command(flatten)]
    key: RecoveryKey,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("signer").args(["key", "pkcs11_key_id", "pkcs11_key_label"]).required(true).multiple(true))]
struct SignSecret {
    /// Recovery secret, decrypted or as it was handed out
    #[arg(value_name = "recovery_key_file")]
    file: PathBuf,
    /// Write to this file, which must not exist
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Option<PathBuf>,
    #[command(flatten)]
    key: RecoveryKey,
}

impl RecoverWithSignature {
    pub(crate) fn execute(self) -> Result<(), Failure> {
        not_built(match self.command {
            None => "recover-with-signature",
            Some(Command::PublicKey(_)) => "recover-with-signature public-key",
            Some(Command::EncryptSecret(_)) => "recover-with-signature encrypt-secret",
            Some(Command::SignSecret(_)) => "recover-with-signature sign-secret",
        })
    }
}
