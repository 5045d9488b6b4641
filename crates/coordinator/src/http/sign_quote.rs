//! `sign-quote`: the Coordinator's word about somebody else's quote.

use http::{Request, StatusCode};
use marblerun_api::rest::v2;
use serde_json::json;

use super::answer::{Refused, Success};
use super::body;
use super::endpoints::not_built;
use crate::traffic::Received;

/// Largest body: evidence of any kind in base64, and room to spare.
const MOST: usize = 512 << 10;

/// Verifies a quote and signs what the vendor says of its platform.
pub(super) async fn sign(request: Request<Received>) -> Result<Success, Refused> {
    let bytes = body::read(request.into_body(), MOST).await?;
    let sent: v2::SignQuote = serde_json::from_slice(&bytes)
        .map_err(|_| no_quote(r#"expected {"sgxQuote": base64} and nothing else"#))?;
    marblerun_attest::needs(&sent.sgx_quote.0).map_err(|error| no_quote(&error.to_string()))?;
    Err(not_built("verifying quotes"))
}

/// Clients look for the reason in `data.sgxQuote`.
fn no_quote(why: &str) -> Refused {
    let why = format!("this is no quote that can be verified: {why}");
    Refused::new(StatusCode::BAD_REQUEST, &why).with_data(json!({"sgxQuote": why}))
}
