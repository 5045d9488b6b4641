//! `monotonic-counter`: marbles raise their counters.

use http::Request;
use marblerun_api::rest::v2;
use marblerun_core::ActiveMarble;

use super::answer::{Refused, Success};
use super::body;
use crate::service::Coordinator;
use crate::traffic::Received;

/// Largest body: the longest name, each byte of it escaped, and a number.
const MOST: usize = 4096;

/// Raises a counter of the marble; answers with the value before.
pub(super) async fn raise(
    marble: ActiveMarble,
    coordinator: &Coordinator,
    request: Request<Received>,
) -> Result<Success, Refused> {
    let raise =
        body::json::<v2::RaiseCounter>(request.into_body(), MOST, r#"{"name": text, "value": number}"#)
            .await?;
    let value = coordinator.raise_counter(marble, raise.name, raise.value).await?;
    Success::new(v2::CounterValue { value })
}
