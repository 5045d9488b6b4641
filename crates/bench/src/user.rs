//! A user of the manifests that the scenarios set: may set their secrets and replace them.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use crate::tls;

/// A key, and the certificate that the manifest names.
pub(crate) struct User {
    /// Logs in.
    pub(crate) tls: Arc<ClientConfig>,
    certificate: String,
}

impl User {
    /// With a new key.
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(Vec::new())?.self_signed(&key)?;
        let private = PrivatePkcs8KeyDer::from(key.serialize_der());
        let tls = tls::logged_in(vec![certificate.der().clone()], private.into())?;
        Ok(Self { tls: Arc::new(tls), certificate: certificate.pem() })
    }

    /// A manifest with one marble type `web`, monotonic counters and these secrets, which this user may write as far as
    /// they are named in `writable`.
    pub(crate) fn manifest(&self, secrets: &Value, writable: &[String]) -> Vec<u8> {
        let writes =
            json!({"ResourceType": "Secrets", "ResourceNames": writable, "Actions": ["WriteSecret"]});
        let updates = json!({"ResourceType": "Manifest", "Actions": ["UpdateManifest"]});
        json!({
            "Packages": {"program": {"UniqueID": "00".repeat(32)}},
            "Marbles": {"web": {"Package": "program"}},
            "Secrets": secrets,
            "Users": {"bench": {"Certificate": self.certificate, "Roles": ["writes", "updates"]}},
            "Roles": {"writes": writes, "updates": updates},
            "Config": {"FeatureGates": ["MonotonicCounter"]},
        })
        .to_string()
        .into_bytes()
    }
}
