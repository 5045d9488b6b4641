//! `marblerun secret`: upload and read secrets as a user.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use marblerun_api::client::{Client, printable};
use marblerun_api::rest::{SecretBytes, SecretUpload, SecretUploads};
use zeroize::Zeroizing;

use super::help;
use super::user::Login;
use crate::trust::{self, Context};
use crate::{Failure, console, file};

/// What a Coordinator takes in one request, in bytes.
const MOST: usize = 8 << 20;

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
    #[command(after_help = "Examples:
  marblerun secret set secrets.json localhost:4433 --cert alice.pem --key alice.key
  marblerun secret set door.pem localhost:4433 --from-pem door --cert alice.pem --key alice.key")]
    Set(Set),
    /// Print or save secrets
    #[command(after_help = "Examples:
  marblerun secret get note door localhost:4433 --cert alice.pem --key alice.key -o values.json
  marblerun secret get note localhost:4433 --pkcs11-config token.json --pkcs11-key-id 0a --pkcs11-cert-id 0a")]
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

    pub(crate) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let Self { login, command } = self;
        match command {
            None => help(&["secret"]),
            Some(Command::Set(set)) => set.execute(&login, context).await,
            Some(Command::Get(get)) => get.execute(&login, context).await,
        }
    }
}

impl Set {
    async fn execute(self, login: &Login, context: &Context) -> Result<(), Failure> {
        let identity = login.identity()?;
        let uploads = self.uploads()?;
        trust::known_as(&self.addr, Some(identity), context)?.set_secrets(uploads).await?;
        console::note("Secret successfully set");
        Ok(())
    }

    fn uploads(&self) -> Result<SecretUploads, Failure> {
        let content = Zeroizing::new(file::read(&self.file, MOST, "an upload of secrets")?);
        let unusable = |why: String| Failure::Argument(format!("{}: {why}", self.file.display()));
        match self.from_pem.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => {
                let upload = SecretUpload::from_pem(&content).map_err(|error| unusable(error.to_string()))?;
                Ok(SecretUploads(BTreeMap::from([(name.to_owned(), upload)])))
            }
            None => serde_json::from_slice(&content).map_err(|error| unusable(malformed(&error))),
        }
    }
}

/// Not the parser's own words: they may quote a value.
fn malformed(error: &serde_json::Error) -> String {
    format!(
        "line {}, column {}: expected JSON of the form {{\"name\": {{\"Key\": \"base64\"}}}}, or {{\"Cert\", \"Private\"}} \
         for a certificate, each name once (a PEM file needs --from-pem NAME)",
        error.line(),
        error.column()
    )
}

impl Get {
    async fn execute(self, login: &Login, context: &Context) -> Result<(), Failure> {
        let client = trust::known_as(&self.addr, Some(login.identity()?), context)?;
        match &self.output {
            None => print(&client, &self.names).await,
            Some(path) => save(&client, &self.names, path).await,
        }
    }
}

/// The secrets as JSON, as the Coordinator sends them.
async fn save(client: &Client, names: &[String], path: &Path) -> Result<(), Failure> {
    let secrets = client.secrets(names).await?;
    let encoded = serde_json::to_vec_pretty(&secrets)
        .map_err(|error| Failure::Contradiction(format!("secrets that are no JSON: {error}")))?;
    let encoded = Zeroizing::new(encoded);
    file::write(path, &encoded)
        .map_err(|source| Failure::Io { doing: format!("writing {}", path.display()), source })?;
    console::note(&format!("Saved secrets to: {}", path.display()));
    Ok(())
}

async fn print(client: &Client, names: &[String]) -> Result<(), Failure> {
    for (name, secret) in client.secrets(names).await? {
        let mut text = format!("{}:\n", printable(&name));
        line(&mut text, "Type", &printable(&secret.r#type));
        line(&mut text, "UserDefined", &secret.user_defined.to_string());
        if secret.size > 0 {
            line(&mut text, "Size", &secret.size.to_string());
        }
        if secret.valid_for > 0 {
            line(&mut text, "ValidFor", &format!("{} days", secret.valid_for));
        }
        if secret.cert.is_some() {
            value(&mut text, "Cert", secret.cert.as_ref());
            value(&mut text, "Public", secret.public.as_ref());
        }
        value(&mut text, if secret.cert.is_some() { "Private" } else { "Key" }, secret.private.as_ref());
        console::print(&Zeroizing::new(text))?;
    }
    Ok(())
}

/// Writing to a text cannot fail.
fn line(text: &mut String, what: &str, value: &str) {
    let _ = writeln!(text, "\t{:<14} {value}", format!("{what}:"));
}

fn value(text: &mut String, what: &str, bytes: Option<&SecretBytes>) {
    match bytes {
        Some(bytes) => line(text, what, &Zeroizing::new(STANDARD.encode(&*bytes.0))),
        None => line(text, what, "(not set)"),
    }
}
