//! A key in a token as rustls wants one: it signs handshakes, and each signature is held against the certificate before
//! it leaves, so that a key that does not fit is found out here and not by a Coordinator.

use std::sync::Arc;

use der::asn1::UintRef;
use der::{Decode as _, Encode as _};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::CertificateDer;

use super::explain::explain;
use super::failure;
use super::key::{Hash, TokenKey};
use crate::Failure;

/// A user's key in a token.
#[derive(Debug)]
pub(crate) struct LoginKey(Arc<Login>);

#[derive(Debug)]
struct Login {
    key: TokenKey,
    kind: Kind,
    /// The certificate's public key, as signatures are verified with it.
    public_key: Vec<u8>,
}

/// What the certificate says the key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    /// A curve of NIST, by the scheme that TLS signs with on it.
    Ecdsa(SignatureScheme, Hash),
}

impl LoginKey {
    /// The key for this certificate.
    ///
    /// # Errors
    /// If the certificate is for another kind of key than TLS clients use from tokens: RSA, or ECDSA on P-256, P-384 or
    /// P-521.
    pub(crate) fn new(key: TokenKey, certificate: &CertificateDer<'_>, name: &str) -> Result<Self, Failure> {
        let unusable = || failure(name, "the certificate is not one for an RSA or ECDSA key".into());
        let parsed = x509_cert::Certificate::from_der(certificate).map_err(|_| unusable())?;
        let info = parsed.tbs_certificate().subject_public_key_info();
        let curve = info.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as().ok());
        let kind = kind(info.algorithm.oid, curve).ok_or_else(unusable)?;
        let public_key = info.subject_public_key.as_bytes().ok_or_else(unusable)?.to_vec();
        Ok(Self(Arc::new(Login { key, kind, public_key })))
    }
}

fn kind(algorithm: der::oid::ObjectIdentifier, curve: Option<der::oid::ObjectIdentifier>) -> Option<Kind> {
    let curve = curve.map(|curve| curve.to_string());
    match (algorithm.to_string().as_str(), curve.as_deref()) {
        ("1.2.840.113549.1.1.1", _) => Some(Kind::Rsa),
        ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => {
            Some(Kind::Ecdsa(SignatureScheme::ECDSA_NISTP256_SHA256, Hash::Sha256))
        }
        ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => {
            Some(Kind::Ecdsa(SignatureScheme::ECDSA_NISTP384_SHA384, Hash::Sha384))
        }
        ("1.2.840.10045.2.1", Some("1.3.132.0.35")) => {
            Some(Kind::Ecdsa(SignatureScheme::ECDSA_NISTP521_SHA512, Hash::Sha512))
        }
        _ => None,
    }
}

/// Schemes of RSA keys, best first; the last three are for TLS 1.2.
const RSA: [SignatureScheme; 6] = [
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

impl SigningKey for LoginKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let schemes = match &self.0.kind {
            Kind::Rsa => &RSA[..],
            Kind::Ecdsa(scheme, _) => std::slice::from_ref(scheme),
        };
        let scheme = *schemes.iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(LoginSigner { login: self.0.clone(), scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.0.kind {
            Kind::Rsa => SignatureAlgorithm::RSA,
            Kind::Ecdsa(..) => SignatureAlgorithm::ECDSA,
        }
    }
}

#[derive(Debug)]
struct LoginSigner {
    login: Arc<Login>,
    scheme: SignatureScheme,
}

impl Signer for LoginSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let signature = self.login.sign(self.scheme, message)?;
        match self.login.verifies(self.scheme, message, &signature) {
            true => Ok(signature),
            false => Err(general("the key in the token does not fit the certificate")),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

impl Login {
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let signed = match (self.kind, scheme) {
            (Kind::Ecdsa(_, hash), _) => self.key.ecdsa(hash, message),
            (Kind::Rsa, SignatureScheme::RSA_PSS_SHA256) => self.key.pss(Hash::Sha256, message),
            (Kind::Rsa, SignatureScheme::RSA_PSS_SHA384) => self.key.pss(Hash::Sha384, message),
            (Kind::Rsa, SignatureScheme::RSA_PSS_SHA512) => self.key.pss(Hash::Sha512, message),
            (Kind::Rsa, SignatureScheme::RSA_PKCS1_SHA384) => self.key.pkcs1(Hash::Sha384, message),
            (Kind::Rsa, SignatureScheme::RSA_PKCS1_SHA512) => self.key.pkcs1(Hash::Sha512, message),
            (Kind::Rsa, _) => self.key.pkcs1(Hash::Sha256, message),
        };
        let signature =
            signed.map_err(|e| general(&format!("signing with the key in the token: {}", explain(&e))))?;
        match self.kind {
            Kind::Rsa => Ok(signature),
            Kind::Ecdsa(..) => {
                ecdsa_der(&signature).ok_or_else(|| general("the token made no ECDSA signature"))
            }
        }
    }

    fn verifies(&self, scheme: SignatureScheme, message: &[u8], signature: &[u8]) -> bool {
        let known = default_provider().signature_verification_algorithms.mapping;
        let algorithms = known.iter().filter(|(known, _)| *known == scheme).flat_map(|(_, all)| all.iter());
        algorithms
            .into_iter()
            .any(|algorithm| algorithm.verify_signature(&self.public_key, message, signature).is_ok())
    }
}

fn general(reason: &str) -> rustls::Error {
    rustls::Error::General(reason.into())
}

/// Two numbers of the same length (PKCS#11) as a SEQUENCE of INTEGERs (RFC 3279 section 2.2.3).
fn ecdsa_der(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.is_empty() || !raw.len().is_multiple_of(2) {
        return None;
    }
    let (r, s) = raw.split_at(raw.len() / 2);
    vec![UintRef::new(r).ok()?, UintRef::new(s).ok()?].to_der().ok()
}
