//! Bodies of requests, within limits of size and time.

use std::time::Duration;

use http::StatusCode;
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::answer::Refused;

/// Longest time that a body may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The whole body, of at most `limit` bytes.
///
/// # Errors
/// 413, 408 or 400.
pub(super) async fn read(body: Incoming, limit: usize) -> Result<Vec<u8>, Refused> {
    let too_large =
        || Refused::new(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body exceeds {limit} bytes"));
    // A body that announces its size is refused before a byte of it is read.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let reading = tokio::time::timeout(DEADLINE, Limited::new(body, limit).collect());
    let Ok(read) = reading.await else {
        let slow = format!("the body did not arrive within {} s", DEADLINE.as_secs());
        return Err(Refused::new(StatusCode::REQUEST_TIMEOUT, &slow));
    };
    match read {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Refused::new(StatusCode::BAD_REQUEST, "the body could not be read")),
    }
}

/// A JSON body, nothing after it.
///
/// # Errors
/// 400 with the place; see also [`read`].
pub(super) async fn json<T: DeserializeOwned>(body: Incoming, limit: usize) -> Result<T, Refused> {
    let bytes = read(body, limit).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        // Not serde's own text: it may quote what stands there.
        let place = format!("line {}, column {}", error.line(), error.column());
        Refused::new(
            StatusCode::BAD_REQUEST,
            &format!("the body is not the JSON that this endpoint takes ({place})"),
        )
    })
}
