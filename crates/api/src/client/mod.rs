//! The client of the REST API: version 2 first, version 1 where a Coordinator does not know version 2.
//!
//! A [`Client`] is made for one Coordinator and one decision of whom to [`Trust`]. Every call opens its own
//! connection, proves the server's certificate against that decision before a byte of the request leaves, and
//! reads a bounded answer in bounded time. It never follows a redirect, never retries and never falls back to
//! less trust.

mod address;
mod chain;
mod error;
mod exchange;
mod log;
mod pem;
mod tls;
mod update;

pub use address::{Address, DEFAULT_PORT};
pub use chain::{CertificateChain, ChainError, pem_certificates, public_key};
pub use error::{ClientError, printable};
pub use exchange::Limits;
pub use pem::PemError;
pub use rustls_pki_types::{CertificateDer, PrivateKeyDer};
pub use tls::{Identity, Trust};
pub use update::UpdateTaken;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde::de::DeserializeOwned;

use crate::rest::{Base64, Secret, SecretUploads, Secrets, SetSecrets, v1, v2};
use exchange::{Answer, Request};

/// Calls the client API of one Coordinator.
#[derive(Clone)]
pub struct Client {
    address: Address,
    tls: Arc<rustls::ClientConfig>,
    limits: Limits,
}

/// What a Coordinator says after it took a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ManifestTaken {
    /// By holder: the share, encrypted to the holder's key. Empty without recovery keys.
    pub recovery_secrets: BTreeMap<String, Base64>,
    /// What the Coordinator wants the operator to know (unknown keys and the like).
    pub message: Option<String>,
}

impl Client {
    /// A client of the Coordinator at `address`, which must prove itself as `trust` says; `identity` logs a user in.
    ///
    /// # Errors
    /// [`ClientError::Setup`] if there is no root to trust, or if the identity's key does not fit its certificate.
    pub fn new(address: Address, trust: Trust, identity: Option<Identity>) -> Result<Self, ClientError> {
        Ok(Self { address, tls: tls::config(trust, identity)?, limits: Limits::default() })
    }

    /// The same client with other bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The Coordinator's phase.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn status(&self) -> Result<v2::Status, ClientError> {
        match self.get("/api/v2/status").await? {
            Some(status) => Ok(status),
            None => {
                let old: v1::Status = self.get_v1("/status").await?;
                Ok(v2::Status { code: old.status_code, message: old.status_message })
            }
        }
    }

    /// The Coordinator's certificates, and evidence over the root certificate and `nonce` (empty: none).
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn quote(&self, nonce: &[u8]) -> Result<v2::Quote, ClientError> {
        let query =
            if nonce.is_empty() { String::new() } else { format!("?nonce={}", URL_SAFE.encode(nonce)) };
        match self.get(&format!("/api/v2/quote{query}")).await? {
            Some(quote) => Ok(quote),
            None => {
                let old: v1::Quote = self.get_v1(&format!("/quote{query}")).await?;
                Ok(v2::Quote { cert: old.cert, quote: old.quote })
            }
        }
    }

    /// The manifest that the Coordinator holds, with its fingerprint and signature.
    ///
    /// # Errors
    /// As [`ClientError`] says; a Coordinator without a manifest refuses.
    pub async fn manifest(&self) -> Result<v2::Manifest, ClientError> {
        match self.get("/api/v2/manifest").await? {
            Some(manifest) => Ok(manifest),
            None => self.get_v1::<v1::Manifest>("/manifest").await.and_then(|old| self.newer_manifest(old)),
        }
    }

    /// Sets the manifest; the bytes are sent as they are.
    ///
    /// # Errors
    /// As [`ClientError`] says. After [`ClientError::Interrupted`] the manifest may have been set.
    pub async fn set_manifest(&self, raw: &[u8]) -> Result<ManifestTaken, ClientError> {
        let body = v2::SetManifest { manifest: Base64(raw.to_vec()) };
        let answer = self.send(Request::post_json("/api/v2/manifest", &body)).await?;
        let answer = match answer {
            answer if answer.unknown_endpoint() => {
                self.send(Request::post("/manifest", raw.to_vec())).await?
            }
            answer => answer,
        };
        let (data, message) = answer.success::<Option<v2::RecoverySecrets>>()?;
        let recovery_secrets = data.flatten().map(|data| data.recovery_secrets).unwrap_or_default();
        Ok(ManifestTaken { recovery_secrets, message })
    }

    /// The key to which recovery secrets may be encrypted, for the one process and its time of recovery.
    ///
    /// # Errors
    /// As [`ClientError`] says; a Coordinator that is not in recovery mode refuses.
    pub async fn recovery_public_key(&self) -> Result<v2::RecoverPublicKey, ClientError> {
        self.send(Request::get("/api/v2/recover/public-key")).await?.data()
    }

    /// Sends a recovery secret (plain, or encrypted to [`Client::recovery_public_key`]) and the signature over the plain
    /// one.
    ///
    /// # Errors
    /// As [`ClientError`] says. After [`ClientError::Interrupted`] the secret may have been taken.
    pub async fn recover(&self, body: &v2::Recover) -> Result<v2::Recovered, ClientError> {
        self.send(Request::post_json("/api/v2/recover", body)).await?.data()
    }

    /// The update log, oldest line first; each line is a JSON object.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn update_log(&self) -> Result<Vec<String>, ClientError> {
        match self.get::<v2::UpdateLog>("/api/v2/update").await? {
            Some(log) => Ok(log.update_log),
            None => Ok(self.get_v1::<String>("/update").await?.lines().map(str::to_owned).collect()),
        }
    }

    /// Values of secrets that the user may read; unset ones have none.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn secrets(&self, names: &[String]) -> Result<BTreeMap<String, Secret>, ClientError> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(names.iter().map(|name| ("s", name)));
        let query = query.finish();
        match self.get::<Secrets>(&format!("/api/v2/secrets?{query}")).await? {
            Some(answer) => Ok(answer.secrets),
            None => self.get_v1(&format!("/secrets?{query}")).await,
        }
    }

    /// Uploads values of user-defined secrets: all of them or none.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn set_secrets(&self, uploads: SecretUploads) -> Result<(), ClientError> {
        let body = SetSecrets { secrets: uploads };
        let answer = self.send(Request::post_json("/api/v2/secrets", &body)).await?;
        let answer = match answer {
            answer if answer.unknown_endpoint() => {
                self.send(Request::post_json("/secrets", &body.secrets)).await?
            }
            answer => answer,
        };
        answer.success::<serde_json::Value>().map(|_| ())
    }

    /// Raises a counter of the marble that is logged in, and gives the value before.
    ///
    /// # Errors
    /// As [`ClientError`] says; [`ClientError::Unauthorised`] for a certificate from before an update.
    pub async fn raise_counter(&self, name: &str, value: u64) -> Result<u64, ClientError> {
        let body = v2::RaiseCounter { name: name.into(), value };
        let answer = self.send(Request::post_json("/api/v2/monotonic-counter", &body)).await?;
        answer.data::<v2::CounterValue>().map(|before| before.value)
    }

    /// `None` if the Coordinator does not know the endpoint.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ClientError> {
        let answer = self.send(Request::get(path)).await?;
        if answer.unknown_endpoint() { Ok(None) } else { answer.data().map(Some) }
    }

    async fn get_v1<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Request::get(path)).await?.data()
    }

    async fn send(&self, request: Request) -> Result<Answer, ClientError> {
        exchange::exchange(&self.address, &self.tls, self.limits, request).await
    }

    /// Version 1 answers with empty values where version 2 refuses.
    fn newer_manifest(&self, old: v1::Manifest) -> Result<v2::Manifest, ClientError> {
        match old.manifest {
            Some(manifest) if !manifest.0.is_empty() => Ok(v2::Manifest {
                manifest_signature_root_ecdsa: old.manifest_signature_root_ecdsa.unwrap_or_default(),
                manifest_fingerprint: old.manifest_signature,
                manifest,
            }),
            _ => Err(ClientError::Refused {
                request: format!("GET https://{}/manifest", self.address),
                status: 200,
                message: "the Coordinator has no manifest yet".into(),
            }),
        }
    }
}
