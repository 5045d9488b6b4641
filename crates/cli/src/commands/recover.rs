//! `marblerun recover`: not built yet, but its command line is read.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::user::RecoveryKey;

/// Arguments of `marblerun recover`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("signer").args(["key", "pkcs11_key_id", "pkcs11_key_label"]).required(true).multiple(true))]
pub struct Recover {
    /// Recovery secret, decrypted or as it was handed out
    #[arg(value_name = "recovery_key_file")]
    file: PathBuf,
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    #[command(flatten)]
    key: RecoveryKey,
}
