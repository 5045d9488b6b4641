//! Authenticated encryption and MAC keys, derived by HKDF-SHA256 (RFC 5869) from a 32-byte secret.
//!
//! Every encryption has a key and a nonce of its own, derived from a fresh random salt: AES-256-GCM (NIST SP 800-38D)
//! breaks when a nonce comes twice, and a record that was torn and is made again must not come near that.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::keys::{KeyError, KeySource};

/// Length of a salt in bytes.
pub(super) const SALT: usize = 32;
/// Length of an authentication tag in bytes.
pub(super) const TAG: usize = 16;

/// What a secret is used for here: who seals, under which label.
pub(super) struct Sealer<'a> {
    /// Keys the derivation.
    pub(super) secret: &'a [u8; 32],
    /// Separates uses of one secret.
    pub(super) label: &'static [u8],
}

impl Sealer<'_> {
    /// Encrypts in place and gives the tag.
    pub(super) fn seal(&self, salt: &[u8; SALT], aad: &[u8], text: &mut [u8]) -> Result<[u8; TAG], KeyError> {
        let length = text.len();
        let failed = |_| KeyError(format!("AES-256-GCM cannot encrypt {length} bytes"));
        let (key, nonce) = self.once(salt).map_err(failed)?;
        let made = key.seal_in_place_separate_tag(nonce, Aad::from(aad), text).map_err(failed)?;
        let mut tag = [0; TAG];
        tag.copy_from_slice(made.as_ref());
        Ok(tag)
    }

    /// Decrypts `sealed` (ciphertext and tag); `None` if it was not sealed so.
    pub(super) fn open(&self, salt: &[u8; SALT], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (key, nonce) = self.once(salt).ok()?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let length = key.open_in_place(nonce, Aad::from(aad), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    fn once(&self, salt: &[u8; SALT]) -> Result<(LessSafeKey, Nonce), aws_lc_rs::error::Unspecified> {
        let mut derived = Zeroizing::new([0; 32 + NONCE_LEN]);
        derive(self.secret, salt, self.label, derived.as_mut_slice())?;
        let (key, nonce) = derived.split_at(32);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?);
        Ok((key, Nonce::try_assume_unique_for_key(nonce)?))
    }
}

/// A key for HMAC-SHA256 (RFC 2104), derived from `secret` for this label alone.
pub(super) fn mac_key(secret: &[u8; 32], label: &'static [u8]) -> Result<hmac::Key, KeyError> {
    let mut derived = Zeroizing::new([0; 32]);
    derive(secret, b"", label, derived.as_mut_slice())
        .map_err(|_| KeyError("HKDF-SHA256 gives no key".into()))?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, derived.as_slice()))
}

/// Fresh salt.
pub(super) fn salt(keys: &dyn KeySource) -> Result<[u8; SALT], KeyError> {
    let mut salt = [0; SALT];
    keys.fill(&mut salt)?;
    Ok(salt)
}

fn derive(
    secret: &[u8; 32],
    salt: &[u8],
    label: &[u8],
    out: &mut [u8],
) -> Result<(), aws_lc_rs::error::Unspecified> {
    Salt::new(HKDF_SHA256, salt).extract(secret).expand(&[label], Length(out.len()))?.fill(out)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
