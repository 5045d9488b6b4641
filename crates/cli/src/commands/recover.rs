//! `marblerun recover`: opens, signs and sends a recovery secret.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use marblerun_api::client::Client;
use marblerun_api::rest::{Base64, SecretBytes, v2};
use zeroize::Zeroizing;

use super::user::RecoveryKey;
use crate::trust::{self, Context};
use crate::{Failure, console, recovery_key};

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

impl Recover {
    pub(crate) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let key = self.key.required()?;
        let secret = key.open(recovery_key::secret_file(&self.file)?)?;
        let signature = key.sign(&secret)?;
        let coordinator = trust::verified(&self.addr, context).await?;
        send(&coordinator.client, secret, signature).await
    }
}

/// Sends a secret with the signature over it and prints what the Coordinator says.
pub(super) async fn send(
    client: &Client,
    secret: Zeroizing<Vec<u8>>,
    signature: Vec<u8>,
) -> Result<(), Failure> {
    let recovery_secret_signature = Base64(signature);
    let body = v2::Recover { recovery_secret: SecretBytes(secret), recovery_secret_signature };
    let answer = client.recover(&body).await?;
    console::print(&marblerun_api::client::printable(&answer.message))
}
