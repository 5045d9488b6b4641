//! The Coordinator's ephemeral key: holders who sign offline encrypt their secret to it.
//!
//! It lives in memory, for one process and one time of recovery. Decryption says yes or no, never why.

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use zeroize::Zeroizing;

use super::RecoveryError;
use super::shamir::Share;
use crate::keys::{KeyError, KeyKind, KeySource};

/// Lengths of decrypted secrets in bytes: key or XOR share, Shamir share, and the key of states of old.
const PLAIN: [usize; 3] = [32, 33, 16];
/// Length of what is encrypted to an RSA-4096 key, in bytes.
const ENCRYPTED: usize = 512;

/// An RSA-4096 key for RSAES-OAEP (RFC 8017 section 7.1) with SHA-256 and the empty label.
pub struct EphemeralKey {
    private: OaepPrivateDecryptingKey,
    public: Vec<u8>,
}

impl EphemeralKey {
    /// A fresh one. Takes a second or more.
    ///
    /// # Errors
    /// If the cryptographic library makes none.
    pub fn generate(keys: &dyn KeySource) -> Result<Self, KeyError> {
        let pair = keys.key_pair(KeyKind::Rsa(4096))?;
        let unusable = || KeyError("the cryptographic library does not take its own RSA key".into());
        let private = PrivateDecryptingKey::from_pkcs8(&pair.private).map_err(|_| unusable())?;
        let private = OaepPrivateDecryptingKey::new(private).map_err(|_| unusable())?;
        Ok(Self { private, public: pair.public })
    }

    /// SubjectPublicKeyInfo DER.
    pub fn public_key(&self) -> &[u8] {
        &self.public
    }

    /// Takes a secret out. Costs some milliseconds.
    ///
    /// # Errors
    /// [`RecoveryError::Encryption`].
    pub fn decrypt(&self, encrypted: &[u8]) -> Result<Share, RecoveryError> {
        let mut share = Zeroizing::new(vec![0; self.private.min_output_size()]);
        let decrypted = self.private.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut share, None);
        let length = decrypted.map_err(|_| RecoveryError::Encryption)?.len();
        share.truncate(length);
        Ok(share)
    }
}

/// What was sent as a recovery secret, told by its length.
pub enum Sent {
    /// The decrypted secret.
    Plain(Share),
    /// For [`EphemeralKey::decrypt`].
    Encrypted(Share),
}

impl Sent {
    /// Tells which it is.
    ///
    /// # Errors
    /// [`RecoveryError::Length`].
    pub fn of(bytes: Share) -> Result<Self, RecoveryError> {
        match bytes.len() {
            length if PLAIN.contains(&length) => Ok(Self::Plain(bytes)),
            ENCRYPTED => Ok(Self::Encrypted(bytes)),
            length => Err(RecoveryError::Length(length)),
        }
    }
}
