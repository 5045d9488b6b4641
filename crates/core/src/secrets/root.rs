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

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{self, SHA256};
    use proptest::prelude::*;

    use super::*;

    fn counting() -> RootSecret {
        RootSecret(Zeroizing::new(std::array::from_fn(|i| i as u8)))
    }

    fn uuid() -> Uuid {
        Uuid::parse_str("0D1E2F30-4152-4637-8A9B-ACBDCEDFF001").unwrap()
    }

    fn check_rfc(name: &str, secret: &str, salt: &str, info: &str, expected: &str) {
        let [secret, salt, info] = [secret, salt, info].map(|text| hex::decode(text).unwrap());
        let out = hkdf(&secret, &salt, &info, expected.len() / 2).unwrap();
        assert_eq!(hex::encode(&*out), expected, "{name}");
    }

    /// RFC 5869 appendix A.
    #[test]
    fn hkdf_gives_the_values_of_its_specification() {
        check_rfc(
            "A.1",
            "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        );
        check_rfc(
            "A.3",
            "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
            "",
            "",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        );
    }

    /// Values computed by a program of a few lines of Python (hmac, hashlib) that shares nothing with this one.
    #[test]
    fn derives_what_others_derive() {
        let key = |kind, name, bytes| counting().derive(kind, uuid(), name, bytes).unwrap();
        assert_eq!(hex::encode(&*key(Some("press"), "mine", 16)), "62fd13c1c0ee8d9002a3ac4f7e42956f");
        assert_eq!(hex::encode(&*key(None, "mine", 16)), "c5b0fbab7d6948d8927df1517900b1b7");
        let long =
            key(Some("press"), "a long name that makes the salt longer than a block", MAX_DERIVED_BYTES);
        assert_eq!(
            hex::encode(digest::digest(&SHA256, &long)),
            "838934a0c3f5d56cdc30d9dbf8b0e3ba9ce93e7b078f62398061c650f149fbf6",
        );
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        let derive = |kind, name, bytes| counting().derive(kind, uuid(), name, bytes).map(|_| ());
        assert!(derive(Some("press"), "mine\0", 16).is_err());
        assert!(derive(Some(""), "mine", 16).is_err());
        assert!(derive(Some("press"), "mine", 0).is_err());
        assert!(derive(Some("press"), "mine", MAX_DERIVED_BYTES + 1).is_err());
        assert_eq!(derive(Some("press"), "mine", MAX_DERIVED_BYTES), Ok(()));
    }

    #[test]
    fn survives_being_stored() {
        let stored = serde_json::to_string(&counting()).unwrap();
        assert!(serde_json::from_str::<RootSecret>(&stored).unwrap() == counting());
        assert!(serde_json::from_str::<RootSecret>("\"AAAA\"").is_err());
    }

    /// Texts that meet each other often: short, from few letters, and pieces of UUID text.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["[ab]{1,3}", "[0-9a-f-]{1,37}", Just(uuid().to_string())]
    }

    fn identity() -> impl Strategy<Value = (Option<String>, Uuid, String)> {
        (
            prop::option::of(name()),
            prop_oneof![Just(1_u128), Just(2), any::<u128>()].prop_map(Uuid::from_u128),
            name(),
        )
    }

    proptest! {
        #[test]
        fn different_marbles_and_names_have_different_keys(a in identity(), b in identity()) {
            let key = |(kind, uuid, name): &(Option<String>, Uuid, String)| {
                counting().derive(kind.as_deref(), *uuid, name, 32).unwrap()
            };
            prop_assert_eq!(a == b, key(&a) == key(&b));
        }
    }
}
