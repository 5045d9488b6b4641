//! A key in an Azure managed HSM that is released to an attested Coordinator only (Secure Key Release): our evidence,
//! bound to a fresh key, goes to Microsoft Azure Attestation; its statement goes to the HSM, whose release policy judges
//! it; and the key comes back wrapped to the fresh key.
//!
//! It keeps nothing: neither tokens nor the released key outlive a release.

mod http;
mod settings;
mod wrapped;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use marblerun_tee::{Tee, TeeError};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

pub use settings::{Chosen, Missing, Settings, choose};

use crate::sealing::KeyRelease;
use http::{Http, Post};
use wrapped::{EphemeralKey, bare_quote, wrapped_key};

/// How the HSM wraps a key; what that is, [`EphemeralKey::unwrap`] says.
const WRAPPING: &str = "CKM_RSA_AES_KEY_WRAP";

/// One key of one HSM.
pub struct Hsm {
    settings: Settings,
    /// Path and query at the attestation service, for evidence of our kind.
    attest: &'static str,
    tee: Arc<dyn Tee>,
    http: Http,
}

/// The key is not released. Nothing of what was sent or received is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HsmError {
    /// A service does not answer.
    #[error("{who} at {url} cannot be reached: {why}")]
    Unreachable {
        /// Which service.
        who: &'static str,
        /// Where it was asked.
        url: String,
        /// What the system said.
        why: String,
    },
    /// A service refuses.
    #[error("{who} refuses: status {status}, {code}")]
    Refused {
        /// Which service.
        who: &'static str,
        /// HTTP status.
        status: u16,
        /// What it calls the reason.
        code: String,
    },
    /// A service does not answer as documented.
    #[error("the answer of {who} is not what its API describes")]
    Malformed {
        /// Which service.
        who: &'static str,
    },
    /// What came is not wrapped to our key.
    #[error("the released key is not wrapped by CKM_RSA_AES_KEY_WRAP to the key that was asked for")]
    Unwrap,
    /// The key is too weak.
    #[error("the released key has {0} bytes, fewer than 32: use an AES-256 key (oct-HSM)")]
    Short(usize),
    /// The TEE gives no evidence.
    #[error(transparent)]
    Tee(#[from] TeeError),
    /// There is no TEE.
    #[error("there is no evidence in simulation")]
    NoEvidence,
    /// No key, no thread.
    #[error("the Coordinator cannot ask: no ephemeral key or no thread can be made")]
    Crypto,
}

/// Who releases a key to the Coordinator in this TEE, if anybody.
///
/// # Errors
/// What is missing, and what to do.
pub fn release_by(chosen: &Chosen, tee: &Arc<dyn Tee>) -> Result<Arc<dyn KeyRelease>, String> {
    let attest = attest_path(tee.origin())?;
    let settings = chosen.as_ref().map_err(ToString::to_string)?.clone();
    let http = Http::new().map_err(|error| error.to_string())?;
    Ok(Arc::new(Hsm { settings, attest, tee: Arc::clone(tee), http }))
}

/// What Microsoft Azure Attestation takes, by the kind of TEE.
fn attest_path(origin: &str) -> Result<&'static str, String> {
    match origin {
        "sgx" | "emulated-sgx" => Ok("/attest/SgxEnclave?api-version=2022-08-01"),
        "tdx" | "emulated-tdx" => Ok("/attest/TdxVm?api-version=2023-04-01-preview"),
        "simulation" => {
            Err("in simulation there is no evidence, and no HSM releases a key without; remove the gate"
                .into())
        }
        other => Err(format!("evidence of kind {other:?} is not sent to Azure; remove the gate")),
    }
}

impl KeyRelease for Hsm {
    fn release(&self) -> Result<Zeroizing<Vec<u8>>, HsmError> {
        let key = EphemeralKey::generate()?;
        let evidence = self.tee.evidence(&key.report_data())?.ok_or(HsmError::NoEvidence)?;
        let answer = on_a_thread(self.ask(&evidence, key.runtime_data()))?;
        let released = key.unwrap(&wrapped_key(&answer)?)?;
        tracing::info!(key = self.settings.key, vault = %self.settings.vault, "the HSM released the key");
        Ok(released)
    }
}

/// Whoever seals blocks, and may itself stand on a thread of the runtime, which must not be blocked on.
fn on_a_thread<T: Send>(asking: impl Future<Output = Result<T, HsmError>> + Send) -> Result<T, HsmError> {
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|_| HsmError::Crypto)?.block_on(asking)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("hsm".into()).spawn_scoped(scope, ask);
        thread.map_err(|_| HsmError::Crypto)?.join().unwrap_or(Err(HsmError::Crypto))
    })
}

impl Hsm {
    async fn ask(&self, evidence: &[u8], runtime_data: &[u8]) -> Result<Bytes, HsmError> {
        let statement = self.statement(evidence, runtime_data).await?;
        let token = self.access_token().await?;
        self.released(&token, &statement).await
    }

    /// Microsoft's statement about our evidence, a JSON Web Token.
    async fn statement(&self, evidence: &[u8], runtime_data: &[u8]) -> Result<String, HsmError> {
        let who = "Microsoft Azure Attestation";
        let runtime_data = json!({"data": URL_SAFE_NO_PAD.encode(runtime_data), "dataType": "JSON"});
        let body =
            json!({"quote": URL_SAFE_NO_PAD.encode(bare_quote(evidence)), "runtimeData": runtime_data});
        let post = Self::json(who, &self.settings.attestation, self.attest.into(), &body);
        #[derive(Deserialize)]
        struct Statement {
            token: String,
        }
        let Statement { token } = parse(who, &self.http.post(post).await?)?;
        Ok(token)
    }

    /// The client credentials grant (RFC 6749 section 4.4).
    async fn access_token(&self) -> Result<Zeroizing<String>, HsmError> {
        let who = "Microsoft's login";
        let Settings { authority, tenant, client, secret, .. } = &self.settings;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", client)
            .append_pair("client_secret", &secret.0)
            .append_pair("scope", &self.settings.scope())
            .finish();
        let post = Post {
            who,
            to: authority,
            path: format!("/{tenant}/oauth2/v2.0/token"),
            kind: "application/x-www-form-urlencoded",
            bearer: None,
            body: body.into_bytes(),
        };
        #[derive(Deserialize)]
        struct Access {
            access_token: Zeroizing<String>,
        }
        let Access { access_token } = parse(who, &self.http.post(post).await?)?;
        Ok(access_token)
    }

    async fn released(&self, token: &str, statement: &str) -> Result<Bytes, HsmError> {
        let Settings { vault, key, version, .. } = &self.settings;
        let path = format!("/keys/{key}/{version}/release?api-version=7.4");
        let post = Self::json("the HSM", vault, path, &json!({"target": statement, "enc": WRAPPING}));
        self.http.post(Post { bearer: Some(token), ..post }).await
    }

    fn json<'a>(
        who: &'static str,
        to: &'a settings::Url,
        path: String,
        body: &serde_json::Value,
    ) -> Post<'a> {
        Post { who, to, path, kind: "application/json", bearer: None, body: body.to_string().into_bytes() }
    }
}

fn parse<'a, T: Deserialize<'a>>(who: &'static str, body: &'a [u8]) -> Result<T, HsmError> {
    serde_json::from_slice(body).map_err(|_| HsmError::Malformed { who })
}
