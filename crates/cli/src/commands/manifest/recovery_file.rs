//! The recovery secrets that come with a manifest, new or updated. The Coordinator hands them out once, so the file for
//! them is opened before anything is sent, and they are printed if writing fails after all: they are never lost to a file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use marblerun_api::rest::Base64;
use marblerun_api::rest::v2::RecoverySecrets;

use crate::file::PendingFile;
use crate::{Failure, console};

/// Where recovery secrets go: the named file, or else standard output.
pub(super) struct RecoveryFile(Option<(PendingFile, PathBuf)>);

impl RecoveryFile {
    /// Opens the file, if one is named.
    ///
    /// # Errors
    /// What the system says; nothing was sent then.
    pub(super) fn open(path: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self(None)) };
        let doing =
            || format!("opening {} for the recovery secrets (the manifest was not sent)", path.display());
        match PendingFile::create(&path) {
            Ok(file) => Ok(Self(Some((file, path)))),
            Err(source) => Err(Failure::Io { doing: doing(), source }),
        }
    }

    /// Writes or prints the secrets, each encrypted to its holder's key. Without secrets a file that is there stays.
    ///
    /// # Errors
    /// If the file could not be written; the secrets have been printed instead.
    pub(super) fn deliver(self, recovery_secrets: BTreeMap<String, Base64>) -> Result<(), Failure> {
        if recovery_secrets.is_empty() {
            return Ok(());
        }
        let secrets = RecoverySecrets { recovery_secrets };
        let json = serde_json::to_string(&secrets).map_err(|e| Failure::Contradiction(e.to_string()))?;
        let Some((file, path)) = self.0 else { return console::print(&json) };
        let path = path.display();
        if let Err(source) = file.finish(json.as_bytes()) {
            console::print(&json)?;
            let doing = format!(
                "writing the recovery secrets to {path} failed, so they are printed above: keep them"
            );
            return Err(Failure::Io { doing, source });
        }
        console::print(&format!("Recovery data saved to: {path}"))
    }
}
