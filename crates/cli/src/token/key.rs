//! A private key in a token.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{self, digest};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use zeroize::Zeroizing;

use super::explain::explain;
use super::{failure, oaep};
use crate::Failure;

/// A private key that does its work in the token. A session is for one thread at a time.
pub(crate) struct TokenKey {
    session: Mutex<Session>,
    key: ObjectHandle,
    name: String,
}

/// The hash functions of signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl TokenKey {
    pub(super) fn new(session: Session, key: ObjectHandle, name: String) -> Self {
        Self { session: Mutex::new(session), key, name }
    }

    /// Opens what is encrypted by RSAES-OAEP with SHA-256 and the empty label.
    ///
    /// # Errors
    /// If it is not encrypted to this key, which must be an RSA key that may decrypt.
    pub(crate) fn decrypt(&self, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let source = PkcsOaepSource::empty();
        let params = PkcsOaepParams::new(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, source);
        match self.decrypt_by(&Mechanism::RsaPkcsOaep(params), encrypted) {
            // Tokens that know OAEP with SHA-1 alone, or not at all, do the RSA operation, and the padding is removed here.
            Err(error) if is_unsupported(&error) => {
                let padded = self
                    .decrypt_by(&Mechanism::RsaX509, encrypted)
                    .map_err(|e| self.decrypting(encrypted, &e))?;
                oaep::unpad(padded).ok_or_else(|| self.failed("the secret is not encrypted to this key"))
            }
            decrypted => decrypted.map_err(|e| self.decrypting(encrypted, &e)),
        }
    }

    /// RSA PKCS#1 v1.5 signature with SHA-256.
    ///
    /// # Errors
    /// What the token says; the key must be an RSA key that may sign.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        self.pkcs1(Hash::Sha256, message).map_err(|e| self.failed(&format!("signing: {}", explain(&e))))
    }

    /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2).
    pub(super) fn pkcs1(&self, hash: Hash, message: &[u8]) -> cryptoki::error::Result<Vec<u8>> {
        let info = [hash.digest_info(), digest(hash.algorithm(), message).as_ref()].concat();
        self.sign_by(&Mechanism::RsaPkcs, &info)
    }

    /// RSASSA-PSS with a salt as long as the hash (RFC 8446 section 4.2.3).
    pub(super) fn pss(&self, hash: Hash, message: &[u8]) -> cryptoki::error::Result<Vec<u8>> {
        let digest = digest(hash.algorithm(), message);
        let (hash_alg, mgf) = hash.pss();
        let s_len = digest.as_ref().len().try_into()?;
        self.sign_by(&Mechanism::RsaPkcsPss(PkcsPssParams { hash_alg, mgf, s_len }), digest.as_ref())
    }

    /// ECDSA, as the two numbers one after the other.
    pub(super) fn ecdsa(&self, hash: Hash, message: &[u8]) -> cryptoki::error::Result<Vec<u8>> {
        self.sign_by(&Mechanism::Ecdsa, digest(hash.algorithm(), message).as_ref())
    }

    fn sign_by(&self, mechanism: &Mechanism<'_>, data: &[u8]) -> cryptoki::error::Result<Vec<u8>> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.sign(mechanism, self.key, data)
    }

    fn decrypt_by(
        &self,
        mechanism: &Mechanism<'_>,
        data: &[u8],
    ) -> cryptoki::error::Result<Zeroizing<Vec<u8>>> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.decrypt(mechanism, self.key, data).map(Zeroizing::new)
    }

    fn decrypting(&self, encrypted: &[u8], error: &Error) -> Failure {
        let (length, error) = (encrypted.len(), explain(error));
        self.failed(&format!(
            "decrypting the recovery secret ({length} bytes): {error}: which holder does it belong to?"
        ))
    }

    fn failed(&self, reason: &str) -> Failure {
        failure(&self.name, reason.to_owned())
    }
}

fn is_unsupported(error: &Error) -> bool {
    let unsupported = [
        RvError::ArgumentsBad,
        RvError::MechanismInvalid,
        RvError::MechanismParamInvalid,
        RvError::FunctionNotSupported,
    ];
    matches!(error, Error::Pkcs11(code, _) if unsupported.contains(code))
}

impl Hash {
    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn pss(self) -> (MechanismType, PkcsMgfType) {
        match self {
            Self::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
            Self::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
            Self::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
        }
    }

    /// What stands before the hash in a DigestInfo (RFC 8017 section 9.2, note 1).
    fn digest_info(self) -> &'static [u8] {
        match self {
            Self::Sha256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            Self::Sha384 => b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
            Self::Sha512 => b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
        }
    }
}

/// The name alone.
impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenKey").field(&self.name).finish()
    }
}
