//! The one secret from which marbles' own symmetric keys follow.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::keys::{KeyError, KeySource};

/// The most that HKDF-SHA256 gives: 255 blocks of 32 bytes (RFC 5869 section 2.3).
pub const MAX_DERIVED_BYTES: u32 = 255 * 32;

/// The 32 random bytes from which per-marble symmetric keys are derived. Has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct RootSecret(pub Zeroizing<[u8; 32]>);

impl RootSecret {
    /// A fresh one.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn generate(keys: &dyn KeySource) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        keys.fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// The symmetric key of one marble: HKDF-SHA256 (RFC 5869), input key = the root secret, salt = lower-case
    /// hyphenated UUID text followed by the secret's name, info = the marble type (`None`: empty), of `bytes` bytes.
    ///
    /// No two (type, UUID, name) give the same input: the UUID text has a fixed length and the type stands apart. One
    /// trap is left: HKDF's HMAC fills a short salt up with zeros, so that names that differ in trailing NULs alone
    /// would share a key. Such names are refused here too, not only in the manifest.
    ///
    /// # Errors
    /// If `bytes` is 0 or exceeds [`MAX_DERIVED_BYTES`], or the name has a NUL, or the type is empty text.
    pub fn derive(
        &self,
        marble_type: Option<&str>,
        uuid: Uuid,
        name: &str,
        bytes: u32,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        if name.contains('\0') || marble_type.is_some_and(str::is_empty) {
            return refuse(name, "names have no NUL, marble types are not empty");
        }
        if !(1..=MAX_DERIVED_BYTES).contains(&bytes) {
            return refuse(name, "keys of marbles have 8 to 65,280 bits");
        }
        let salt = format!("{}{name}", uuid.as_hyphenated());
        self.expand(salt.as_bytes(), marble_type.unwrap_or_default().as_bytes(), bytes as usize)
    }

    fn expand(&self, salt: &[u8], info: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        hkdf(&*self.0, salt, info, length).ok_or_else(|| KeyError("HKDF gives no key of this length".into()))
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn hkdf(secret: &[u8], salt: &[u8], info: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(vec![0; length]);
    let pseudorandom = Salt::new(HKDF_SHA256, salt).extract(secret);
    pseudorandom.expand(&[info], Length(length)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

fn refuse<T>(name: &str, rule: &str) -> Result<T, KeyError> {
    Err(KeyError(format!("secret {name:?} cannot be derived: {rule}")))
}

impl Serialize for RootSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::encoding::base64::serialize(&*self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for RootSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Zeroizing<Vec<u8>> = crate::encoding::base64::deserialize(deserializer)?;
        let bytes: &[u8; 32] =
            bytes.as_slice().try_into().map_err(|_| D::Error::custom("a root secret has 32 bytes"))?;
        Ok(Self(Zeroizing::new(*bytes)))
    }
}
