//! Flags by which a user logs in, or a recovery key is named, wherever a command needs one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use marblerun_api::client::{Identity, PemError};

use crate::recovery_key::PrivateKey;
use crate::token::{Called, LoginKey, Token};
use crate::{Failure, file};

/// Certificate and key of a user: two files, or a PKCS#11 token. The flags may stand before a subcommand, so the rules
/// between them are checked after parsing.
#[derive(Debug, Default, Args)]
pub struct Login {
    /// User certificate (PEM)
    #[arg(short, long, global = true, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Private key (PEM)
    #[arg(short, long, global = true, value_name = "FILE")]
    key: Option<PathBuf>,
    /// PKCS#11 configuration (JSON)
    #[arg(long, global = true, value_name = "FILE")]
    pkcs11_config: Option<PathBuf>,
    /// ID of the certificate in the token
    #[arg(long, global = true, value_name = "ID")]
    pkcs11_cert_id: Option<String>,
    /// Label of the certificate in the token
    #[arg(long, global = true, value_name = "LABEL")]
    pkcs11_cert_label: Option<String>,
    /// ID of the key in the token
    #[arg(long, global = true, value_name = "ID")]
    pkcs11_key_id: Option<String>,
    /// Label of the key in the token
    #[arg(long, global = true, value_name = "LABEL")]
    pkcs11_key_label: Option<String>,
}

impl Login {
    /// Either both files, or a token with a key and a certificate.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let token_key = self.pkcs11_key_id.is_some() || self.pkcs11_key_label.is_some();
        let token_cert = self.pkcs11_cert_id.is_some() || self.pkcs11_cert_label.is_some();
        let wrong = match (&self.pkcs11_config, &self.cert, &self.key) {
            (None, Some(_), Some(_)) => return Ok(()),
            (Some(_), None, None) if token_key && token_cert => return Ok(()),
            (Some(_), None, None) => {
                "--pkcs11-config also needs a key (--pkcs11-key-id or --pkcs11-key-label) and a certificate \
                 (--pkcs11-cert-id or --pkcs11-cert-label)"
            }
            (Some(_), _, _) => "--pkcs11-config cannot stand together with --cert or --key",
            (None, Some(_), None) => "--cert also needs --key",
            (None, None, Some(_)) => "--key also needs --cert",
            (None, None, None) => {
                "log in as a user with --cert and --key, or with a token named by --pkcs11-config"
            }
        };
        Err(Failure::Argument(wrong.into()))
    }
}

impl Login {
    /// Certificate and key, to log in with.
    pub(crate) fn identity(&self) -> Result<Identity, Failure> {
        self.check()?;
        match (&self.cert, &self.key, &self.pkcs11_config) {
            (Some(cert), Some(key), _) => from_files(cert, key),
            (_, _, Some(config)) => self.in_token(config),
            // The check lets nothing else through.
            _ => Err(Failure::Argument("no login is named".into())),
        }
    }

    fn in_token(&self, config: &Path) -> Result<Identity, Failure> {
        let token = Token::open(config)?;
        let (id, label) = (self.pkcs11_cert_id.as_deref(), self.pkcs11_cert_label.as_deref());
        let certificate = token.certificate(Called { id, label })?;
        let (id, label) = (self.pkcs11_key_id.as_deref(), self.pkcs11_key_label.as_deref());
        let key = token.into_key(Called { id, label })?;
        let key = LoginKey::new(key, &certificate, &config.display().to_string())?;
        Ok(Identity::with_signer(vec![certificate], Arc::new(key)))
    }
}

fn from_files(cert: &Path, key: &Path) -> Result<Identity, Failure> {
    let unusable = |path: &Path, error: PemError| Failure::Argument(format!("{}: {error}", path.display()));
    let pem = file::read_secret(cert, "the user's certificate")?;
    let certificates = Identity::certificates_from_pem(&pem).map_err(|error| unusable(cert, error))?;
    let pem = file::read_secret(key, "the user's key")?;
    let key = Identity::key_from_pem(&pem).map_err(|error| unusable(key, error))?;
    Ok(Identity::new(certificates, key))
}

/// A recovery key: a file, or a key in a PKCS#11 token.
#[derive(Debug, Args)]
pub struct RecoveryKey {
    /// Private key (PEM)
    #[arg(short, long, value_name = "FILE", conflicts_with = "pkcs11_config")]
    key: Option<PathBuf>,
    /// PKCS#11 configuration (JSON)
    #[arg(long, value_name = "FILE")]
    pkcs11_config: Option<PathBuf>,
    /// ID of the key in the token
    #[arg(long, value_name = "ID")]
    pkcs11_key_id: Option<String>,
    /// Label of the key in the token
    #[arg(long, value_name = "LABEL")]
    pkcs11_key_label: Option<String>,
}

impl RecoveryKey {
    /// The key, if one is named.
    ///
    /// # Errors
    /// If it cannot be read, or the token does not have it.
    pub(crate) fn read(&self) -> Result<Option<PrivateKey>, Failure> {
        let called = Called { id: self.pkcs11_key_id.as_deref(), label: self.pkcs11_key_label.as_deref() };
        let named = called.id.is_some() || called.label.is_some();
        match (&self.pkcs11_config, &self.key) {
            (Some(config), _) if named => {
                Token::open(config)?.into_key(called).map(PrivateKey::Token).map(Some)
            }
            (Some(_), _) => Err(Failure::Argument(
                "--pkcs11-config also needs a key (--pkcs11-key-id or --pkcs11-key-label)".into(),
            )),
            (None, _) if named => {
                Err(Failure::Argument("a key in a token also needs --pkcs11-config FILE".into()))
            }
            (None, key) => key.as_deref().map(PrivateKey::read).transpose(),
        }
    }

    /// The key, which must be named.
    ///
    /// # Errors
    /// As [`RecoveryKey::read`], or if none is named.
    pub(crate) fn required(&self) -> Result<PrivateKey, Failure> {
        self.read()?
            .ok_or_else(|| Failure::Argument("name the recovery key with --key, or --pkcs11-config".into()))
    }
}

#[cfg(test)]
mod tests {
    fn check(flags: &[&str], expected: Result<(), &str>) {
        let line = ["marblerun", "secret", "get", "a", "localhost"].iter().chain(flags).map(Into::into);
        let Some(super::super::Command::Secret(secret)) = crate::args::parse(line).unwrap().command else {
            panic!("not the command that was given")
        };
        match (secret.login().check(), expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{flags:?}: {error}"),
            (checked, _) => panic!("{flags:?}: {checked:?}"),
        }
    }

    #[test]
    fn a_user_logs_in_with_two_files_or_a_token() {
        check(&["--cert", "c", "--key", "k"], Ok(()));
        check(&["--pkcs11-config", "p", "--pkcs11-key-id", "1", "--pkcs11-cert-label", "l"], Ok(()));
        check(&["-c", "c"], Err("--key"));
        check(&["-k", "k"], Err("--cert"));
        check(&["--pkcs11-config", "p", "--pkcs11-key-id", "1"], Err("certificate"));
        check(&["--pkcs11-config", "p", "-c", "c", "-k", "k"], Err("together"));
        check(&[], Err("log in"));
    }
}
