//! Bodies of the client API.

mod secret;
mod update;
pub mod v3;

pub use secret::{Secret, SecretBytes, SecretUpload, SecretUploads, Secrets, SetSecrets};
use serde::{Deserialize, Serialize};
pub use update::{Cancelled, PendingUpdate, UpdateOutcome};

/// Bytes that stand as padded standard base64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("contentEncoding" = "base64"))
)]
pub struct Base64(#[cfg_attr(feature = "schema", schemars(with = "String"))] pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text).map(Self)
    }
}

/// Decodes a text where it stands: a manifest of many megabytes is not copied first.
struct Text;

impl serde::de::Visitor<'_> for Text {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("base64 text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text).map_err(E::custom)
    }
}

/// The envelope of every answer (JSend).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Envelope<T> {
    /// `success`, `fail` or `error`.
    pub status: String,
    /// The payload; null in most failures.
    pub data: Option<T>,
    /// For people; absent in most successes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Version 1 of the API.
pub mod v1 {
    use serde::{Deserialize, Serialize};

    use super::Base64;

    /// `GET /status`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(rename_all = "PascalCase")]
    #[cfg_attr(feature = "schema", schemars(rename = "StatusV1"))]
    pub struct Status {
        /// 0 to 3.
        pub status_code: u8,
        /// In words.
        pub status_message: String,
    }

    /// `GET /manifest`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[cfg_attr(feature = "schema", schemars(rename = "ManifestV1"))]
    pub struct Manifest {
        /// ECDSA signature over the manifest, base64; empty before a manifest is set.
        #[serde(rename = "ManifestSignatureRootECDSA")]
        pub manifest_signature_root_ecdsa: Option<Base64>,
        /// Hex SHA-256 of the manifest.
        #[serde(rename = "ManifestSignature")]
        pub manifest_signature: String,
        /// The manifest as uploaded.
        #[serde(rename = "Manifest")]
        pub manifest: Option<Base64>,
    }

    /// `GET /quote`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(rename_all = "PascalCase")]
    #[cfg_attr(feature = "schema", schemars(rename = "QuoteV1"))]
    pub struct Quote {
        /// PEM, intermediate then root.
        pub cert: String,
        /// Evidence; null in simulation.
        pub quote: Option<Base64>,
    }
}

/// Version 2 of the API.
pub mod v2 {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::{Base64, SecretBytes};

    /// `GET /api/v2/status`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Status {
        /// 0 to 3.
        pub code: u8,
        /// In words.
        pub message: String,
    }

    /// `GET /api/v2/manifest`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(rename_all = "camelCase")]
    pub struct Manifest {
        /// ECDSA P-384 signature over SHA-256 of the manifest, ASN.1.
        #[serde(rename = "manifestSignatureRootECDSA")]
        pub manifest_signature_root_ecdsa: Base64,
        /// Hex SHA-256 of the manifest.
        pub manifest_fingerprint: String,
        /// The manifest as uploaded.
        pub manifest: Base64,
    }

    /// `POST /api/v2/manifest`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct SetManifest {
        /// The manifest's bytes.
        pub manifest: Base64,
    }

    /// Answer to [`SetManifest`].
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(rename_all = "PascalCase")]
    pub struct RecoverySecrets {
        /// By holder: RSA-OAEP encrypted share.
        pub recovery_secrets: BTreeMap<String, Base64>,
    }

    /// `GET /api/v2/quote`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Quote {
        /// PEM, intermediate then root.
        pub cert: String,
        /// Evidence; null in simulation.
        pub quote: Option<Base64>,
    }

    /// `POST /api/v2/recover`. Holds a secret: no `Debug`.
    #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(rename_all = "camelCase")]
    pub struct Recover {
        /// The decrypted recovery secret (32, 33 or 16 bytes), or that encrypted to the ephemeral key by RSAES-OAEP with
        /// SHA-256 and the empty label (512 bytes).
        pub recovery_secret: SecretBytes,
        /// RSA PKCS#1 v1.5 signature with SHA-256 over the decrypted secret, by the same recovery key.
        pub recovery_secret_signature: Base64,
    }

    /// Answer to [`Recover`].
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Recovered {
        /// How many more secrets are needed; 0: the deployment goes on.
        pub remaining: usize,
        /// The same in words.
        pub message: String,
    }

    /// `GET /api/v2/recover/public-key`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(rename_all = "camelCase")]
    pub struct RecoverPublicKey {
        /// `RSA`.
        pub algorithm: String,
        /// SubjectPublicKeyInfo DER of the Coordinator's ephemeral key.
        pub ephemeral_public_key: Base64,
    }

    /// `POST /api/v2/monotonic-counter`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct RaiseCounter {
        /// Name of the marble's counter.
        pub name: String,
        /// Its new value.
        pub value: u64,
    }

    /// Answer to [`RaiseCounter`].
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct CounterValue {
        /// The value before.
        pub value: u64,
    }

    /// `POST /api/v2/sign-quote`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(rename_all = "camelCase")]
    pub struct SignQuote {
        /// The quote to verify.
        pub sgx_quote: Base64,
    }

    /// Answer to [`SignQuote`].
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(rename_all = "camelCase")]
    pub struct SignedQuote {
        /// The vendor's judgement of the platform (`UpToDate`, ...).
        pub tcb_status: String,
        /// ECDSA P-384 signature of the root key, ASN.1 DER, over SHA-256 of the quote in base64 followed by the status.
        pub verification_signature: Base64,
    }

    /// `GET /api/v2/update`.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(rename_all = "camelCase")]
    pub struct UpdateLog {
        /// One JSON object per line.
        pub update_log: Vec<String>,
    }
}
