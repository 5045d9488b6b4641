//! What each endpoint does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use http::{Request, StatusCode};
use marblerun_api::rest::{Base64, v1, v2, v3};
use marblerun_attest::Collateral;
use marblerun_core::{Deployment, Prepared, Refusal, State, User};
use marblerun_manifest::{FeatureGate, Finding, MAX_MANIFEST_BYTES};

use super::answer::{Refused, Success};
use super::routes::{Endpoint, MarbleEndpoint, Route, UserEndpoint, Version};
use super::{audit, body, counters, log, login, secrets, sign_quote, update};
use crate::failure::Failure;
use crate::service::Coordinator;
use crate::tls::PeerCertificate;
use crate::traffic::Received;

/// Largest body with a recovery secret: secret and signature of 8192-bit keys, in base64, and room to spare.
const MOST_RECOVERY: usize = 16 << 10;

/// The description of all routes; a test in `openapi.rs` makes it from their table.
const OPENAPI: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json"));

type Answer = Result<Success, Refused>;

/// Largest body of a version 2 request that carries a manifest: base64 and a little around it.
pub(super) const MOST_ENCODED: usize = MAX_MANIFEST_BYTES / 3 * 4 + (64 << 10);

/// Answers a request to a known route.
pub(super) async fn answer(
    coordinator: &Coordinator,
    route: &Route,
    request: Request<Received>,
    peer: Option<PeerCertificate>,
) -> Answer {
    let state = coordinator.state();
    match route.endpoint {
        Endpoint::Status => status(coordinator, route.version),
        Endpoint::Manifest => manifest(&state, route.version),
        Endpoint::SetManifest => set_manifest(coordinator, &state, route.version, request).await,
        Endpoint::Quote => quote(coordinator, route.version, request.uri().query()).await,
        Endpoint::UpdateLog => update_log(&state, route.version),
        Endpoint::QuoteOfLog => quote_of_log(coordinator, request.uri().query()).await,
        Endpoint::Log(endpoint) => {
            let deployment = state.deployment().ok_or_else(|| not_serving(&state))?;
            log::answer(deployment, endpoint, request.uri().query())
        }
        Endpoint::PendingUpdate => update::pending(&state),
        Endpoint::Recover => recover(coordinator, &state, route.version, request).await,
        Endpoint::RecoverPublicKey => recover_public_key(coordinator).await,
        Endpoint::OpenApi => Ok(Success::document(OPENAPI)),
        Endpoint::SignQuote => {
            let deployment = open_gate(&state, FeatureGate::SignQuoteEndpoint, "sign-quote")?;
            sign_quote::sign(coordinator, deployment, request).await
        }
        Endpoint::User(endpoint) => {
            let (user, deployment) = login::user(&state, peer.as_ref())?;
            for_user(user, deployment, coordinator, endpoint, route.version, request).await
        }
        Endpoint::Marble(MarbleEndpoint::MonotonicCounter) => {
            // The gate before the login: a closed one answers the same to all.
            let deployment = open_gate(&state, FeatureGate::MonotonicCounter, "monotonic-counter")?;
            let marble = login::marble(coordinator, deployment, peer.as_ref())?;
            counters::raise(marble, coordinator, request).await
        }
    }
}

/// What a user asks for. Whatever is added here, `user` says who is calling.
async fn for_user(
    user: User,
    deployment: &Deployment,
    coordinator: &Coordinator,
    endpoint: UserEndpoint,
    version: Version,
    request: Request<Received>,
) -> Answer {
    match endpoint {
        UserEndpoint::Secrets => secrets::read(user, coordinator, version, request.uri().query()).await,
        UserEndpoint::SetSecrets => secrets::set(user, coordinator, version, request).await,
        UserEndpoint::Update => update::send(user, coordinator, version, request).await,
        UserEndpoint::Acknowledge => update::acknowledge(user, coordinator, version, request).await,
        UserEndpoint::Cancel => update::cancel(user, coordinator, version).await,
        UserEndpoint::Audit => audit::read(&user, deployment, coordinator),
    }
}

fn status(coordinator: &Coordinator, version: Version) -> Answer {
    let (phase, message) = coordinator.status();
    match version {
        Version::V1 => Success::new(v1::Status { status_code: phase.code(), status_message: message }),
        Version::V2 => Success::new(v2::Status { code: phase.code(), message }),
    }
}

fn manifest(state: &State, version: Version) -> Answer {
    match (version, state.deployment()) {
        (Version::V1, deployment) => Success::new(v1::Manifest {
            manifest_signature_root_ecdsa: deployment.map(signature),
            manifest_signature: deployment.map(fingerprint).unwrap_or_default(),
            manifest: deployment.map(raw),
        }),
        (Version::V2, Some(deployment)) => Success::new(v2::Manifest {
            manifest_signature_root_ecdsa: signature(deployment),
            manifest_fingerprint: fingerprint(deployment),
            manifest: raw(deployment),
        }),
        (Version::V2, None) => Err(not_serving(state)),
    }
}

fn signature(deployment: &Deployment) -> Base64 {
    Base64(deployment.manifest_signature.to_vec())
}

fn fingerprint(deployment: &Deployment) -> String {
    hex::encode(deployment.manifest.fingerprint)
}

fn raw(deployment: &Deployment) -> Base64 {
    Base64(deployment.manifest.raw.clone())
}

async fn set_manifest(
    coordinator: &Coordinator,
    state: &State,
    version: Version,
    request: Request<Received>,
) -> Answer {
    // Before the body is read: a set manifest is not worth 8 MiB from a stranger.
    if state.deployment().is_some() {
        return Err(Failure::from(Refusal::ManifestAlreadySet).into());
    }
    let raw = match version {
        Version::V1 => body::read(request.into_body(), MAX_MANIFEST_BYTES).await?,
        Version::V2 => {
            let shape = r#"{"manifest": base64}"#;
            body::json::<v2::SetManifest>(request.into_body(), MOST_ENCODED, shape).await?.manifest.0
        }
    };
    let prepared = coordinator.set_manifest(raw).await?;
    let data = recovery_secrets(&prepared);
    let success = match version {
        Version::V1 if data.recovery_secrets.is_empty() => Success::new(()),
        Version::V1 | Version::V2 => Success::new(data),
    };
    Ok(success?.saying(accepted_with(&prepared.warnings)))
}

/// The shares of the state key, each encrypted to its holder.
pub(crate) fn recovery_secrets(prepared: &Prepared) -> v2::RecoverySecrets {
    let encrypted = prepared.shares.encrypted.iter();
    let recovery_secrets = encrypted.map(|(name, share)| (name.clone(), Base64(share.clone()))).collect();
    v2::RecoverySecrets { recovery_secrets }
}

/// What is said to somebody whose manifest is accepted with warnings.
pub(super) fn accepted_with(warnings: &[Finding]) -> Option<String> {
    let lines: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    (!lines.is_empty()).then(|| format!("manifest accepted with warnings: {}", lines.join("; ")))
}

async fn quote(coordinator: &Coordinator, version: Version, query: Option<&str>) -> Answer {
    let nonce = match version {
        Version::V1 => Vec::new(),
        Version::V2 => nonce(query.unwrap_or_default())?,
    };
    let quote = coordinator.quote(&nonce).await?;
    let (cert, quote) = (quote.certificates, quote.evidence.map(Base64));
    match version {
        Version::V1 => Success::new(v1::Quote { cert, quote }),
        Version::V2 => Success::new(v2::Quote { cert, quote }),
    }
}

/// As [`quote`]; the evidence covers the log key and the checkpoint, too.
async fn quote_of_log(coordinator: &Coordinator, query: Option<&str>) -> Answer {
    let nonce = nonce(query.unwrap_or_default())?;
    let quote = coordinator.quote_of_log(&nonce).await?;
    let (log_key, checkpoint) = quote.log.unzip();
    Success::new(v3::Quote {
        cert: quote.certificates,
        quote: quote.evidence.map(Base64),
        log_key,
        checkpoint,
        collateral: quote.collateral.and_then(|collateral| object(&collateral)),
    })
}

/// In the form of a bundle's entries.
fn object(collateral: &Collateral) -> Option<serde_json::Map<String, serde_json::Value>> {
    match serde_json::to_value(collateral) {
        Ok(serde_json::Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

fn nonce(query: &str) -> Result<Vec<u8>, Refused> {
    let found = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "nonce");
    let text = found.map(|(_, value)| value).unwrap_or_default();
    URL_SAFE
        .decode(text.as_bytes())
        .map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "nonce: expected base64url with padding"))
}

fn update_log(state: &State, version: Version) -> Answer {
    let deployment = state.deployment().ok_or_else(|| not_serving(state))?;
    let lines: Vec<String> = deployment.log.iter().map(str::to_owned).collect();
    match version {
        Version::V1 => Success::new(lines.iter().map(|line| format!("{line}\n")).collect::<String>()),
        Version::V2 => Success::new(v2::UpdateLog { update_log: lines }),
    }
}

async fn recover(
    coordinator: &Coordinator,
    state: &State,
    version: Version,
    request: Request<Received>,
) -> Answer {
    if version == Version::V1 {
        let gone = "recovery over version 1 was removed; use /api/v2/recover";
        return Err(Refused::new(StatusCode::GONE, gone));
    }
    if state.recovery().is_none() {
        return Err(Failure::from(Refusal::NotInRecovery(state.phase())).into());
    }
    let shape = r#"{"recoverySecret": base64, "recoverySecretSignature": base64}"#;
    let sent: v2::Recover = body::json(request.into_body(), MOST_RECOVERY, shape).await?;
    let remaining = coordinator.recover(sent.recovery_secret.0, &sent.recovery_secret_signature.0).await?;
    let message = match remaining {
        0 => "Recovery successful.".into(),
        more => {
            format!("Secret was processed successfully. Upload the next secret. Remaining secrets: {more}")
        }
    };
    Success::new(v2::Recovered { remaining, message })
}

async fn recover_public_key(coordinator: &Coordinator) -> Answer {
    let key = coordinator.ephemeral_public_key().await?;
    Success::new(v2::RecoverPublicKey { algorithm: "RSA".into(), ephemeral_public_key: Base64(key) })
}

/// The deployment, if its manifest opens this gate.
fn open_gate<'a>(state: &'a State, gate: FeatureGate, what: &str) -> Result<&'a Deployment, Refused> {
    let open = |deployment: &&Deployment| deployment.manifest.config.feature_gates.contains(&gate);
    state.deployment().filter(open).ok_or_else(|| {
        let closed = format!("{what} is off: the manifest's Config.FeatureGates does not name it");
        Refused::new(StatusCode::FORBIDDEN, &closed)
    })
}

fn not_serving(state: &State) -> Refused {
    let message = format!("no manifest is set: {}", state.phase().message());
    Refused::new(StatusCode::CONFLICT, &message)
}
