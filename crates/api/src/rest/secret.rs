//! Secrets on the wire: what users upload and what they are given. Nothing here has a `Debug`: these are values.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeOwned, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Bytes of a secret as padded standard base64. Wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("contentEncoding" = "base64"))
)]
pub struct SecretBytes(#[cfg_attr(feature = "schema", schemars(with = "String"))] pub Zeroizing<Vec<u8>>);

impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Base64Text)
    }
}

struct Base64Text;

impl Visitor<'_> for Base64Text {
    type Value = SecretBytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64 text")
    }

    /// Line breaks inside are ignored, as Go does.
    fn visit_str<E: Error>(self, text: &str) -> Result<SecretBytes, E> {
        let text: Zeroizing<Vec<u8>> =
            Zeroizing::new(text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect());
        let bytes = STANDARD.decode(&*text).map_err(|_| E::custom("no padded base64"))?;
        Ok(SecretBytes(Zeroizing::new(bytes)))
    }
}

/// What a user uploads for one secret: `{Key}`, or `{Cert, Private}`. Keys in any case; unknown ones, and a key that
/// stands there twice, are refused; null means absent.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct SecretUpload {
    /// Bytes of a symmetric key or of plain data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretBytes>,
    /// Certificate, DER.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<SecretBytes>,
    /// Private key, PKCS#8 DER.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private: Option<SecretBytes>,
}

impl<'de> Deserialize<'de> for SecretUpload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut upload = Self::default();
        for (key, value) in Unique::<Option<SecretBytes>>::read(deserializer)? {
            let field = match () {
                () if key.eq_ignore_ascii_case("key") => &mut upload.key,
                () if key.eq_ignore_ascii_case("cert") => &mut upload.cert,
                () if key.eq_ignore_ascii_case("private") => &mut upload.private,
                () => {
                    return Err(D::Error::custom(
                        "a secret has `Key`, or `Cert` and `Private`, nothing else",
                    ));
                }
            };
            if std::mem::replace(field, value).is_some() {
                return Err(D::Error::custom("a key stands there in two spellings"));
            }
        }
        Ok(upload)
    }
}

/// Secrets by name, as version 1 of the API and files for `marblerun secret set` have them. A name that stands there
/// twice is refused: nobody can say which value was meant.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct SecretUploads(pub BTreeMap<String, SecretUpload>);

impl<'de> Deserialize<'de> for SecretUploads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Unique::read(deserializer).map(Self)
    }
}

/// `POST /api/v2/secrets`.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetSecrets {
    /// By name.
    pub secrets: SecretUploads,
}

impl<'de> Deserialize<'de> for SetSecrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Unique::<SecretUploads>::read(deserializer)?;
        match fields.pop_first() {
            Some((key, secrets)) if fields.is_empty() && key.eq_ignore_ascii_case("secrets") => {
                Ok(Self { secrets })
            }
            _ => Err(D::Error::custom("the body has `secrets` and nothing else")),
        }
    }
}

/// One secret as users read it: definition and value, if it has one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Secret {
    /// `symmetric-key`, `cert-rsa`, `cert-ecdsa`, `cert-ed25519` or `plain`.
    pub r#type: String,
    /// In bits; 0 where the type has none.
    pub size: u32,
    /// One value for all marbles.
    pub shared: bool,
    /// Uploaded by users.
    pub user_defined: bool,
    /// Certificate, DER.
    pub cert: Option<SecretBytes>,
    /// Days for which a generated certificate is issued; 0 for all else.
    pub valid_for: u32,
    /// Private key (PKCS#8 DER), or the bytes of a symmetric or plain secret.
    pub private: Option<SecretBytes>,
    /// Public key (PKIX DER), or the bytes of a symmetric or plain secret.
    pub public: Option<SecretBytes>,
}

/// `GET /api/v2/secrets`; version 1 answers with the map itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Secrets {
    /// By name.
    pub secrets: BTreeMap<String, Secret>,
}

/// A JSON object in which every key stands once.
struct Unique<T>(PhantomData<T>);

impl<T: DeserializeOwned> Unique<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error> {
        deserializer.deserialize_map(Self(PhantomData))
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Unique<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if all.contains_key(&key) {
                map.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom("a key stands there twice"));
            }
            all.insert(key, map.next_value()?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Option<SecretUpload>) {
        let read = serde_json::from_str::<SecretUpload>(json).ok();
        assert!(read == expected, "{json}");
    }

    fn bytes(text: &str) -> Option<SecretBytes> {
        Some(SecretBytes(Zeroizing::new(text.into())))
    }

    #[test]
    fn an_upload_is_read_in_any_case_and_nothing_is_dropped() {
        let key = || Some(SecretUpload { key: bytes("abc"), ..SecretUpload::default() });
        check(r#"{"Key":"YWJj"}"#, key());
        check(r#"{"kEY":"YW\r\nJj","Cert":null,"private":null}"#, key());
        let pair = SecretUpload { key: None, cert: bytes("a"), private: bytes("b") };
        check(r#"{"CERT":"YQ==","private":"Yg=="}"#, Some(pair));
        check("{}", Some(SecretUpload::default()));
        for wrong in [
            r#"{"Key":"YWJj","key":"YWJj"}"#,
            r#"{"Key":"YWJj","Key":"YWJj"}"#,
            r#"{"Key":"YWJj","Size":1}"#,
            r#"{"Keys":"YWJj"}"#,
            r#"{"Key":"YWJ"}"#,
            r#"{"Key":"%%%"}"#,
            r#"{"Key":[1,2]}"#,
            r#"["YWJj"]"#,
            "null",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_name_stands_there_once() {
        let read = |json: &str| serde_json::from_str::<SetSecrets>(json).ok().map(|set| set.secrets.0.len());
        assert_eq!(read(r#"{"secrets":{"a":{},"b":{}}}"#), Some(2));
        assert_eq!(read(r#"{"Secrets":{}}"#), Some(0));
        assert_eq!(read(r#"{"secrets":{"a":{},"a":{}}}"#), None);
        assert_eq!(read(r#"{"secrets":{},"Secrets":{}}"#), None);
        assert_eq!(read(r#"{"secrets":{},"other":1}"#), None);
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        let upload = SecretUpload { cert: bytes("a"), private: bytes("b"), key: None };
        assert_eq!(serde_json::to_string(&upload).unwrap(), r#"{"Cert":"YQ==","Private":"Yg=="}"#);
    }
}
