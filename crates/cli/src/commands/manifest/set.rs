//! `marblerun manifest set`: the first manifest, and the recovery secrets that it brings.

use std::path::PathBuf;

use clap::Args;
use marblerun_api::client::ClientError;

use super::recovery_file::RecoveryFile;
use crate::document::Document;
use crate::trust::{self, Context};
use crate::{Failure, console};

/// Arguments of `marblerun manifest set`.
#[derive(Debug, Args)]
pub(super) struct Set {
    /// Manifest, JSON or YAML
    #[arg(value_name = "manifest.json")]
    file: PathBuf,
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// Write recovery secrets to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    recoverydata: Option<PathBuf>,
}

impl Set {
    pub(super) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let document = Document::read(&self.file)?;
        // The Coordinator hands the recovery secrets out once. A file that cannot be written is found out before.
        let recovery_file = RecoveryFile::open(self.recoverydata)?;
        let coordinator = trust::verified(&self.addr, context).await?;
        console::note(&format!("Manifest signature: {}", document.fingerprint()));
        let taken =
            coordinator.client.set_manifest(document.json()).await.inspect_err(explain_lost_answer)?;
        console::note("Manifest successfully set");
        if let Some(message) = &taken.message {
            console::warn(message);
        }
        // Both are tried whatever becomes of the other; the secrets come first, for they cannot be had again.
        let delivered = recovery_file.deliver(taken.recovery_secrets);
        let remembered = context.remember(&coordinator);
        delivered.and(remembered)
    }
}

/// Without an answer nobody knows whether the manifest was set, and its recovery secrets are given only once.
fn explain_lost_answer(error: &ClientError) {
    if error.leaves_open() {
        console::warn(
            "the manifest may have been set all the same: look with `marblerun status`. If it was, and it has recovery \
             keys, their secrets were in the answer that got lost",
        );
    }
}
