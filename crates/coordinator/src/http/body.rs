//! Bodies of requests, within limits of size and time.

use std::time::Duration;

use http::StatusCode;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::answer::Refused;
use crate::traffic::Received;

/// Longest time that a body may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The whole body, of at most `limit` bytes.
///
/// # Errors
/// 413, 408 or 400.
pub(super) async fn read(body: Received, limit: usize) -> Result<Vec<u8>, Refused> {
    let late = |_| {
        let slow = format!("the body did not arrive within {} s", DEADLINE.as_secs());
        Refused::new(StatusCode::REQUEST_TIMEOUT, &slow)
    };
    tokio::time::timeout(DEADLINE, gather(body, limit)).await.map_err(late)?
}

async fn gather(mut body: Received, limit: usize) -> Result<Vec<u8>, Refused> {
    // A body that announces its size is refused before a byte of it is read.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large(limit));
    }
    let mut bytes = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Refused::new(StatusCode::BAD_REQUEST, &format!("the body breaks off: {error}"))
        })?;
        let data = frame.data_ref().map(AsRef::as_ref).unwrap_or_default();
        if data.len() > limit - bytes.len() {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

fn too_large(limit: usize) -> Refused {
    Refused::new(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body exceeds {limit} bytes"))
}

/// A JSON body, nothing after it. `shape` shows the caller what was expected.
///
/// # Errors
/// 400 with the place; see also [`read`].
pub(super) async fn json<T: DeserializeOwned>(
    body: Received,
    limit: usize,
    shape: &str,
) -> Result<T, Refused> {
    // Wiped afterwards: a body may carry secrets.
    let bytes = Zeroizing::new(read(body, limit).await?);
    serde_json::from_slice(&bytes).map_err(|error| {
        // Not serde's own text: it may quote what stands there.
        let (line, column) = (error.line(), error.column());
        let message = format!("the body is not {shape}, and nothing else, at line {line}, column {column}");
        Refused::new(StatusCode::BAD_REQUEST, &message)
    })
}
