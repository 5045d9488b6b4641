//! `marblerun recover-with-signature`: recovery with a key that stays offline. The secret is signed and encrypted to the
//! Coordinator's ephemeral key where the recovery key is, and sent from elsewhere.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand};

use super::recover;
use super::user::RecoveryKey;
use crate::recovery_key::{self, is_decrypted};
use crate::trust::{self, Context};
use crate::{Failure, console, file};

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
    #[command(after_help = "Example:
  marblerun recover-with-signature public-key localhost:4433 -o coordinator.pem")]
    PublicKey(PublicKey),
    /// Encrypt a recovery secret to the Coordinator's ephemeral public key
    #[command(after_help = "Example:
  marblerun recover-with-signature encrypt-secret alice.enc --key alice.key --coordinator-pub-key coordinator.pem -o alice.sealed")]
    EncryptSecret(EncryptSecret),
    /// Sign a recovery secret
    #[command(after_help = "Example:
  marblerun recover-with-signature sign-secret alice.enc --key alice.key -o alice.sig")]
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
    pub(crate) async fn execute(self, context: &Context) -> Result<(), Failure> {
        match self.command {
            None => self.send(context).await,
            Some(Command::PublicKey(command)) => command.execute(context).await,
            Some(Command::EncryptSecret(command)) => command.execute(),
            Some(Command::SignSecret(command)) => command.execute(),
        }
    }

    async fn send(self, context: &Context) -> Result<(), Failure> {
        let (Some(path), Some(addr), Some(signature)) = (&self.file, &self.addr, &self.signature) else {
            return Err(missing("the file, the address and --signature"));
        };
        let secret = recovery_key::secret_file(path)?;
        let signature = file::read_secret(signature, "the signature")?.to_vec();
        let coordinator = trust::verified(addr, context).await?;
        recover::send(&coordinator.client, secret, signature).await
    }
}

impl PublicKey {
    async fn execute(self, context: &Context) -> Result<(), Failure> {
        let coordinator = trust::verified(&self.addr, context).await?;
        let key = coordinator.client.recovery_public_key().await?;
        if key.algorithm != "RSA" {
            return Err(Failure::Contradiction("its ephemeral key is no RSA key".into()));
        }
        let pem = pem(&key.ephemeral_public_key.0);
        match &self.output {
            Some(path) => save(path, "the ephemeral public key", pem.as_bytes()),
            None => console::print(&pem),
        }
    }
}

impl EncryptSecret {
    fn execute(self) -> Result<(), Failure> {
        let (Some(public_key), Some(output)) = (&self.coordinator_pub_key, &self.output) else {
            return Err(missing("--coordinator-pub-key and --output"));
        };
        let key = self.key.read()?;
        let secret = recovery_key::secret_file(&self.file)?;
        let secret = match key {
            Some(key) => key.open(secret)?,
            None if is_decrypted(&secret) => secret,
            None => {
                return Err(Failure::Argument(format!(
                    "{}: the recovery secret is still encrypted; name its recovery key with --key",
                    self.file.display()
                )));
            }
        };
        save(output, "the encrypted secret", &recovery_key::encrypt(public_key, &secret)?)
    }
}

impl SignSecret {
    fn execute(self) -> Result<(), Failure> {
        let output = self.output.as_deref().ok_or_else(|| missing("--output"))?;
        let key = self.key.required()?;
        let secret = key.open(recovery_key::secret_file(&self.file)?)?;
        save(output, "the signature", &key.sign(&secret)?)
    }
}

/// The command line requires it; this is for a reader who comes from elsewhere.
fn missing(what: &str) -> Failure {
    Failure::Argument(format!("{what} must be given"))
}

fn save(path: &Path, what: &str, content: &[u8]) -> Result<(), Failure> {
    file::write_new(path, content)
        .map_err(|source| Failure::Io { doing: format!("writing {what} to {}", path.display()), source })
}

/// RFC 7468: lines of 64 characters.
fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let lines = der.chunks(48).map(|line| base64::engine::general_purpose::STANDARD.encode(line) + "\n");
    format!("-----BEGIN PUBLIC KEY-----\n{}-----END PUBLIC KEY-----\n", lines.collect::<String>())
}
