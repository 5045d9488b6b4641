//! The Coordinator's certificates and those it issues (`compat` section 4). All signatures are ECDSA P-384 with SHA-384.

use std::net::IpAddr;
use std::time::SystemTime;

use marblerun_manifest::CertificateTemplate;

use crate::keys::{KeyError, KeySource, SigningKey};

/// The three certificates of a Coordinator and their two keys. Cheap to clone where shared in an `Arc`.
#[derive(Clone)]
pub struct Pki {
    /// Key of the root.
    pub root_key: SigningKey,
    /// DER of the root certificate, CN `MarbleRun Coordinator`.
    pub root: Vec<u8>,
    /// Key of the intermediate and of the marble root.
    pub intermediate_key: SigningKey,
    /// DER of the intermediate, signed by the root.
    pub intermediate: Vec<u8>,
    /// DER of the marble root: key and name of the intermediate, self-signed.
    pub marble_root: Vec<u8>,
}

impl Pki {
    /// New root, intermediate and marble root for these DNS names and addresses (127.0.0.1 and ::1 are added).
    ///
    /// # Errors
    /// If no key can be made or a name fits no certificate.
    pub fn generate(
        names: &[String],
        addresses: &[IpAddr],
        keys: &dyn KeySource,
        now: SystemTime,
    ) -> Result<Self, PkiError> {
        let _ = (names, addresses, keys, now);
        todo!()
    }

    /// The same root with a new intermediate and marble root: on every update.
    ///
    /// # Errors
    /// As [`Pki::generate`].
    pub fn with_new_intermediate(
        &self,
        names: &[String],
        addresses: &[IpAddr],
        keys: &dyn KeySource,
        now: SystemTime,
    ) -> Result<Self, PkiError> {
        let _ = (names, addresses, keys, now);
        todo!()
    }

    /// A marble's certificate under the marble root. `public` is the SubjectPublicKeyInfo of the key that the
    /// Coordinator made for it; subject, DNS names and addresses come from the request, CN is `uuid`.
    ///
    /// # Errors
    /// If the certificate cannot be encoded or signed.
    pub fn issue_marble(
        &self,
        request: &CertificateRequest,
        marble_type: &str,
        uuid: &str,
        public: &[u8],
        keys: &dyn KeySource,
        now: SystemTime,
    ) -> Result<Vec<u8>, PkiError> {
        let _ = (request, marble_type, uuid, public, keys, now);
        todo!()
    }

    /// The certificate of a certificate secret under the marble root.
    ///
    /// # Errors
    /// If the certificate cannot be encoded or signed, or would be expired at `now`.
    pub fn issue_secret(
        &self,
        template: &CertificateTemplate,
        public: &[u8],
        keys: &dyn KeySource,
        now: SystemTime,
    ) -> Result<Vec<u8>, PkiError> {
        let _ = (template, public, keys, now);
        todo!()
    }
}

/// A PKCS#10 request (RFC 2986) whose signature was checked.
#[derive(Debug, Clone)]
pub struct CertificateRequest {
    #[allow(dead_code)]
    subject: x509_cert::name::RdnSequence,
    /// DNS names asked for.
    pub dns_names: Vec<String>,
    /// Addresses asked for.
    pub ip_addresses: Vec<IpAddr>,
}

impl CertificateRequest {
    /// Parses DER and checks the signature with the key in the request; any key kind, unknown extensions ignored.
    ///
    /// # Errors
    /// [`PkiError::Request`] with what is wrong.
    pub fn parse(der: &[u8]) -> Result<Self, PkiError> {
        let _ = der;
        todo!()
    }
}

/// A certificate could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// The certificate signing request is at fault.
    #[error("certificate signing request: {0}")]
    Request(String),
    /// The template in the manifest is at fault.
    #[error("certificate template: {0}")]
    Template(String),
    /// A key could not be made or used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Encoding failed.
    #[error("encoding a certificate: {0}")]
    Encoding(String),
}
