//! `marblerun manifest get`: the manifest that the Coordinator holds.

use std::path::PathBuf;

use clap::Args;
use marblerun_api::client::Client;
use marblerun_api::rest::v2;

use super::{deliver, merged};
use crate::document::fingerprint;
use crate::trust::{self, Context};
use crate::{Failure, console};

/// Arguments of `marblerun manifest get`.
#[derive(Debug, Args)]
pub(super) struct Get {
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// Merge raised SecurityVersions into the manifest
    #[arg(short = 'u', long)]
    display_update: bool,
    /// Save the Coordinator's certificates in the cache
    #[arg(long)]
    keep_cert: bool,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show the manifest's hash too
    #[arg(short, long)]
    signature: bool,
}

impl Get {
    pub(super) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let coordinator = trust::verified(&self.addr, context).await?;
        let answer = held_manifest(&coordinator.client).await?;
        let manifest = if self.display_update {
            console::note("Note: the contents of \"Cert\" in secrets are not shown with --display-update");
            merged::merge(&answer.manifest.0, &coordinator.client.update_log().await?)?
        } else {
            answer.manifest.0
        };
        let shown =
            if self.signature { with_hash(&answer.manifest_fingerprint, &manifest) } else { manifest };
        deliver(&shown, self.output.as_deref())?;
        if self.keep_cert { context.remember(&coordinator) } else { Ok(()) }
    }
}

/// The Coordinator's manifest, of which the hash is our own.
pub(super) async fn held_manifest(client: &Client) -> Result<v2::Manifest, Failure> {
    let mut answer = client.manifest().await?;
    let computed = fingerprint(&answer.manifest.0);
    let told = std::mem::replace(&mut answer.manifest_fingerprint, computed.clone());
    if told.eq_ignore_ascii_case(&computed) {
        return Ok(answer);
    }
    let told = marblerun_api::client::printable(&told);
    Err(Failure::Contradiction(format!(
        "it says that the manifest's hash is {told}, but the hash is {computed}"
    )))
}

/// One JSON object that holds the manifest's very bytes.
fn with_hash(hash: &str, manifest: &[u8]) -> Vec<u8> {
    let head = format!("{{\n\"ManifestSignature\": \"{hash}\",\n\"Manifest\": ");
    [head.as_bytes(), manifest, b"\n}\n"].concat()
}
