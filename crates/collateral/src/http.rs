//! One GET and its answer, over a connection of its own: bounded in time and size. It follows no redirect and never
//! retries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::{Address, CollateralError, tls};

/// Bounds of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the TCP connection, and again for the TLS handshake.
    pub connect: Duration,
    /// From the request to the last byte of the answer.
    pub answer: Duration,
    /// Largest answer, in bytes. Revocation lists are the largest, some 100 KiB.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(30), answer_bytes: 4 << 20 }
    }
}

/// Asks services.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) limits: Limits,
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    url: String,
    head: hyper::http::response::Parts,
    pub(crate) body: Bytes,
}

impl Http {
    /// What is at `from` with `query` (without the question mark, may be empty).
    ///
    /// # Errors
    /// If it cannot be reached, or answers with anything but 200.
    pub(crate) async fn get(&self, from: &Address, query: &str) -> Result<Answer, CollateralError> {
        let target = match (from.path.as_str(), query) {
            ("", "") => "/".to_owned(),
            (path, "") => path.to_owned(),
            (path, query) => format!("{path}?{query}"),
        };
        let url = if query.is_empty() { from.to_string() } else { format!("{from}?{query}") };
        let request = Request { url: &url, from, target };
        let (head, body) = self.connect_and_ask(&request).await?;
        match head.status {
            StatusCode::OK => Ok(Answer { url, head, body }),
            status => Err(CollateralError::Answer { url, status: status.as_u16(), reason: excerpt(&body) }),
        }
    }

    async fn connect_and_ask(&self, request: &Request<'_>) -> Result<Whole, CollateralError> {
        let Limits { connect, answer, answer_bytes } = self.limits;
        let from = request.from;
        let tcp = TcpStream::connect((from.host.as_str(), from.port));
        let tcp = within(connect, request.url, "connection", tcp).await?;
        // If it cannot be set, it waits a little longer.
        let _ = tcp.set_nodelay(true);
        if !from.https {
            return within_answer(answer, request.url, ask(tcp, request, answer_bytes)).await;
        }
        let handshake = TlsConnector::from(self.tls.clone()).connect(from.name()?, tcp);
        let stream = within(connect, request.url, "TLS handshake", handshake).await?;
        within_answer(answer, request.url, ask(stream, request, answer_bytes)).await
    }
}

struct Request<'a> {
    url: &'a str,
    from: &'a Address,
    target: String,
}

type Whole = (hyper::http::response::Parts, Bytes);

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: &Request<'_>,
    limit: usize,
) -> Result<Whole, CollateralError> {
    let broke = |error: &dyn std::fmt::Display| unreachable(request.url, error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| broke(&e))?;
    // Dropping the set ends the connection, however this function is left.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let message = hyper::Request::builder()
        .uri(&request.target)
        .header(HOST, request.from.authority())
        .header(USER_AGENT, "marblerun")
        .body(Empty::<Bytes>::new())
        .map_err(|e| broke(&e))?;
    let (head, body) = sender.send_request(message).await.map_err(|e| broke(&e))?.into_parts();
    let body =
        Limited::new(body, limit).collect().await.map_err(|error| match error.is::<LengthLimitError>() {
            true => too_long(request.url, head.status, limit),
            false => broke(&error),
        })?;
    Ok((head, body.to_bytes()))
}

async fn within<T>(
    limit: Duration,
    url: &str,
    what: &str,
    step: impl Future<Output = std::io::Result<T>>,
) -> Result<T, CollateralError> {
    match timeout(limit, step).await {
        Ok(done) => done.map_err(|error| match tls::objection(&error) {
            Some(reason) => CollateralError::Certificate { url: url.to_owned(), reason },
            None => unreachable(url, format!("{what}: {error}")),
        }),
        Err(_) => Err(unreachable(url, format!("no {what} within {limit:?}"))),
    }
}

async fn within_answer(
    limit: Duration,
    url: &str,
    asking: impl Future<Output = Result<Whole, CollateralError>>,
) -> Result<Whole, CollateralError> {
    match timeout(limit, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(unreachable(url, format!("no whole answer within {limit:?}"))),
    }
}

fn too_long(url: &str, status: StatusCode, limit: usize) -> CollateralError {
    let reason = format!("more than {limit} bytes, which no collateral has");
    CollateralError::Answer { url: url.to_owned(), status: status.as_u16(), reason }
}

fn unreachable(url: &str, reason: String) -> CollateralError {
    CollateralError::Unreachable { url: url.to_owned(), reason }
}

/// The beginning of an error page, as one printable line.
fn excerpt(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(120).collect();
    if text.is_empty() { "(nothing more)".to_owned() } else { text }
}

impl Answer {
    /// The first of these headers that is there, without its percent-encoding.
    pub(crate) fn decoded_header(&self, names: &[&str]) -> Result<String, CollateralError> {
        let value = names.iter().find_map(|name| self.head.headers.get(*name));
        let value =
            value.ok_or_else(|| self.wrong(format!("the header {} is missing", names.join(" or "))))?;
        percent_decoded(value.as_bytes()).ok_or_else(|| {
            self.wrong(format!("the header {} is no percent-encoded text", names.join(" or ")))
        })
    }

    pub(crate) fn text(&self) -> Result<&str, CollateralError> {
        std::str::from_utf8(&self.body).map_err(|error| self.wrong(format!("no text: {error}")))
    }

    /// This answer is not what was asked for. Its type tells a page of something in between (a proxy, a portal) from an
    /// answer of the service; services differ too much in it for a rule.
    pub(crate) fn wrong(&self, reason: String) -> CollateralError {
        let kind = self.head.headers.get(CONTENT_TYPE).map(|kind| excerpt(kind.as_bytes()));
        let reason = kind.map_or_else(|| reason.clone(), |kind| format!("{reason} (it came as `{kind}`)"));
        CollateralError::Answer { url: self.url.clone(), status: self.head.status.as_u16(), reason }
    }
}

/// RFC 3986, section 2.1; `+` stays what it is, since PEM has it.
fn percent_decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'%' => {
                let mut byte = [0];
                hex::decode_to_slice(after.get(..2)?, &mut byte).ok()?;
                bytes.extend(byte);
                after.get(2..)?
            }
            other => {
                bytes.push(*other);
                after
            }
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding() {
        assert_eq!(percent_decoded(b"a%20b+%0Ac").as_deref(), Some("a b+\nc"));
        for bad in [&b"%"[..], b"%2", b"%zz", b"%ff"] {
            assert_eq!(percent_decoded(bad), None);
        }
    }
}
