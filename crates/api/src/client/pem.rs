//! Certificates and keys from PEM files (RFC 7468): a user's login, and a certificate secret to upload.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::{Identity, pem_certificates};
use crate::rest::{SecretBytes, SecretUpload};

/// Why a PEM file cannot be used. Says nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// A block is broken, or there is none of the kind.
    #[error("it holds no readable PEM block `{0}`")]
    Missing(&'static str),
    /// There are several of one kind.
    #[error("it holds {count} PEM blocks `{kind}`; a secret has one")]
    Several {
        /// The kind.
        kind: &'static str,
        /// How many.
        count: usize,
    },
    /// A private key in a form that secrets do not have.
    #[error(
        "its private key is not PKCS#8 (`BEGIN PRIVATE KEY`); convert it with `openssl pkcs8 -topk8 -nocrypt`"
    )]
    NotPkcs8,
}

impl Identity {
    /// A user's certificate, with those that signed it behind it if there are any.
    ///
    /// # Errors
    /// If the text holds no certificate.
    pub fn certificates_from_pem(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
        let certificates = pem_certificates(text).map_err(|_| PemError::Missing("CERTIFICATE"))?;
        if certificates.is_empty() { Err(PemError::Missing("CERTIFICATE")) } else { Ok(certificates) }
    }

    /// A user's private key in PKCS#8, PKCS#1 or SEC 1.
    ///
    /// # Errors
    /// If the text holds no private key.
    pub fn key_from_pem(text: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
        PrivateKeyDer::from_pem_slice(text).map_err(|_| PemError::Missing("PRIVATE KEY"))
    }
}

impl SecretUpload {
    /// A certificate and its private key from one PEM text. What is missing is left out: the Coordinator says whether
    /// the secret needs it.
    ///
    /// # Errors
    /// If the text holds neither, several of one kind, or a private key that is not PKCS#8.
    pub fn from_pem(text: &[u8]) -> Result<Self, PemError> {
        let certificates = pem_certificates(text).map_err(|_| PemError::Missing("CERTIFICATE"))?;
        let keys = PrivateKeyDer::pem_slice_iter(text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| PemError::Missing("PRIVATE KEY"))?;
        if certificates.is_empty() && keys.is_empty() {
            return Err(PemError::Missing("CERTIFICATE"));
        }
        let cert = one("CERTIFICATE", certificates)?;
        let private = match one("PRIVATE KEY", keys)? {
            None => None,
            Some(PrivateKeyDer::Pkcs8(key)) => Some(bytes(key.secret_pkcs8_der())),
            Some(_) => return Err(PemError::NotPkcs8),
        };
        Ok(Self { key: None, cert: cert.map(|der| bytes(&der)), private })
    }
}

fn one<T>(kind: &'static str, mut all: Vec<T>) -> Result<Option<T>, PemError> {
    match all.len() {
        0 | 1 => Ok(all.pop()),
        count => Err(PemError::Several { kind, count }),
    }
}

fn bytes(der: &[u8]) -> SecretBytes {
    SecretBytes(Zeroizing::new(der.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n")
    }

    fn check(labels: &[&str], expected: Result<(bool, bool), PemError>) {
        let text: String = labels.iter().map(|label| block(label)).collect();
        let read = SecretUpload::from_pem(text.as_bytes());
        assert_eq!(
            read.map(|upload| (upload.cert.is_some(), upload.private.is_some())),
            expected,
            "{labels:?}"
        );
    }

    #[test]
    fn an_upload_is_one_certificate_and_one_key() {
        check(&["CERTIFICATE", "PRIVATE KEY"], Ok((true, true)));
        check(&["PRIVATE KEY", "CERTIFICATE"], Ok((true, true)));
        check(&["CERTIFICATE"], Ok((true, false)));
        check(&["PRIVATE KEY"], Ok((false, true)));
        check(&[], Err(PemError::Missing("CERTIFICATE")));
        check(&["CERTIFICATE", "EC PRIVATE KEY"], Err(PemError::NotPkcs8));
        check(&["CERTIFICATE"; 2], Err(PemError::Several { kind: "CERTIFICATE", count: 2 }));
    }

    #[test]
    fn a_login_needs_both_files() {
        assert_eq!(
            Identity::certificates_from_pem(block("PRIVATE KEY").as_bytes()).err(),
            Some(PemError::Missing("CERTIFICATE"))
        );
        assert!(Identity::key_from_pem(block("CERTIFICATE").as_bytes()).is_err());
        assert!(Identity::key_from_pem(block("EC PRIVATE KEY").as_bytes()).is_ok());
    }
}
