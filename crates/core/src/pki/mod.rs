//! The Coordinator's certificates and those it issues. All signatures are ECDSA P-384 with SHA-384.
//!
//! Three certificates stand for a Coordinator: the root, which lives as long as the deployment; the intermediate,
//! signed by the root and new with each update; and the marble root, which is the intermediate's key and name signed
//! by itself, so that a marble that trusts only it accepts exactly what was issued since the last update.
//!
//! Nothing here issues a certificate authority to anyone but the Coordinator, nor takes an identity (common name,
//! marble type) from what a marble sent. Time, keys and randomness are arguments.

mod authority;
mod certificate;
mod extensions;
mod leaf;
mod name;
mod request;
mod signature;

use crate::keys::KeyError;

pub use authority::Pki;
pub use extensions::MARBLE_TYPE_OID;
pub use request::{CertificateRequest, MAX_REQUEST_BYTES};

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
    /// The value of this secret could not be made.
    #[error("Secrets.{name}: {cause}")]
    Secret {
        /// Which secret of the manifest.
        name: String,
        /// What is wrong with it.
        cause: Box<PkiError>,
    },
    /// A key could not be made or used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Encoding failed.
    #[error("encoding a certificate: {0}")]
    Encoding(String),
}

impl From<der::Error> for PkiError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}
