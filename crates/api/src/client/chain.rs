//! The Coordinator's certificates as its quote endpoint hands them out: intermediate, then root.

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode as _, Encode as _, pem};

/// The Coordinator's intermediate and root certificate, of which the root signed the intermediate.
///
/// Evidence speaks of the root alone. Whoever exchanges the intermediate in an answer is found out here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateChain {
    intermediate: CertificateDer<'static>,
    root: CertificateDer<'static>,
}

/// What is wrong with a chain of certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// Not PEM, or not a certificate in it.
    #[error("certificate {position} cannot be read: {reason}")]
    Unreadable {
        /// Counted from 1.
        position: usize,
        /// What the parser said.
        reason: String,
    },
    /// Not exactly two certificates.
    #[error("expected the intermediate and the root certificate, found {0} certificates")]
    Count(usize),
    /// The root's key did not sign the intermediate.
    #[error("the root certificate did not sign the intermediate certificate")]
    NotSigned,
}

impl CertificateChain {
    /// Reads the two certificates and checks the signature between them.
    ///
    /// # Errors
    /// As [`ChainError`] says.
    pub fn from_pem(text: &str) -> Result<Self, ChainError> {
        let certificates = pem_certificates(text.as_bytes())?;
        let [intermediate, root] =
            <[_; 2]>::try_from(certificates).map_err(|all| ChainError::Count(all.len()))?;
        Self::new(intermediate, root)
    }

    /// Checks the signature between the two.
    ///
    /// # Errors
    /// [`ChainError::Unreadable`] or [`ChainError::NotSigned`].
    pub fn new(
        intermediate: CertificateDer<'static>,
        root: CertificateDer<'static>,
    ) -> Result<Self, ChainError> {
        match signed_by(&parse(&intermediate, 1)?, &parse(&root, 2)?) {
            true => Ok(Self { intermediate, root }),
            false => Err(ChainError::NotSigned),
        }
    }

    /// The certificate under which marbles are admitted; new with every manifest update.
    #[must_use]
    pub fn intermediate(&self) -> &CertificateDer<'static> {
        &self.intermediate
    }

    /// The certificate that lives as long as the deployment, and that evidence speaks of.
    #[must_use]
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The intermediate certificate as PEM.
    #[must_use]
    pub fn intermediate_pem(&self) -> String {
        to_pem(&self.intermediate)
    }

    /// The root certificate as PEM.
    #[must_use]
    pub fn root_pem(&self) -> String {
        to_pem(&self.root)
    }

    /// Both as PEM, intermediate first.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.intermediate_pem() + &self.root_pem()
    }
}

/// All certificates of a PEM text, whatever stands between them.
///
/// # Errors
/// [`ChainError::Unreadable`] if a block is broken.
pub fn pem_certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, ChainError> {
    CertificateDer::pem_slice_iter(text)
        .enumerate()
        .map(|(i, block)| {
            block.map_err(|e| ChainError::Unreadable { position: i + 1, reason: e.to_string() })
        })
        .collect()
}

/// SubjectPublicKeyInfo (RFC 5280 section 4.1) of a certificate, DER.
///
/// # Errors
/// [`ChainError::Unreadable`].
pub fn public_key(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, ChainError> {
    let spki = parse(certificate, 1)?.tbs_certificate().subject_public_key_info().to_der();
    spki.map_err(|error| ChainError::Unreadable { position: 1, reason: error.to_string() })
}

fn to_pem(certificate: &CertificateDer<'_>) -> String {
    // Encoding fails for lengths near usize::MAX only, which no certificate in memory has.
    pem::encode_string("CERTIFICATE", LineEnding::LF, certificate).unwrap_or_default()
}

fn parse(certificate: &CertificateDer<'_>, position: usize) -> Result<Certificate, ChainError> {
    Certificate::from_der(certificate).map_err(|e| ChainError::Unreadable { position, reason: e.to_string() })
}

/// RFC 5280 section 6.1.3 (a)(1): one of the supported algorithms verifies the signature with the issuer's key.
fn signed_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    let spki = issuer.tbs_certificate().subject_public_key_info();
    let parts = (|| {
        let message = certificate.tbs_certificate().to_der().ok()?;
        let algorithm = contents(&certificate.signature_algorithm().to_der().ok()?)?;
        let key_algorithm = contents(&spki.algorithm.to_der().ok()?)?;
        Some((message, algorithm, key_algorithm))
    })();
    let (Some((message, algorithm, key_algorithm)), Some(key), Some(signature)) =
        (parts, spki.subject_public_key.as_bytes(), certificate.signature().as_bytes())
    else {
        return false;
    };
    aws_lc_rs::default_provider()
        .signature_verification_algorithms
        .all
        .iter()
        .filter(|a| {
            a.signature_alg_id().as_ref() == algorithm && a.public_key_alg_id().as_ref() == key_algorithm
        })
        .any(|a| a.verify_signature(key, &message, signature).is_ok())
}

/// What stands inside an AlgorithmIdentifier's SEQUENCE, which is how the algorithms name themselves.
fn contents(sequence: &[u8]) -> Option<Vec<u8>> {
    use x509_cert::der::asn1::AnyRef;
    Some(AnyRef::from_der(sequence).ok()?.value().to_vec())
}
