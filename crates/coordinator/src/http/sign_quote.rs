//! `sign-quote`: the Coordinator's word about somebody else's quote.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode};
use marblerun_api::rest::{Base64, v2};
use marblerun_core::Deployment;
use serde_json::json;

use super::answer::{Refused, Success};
use super::body;
use crate::attestation::Unproven;
use crate::failure::Failure;
use crate::service::Coordinator;
use crate::traffic::Received;

/// Largest body: evidence of any kind in base64, and room to spare.
const MOST: usize = 512 << 10;

/// Verifies a quote and signs what the vendor says of its platform. Whether the enclave is wanted, and what the quote is
/// bound to, is for the caller to judge.
pub(super) async fn sign(
    coordinator: &Coordinator,
    deployment: &Deployment,
    request: Request<Received>,
) -> Result<Success, Refused> {
    let bytes = body::read(request.into_body(), MOST).await?;
    let sent: v2::SignQuote = serde_json::from_slice(&bytes)
        .map_err(|_| no_quote(r#"expected {"sgxQuote": base64} and nothing else"#))?;
    let quote = sent.sgx_quote.0;
    let roots = deployment.policies.roots();
    let genuine = coordinator.attestation().genuine(roots, &quote, coordinator.now()).await;
    let genuine = genuine.map_err(|error| match error {
        Unproven::NotGenuine(why) => no_quote(&why.to_string()),
        Unproven::Collateral(refusal) => Failure::Refused(refusal).into(),
    })?;
    let status = genuine.tcb_status().ok_or_else(|| no_quote("its vendor judges no platforms"))?.to_string();
    let signed = format!("{}{status}", STANDARD.encode(&quote));
    let signature = deployment.pki.root_key.sign_sha256(signed.as_bytes());
    let signature = signature.map_err(|error| Failure::Internal(error.to_string()))?;
    Success::new(v2::SignedQuote { tcb_status: status, verification_signature: Base64(signature) })
}

/// Clients look for the reason in `data.sgxQuote`.
fn no_quote(why: &str) -> Refused {
    let why = format!("this is no quote that counts: {why}");
    Refused::new(StatusCode::BAD_REQUEST, &why).with_data(json!({"sgxQuote": why}))
}
