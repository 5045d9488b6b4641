//! Which marble a certificate names.

use der::Decode as _;
use der::oid::ObjectIdentifier;
use rustls::pki_types::CertificateDer;
use uuid::Uuid;
use x509_cert::Certificate;

/// The extension whose raw value (no DER around it) is the marble's type.
const MARBLE_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.9903.2.1");

/// A marble: its type, an entry of the manifest, and its UUID, which of that type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PeerIdentity {
    /// Name of the entry in the manifest.
    pub marble_type: String,
    /// The UUID that it was activated with.
    pub uuid: Uuid,
}

impl PeerIdentity {
    /// The marble that a TLS peer proved to be: `chain` as the *verified* handshake gave it
    /// (`rustls::CommonState::peer_certificates`). Only the first certificate counts, whose key the peer proved to hold.
    ///
    /// # Errors
    /// If there is no certificate, or one of this mesh that is not a marble's own (a certificate secret, say).
    pub fn proved_by(chain: &[CertificateDer<'_>]) -> Result<Self, PeerError> {
        let leaf = chain.first().ok_or(PeerError::NoCertificate)?;
        let leaf = Certificate::from_der(leaf).map_err(|error| PeerError::Unreadable(error.to_string()))?;
        Ok(Self { marble_type: marble_type(&leaf)?, uuid: uuid(&leaf)? })
    }
}

fn marble_type(leaf: &Certificate) -> Result<String, PeerError> {
    let extensions = leaf.tbs_certificate().extensions().into_iter().flatten();
    let mut types = extensions.filter(|extension| extension.extn_id == MARBLE_TYPE);
    match (types.next(), types.next()) {
        (Some(one), None) => {
            String::from_utf8(one.extn_value.as_bytes().to_vec()).map_err(|_| PeerError::NotAMarble)
        }
        _ => Err(PeerError::NotAMarble),
    }
}

fn uuid(leaf: &Certificate) -> Result<Uuid, PeerError> {
    let name = leaf.tbs_certificate().subject().common_name().ok().flatten();
    name.and_then(|name| Uuid::try_parse(&name.value()).ok()).ok_or(PeerError::NotAMarble)
}

/// The peer is no marble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// It showed no certificate.
    #[error("the peer showed no certificate")]
    NoCertificate,
    /// It is no X.509 certificate.
    #[error("the peer's certificate cannot be read: {0}")]
    Unreadable(String),
    /// It is not one that a marble gets at activation.
    #[error(
        "the peer's certificate names no marble: it needs one extension 1.3.9903.2.1 with the type and a UUID as \
         common name"
    )]
    NotAMarble,
}
