//! `marblerun manifest set`: the first manifest, and the recovery secrets that it brings.

use std::path::PathBuf;

use clap::Args;
use marblerun_api::client::{ClientError, ManifestTaken};
use marblerun_api::rest::v2::RecoverySecrets;

use crate::document::Document;
use crate::file::PendingFile;
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
        let recovery_file = self.open_recovery_file()?;
        let coordinator = trust::verified(&self.addr, context).await?;
        console::note(&format!("Manifest signature: {}", document.fingerprint()));
        let taken =
            coordinator.client.set_manifest(document.json()).await.inspect_err(explain_lost_answer)?;
        console::note("Manifest successfully set");
        if let Some(message) = &taken.message {
            console::warn(message);
        }
        // Both are tried whatever becomes of the other; the secrets come first, for they cannot be had again.
        let delivered = deliver_secrets(taken, recovery_file, self.recoverydata);
        let remembered = context.remember(&coordinator);
        delivered.and(remembered)
    }

    fn open_recovery_file(&self) -> Result<Option<PendingFile>, Failure> {
        let Some(path) = &self.recoverydata else { return Ok(None) };
        let failed = |source| Failure::Io {
            doing: format!("opening {} for the recovery secrets (the manifest was not sent)", path.display()),
            source,
        };
        PendingFile::create(path).map(Some).map_err(failed)
    }
}

/// Without an answer nobody knows whether the manifest was set, and its recovery secrets are given only once.
fn explain_lost_answer(error: &ClientError) {
    if matches!(error, ClientError::Interrupted { .. } | ClientError::TimedOut { .. }) {
        console::warn(
            "the manifest may have been set all the same: look with `marblerun status`. If it was, and it has recovery \
             keys, their secrets were in the answer that got lost",
        );
    }
}

/// The shares are encrypted to their holders' keys. They are never lost to a file that failed after all.
fn deliver_secrets(
    taken: ManifestTaken,
    file: Option<PendingFile>,
    path: Option<PathBuf>,
) -> Result<(), Failure> {
    if taken.recovery_secrets.is_empty() {
        return Ok(());
    }
    let secrets = RecoverySecrets { recovery_secrets: taken.recovery_secrets };
    let json = serde_json::to_string(&secrets).map_err(|e| Failure::Contradiction(e.to_string()))?;
    let (Some(file), Some(path)) = (file, path) else {
        return console::print(&json);
    };
    match file.finish(json.as_bytes()) {
        Ok(()) => console::print(&format!("Recovery data saved to: {}", path.display())),
        Err(source) => {
            console::print(&json)?;
            let doing = format!(
                "writing the recovery secrets to {} failed, so they are printed above: keep them",
                path.display()
            );
            Err(Failure::Io { doing, source })
        }
    }
}
