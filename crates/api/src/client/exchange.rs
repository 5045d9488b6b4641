//! One request and its answer, over a connection of its own: bounded in time and size.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::printable;
use super::{Address, ClientError};
use crate::rest::Envelope;

/// Bounds of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the TCP connection, and again for the TLS handshake.
    pub connect: Duration,
    /// From the request to the last byte of the answer. Setting a manifest with many RSA secrets takes a while.
    pub answer: Duration,
    /// Largest answer, in bytes.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(300), answer_bytes: 64 << 20 }
    }
}

/// What to ask.
pub(super) struct Request {
    method: Method,
    path: String,
    body: Vec<u8>,
}

impl Request {
    pub(super) fn get(path: &str) -> Self {
        Self { method: Method::GET, path: path.into(), body: Vec::new() }
    }

    pub(super) fn post(path: &str, body: Vec<u8>) -> Self {
        Self { method: Method::POST, path: path.into(), body }
    }

    pub(super) fn post_json(path: &str, body: &impl Serialize) -> Self {
        // Our own request types have string keys and no failing serializers; an empty body would be refused anyway.
        Self::post(path, serde_json::to_vec(body).unwrap_or_default())
    }
}

/// What came back.
pub(super) struct Answer {
    request: String,
    status: StatusCode,
    body: Bytes,
}

/// Connects, proves the server, asks, and reads the whole answer.
pub(super) async fn exchange(
    to: &Address,
    tls: &Arc<rustls::ClientConfig>,
    limits: Limits,
    request: Request,
) -> Result<Answer, ClientError> {
    let stream = connect(to, tls, limits.connect).await?;
    let name = format!("{} https://{to}{}", request.method, request.path);
    match timeout(limits.answer, ask(stream, to, request, &name, limits.answer_bytes)).await {
        Ok(answer) => answer,
        Err(_) => Err(ClientError::TimedOut { request: name, seconds: limits.answer.as_secs() }),
    }
}

async fn connect(
    to: &Address,
    tls: &Arc<rustls::ClientConfig>,
    limit: Duration,
) -> Result<TlsStream<TcpStream>, ClientError> {
    let unreachable = |reason: String| ClientError::Unreachable { address: to.to_string(), reason };
    let slow = |what: &str| unreachable(format!("no {what} within {} seconds", limit.as_secs()));
    let tcp = timeout(limit, TcpStream::connect((to.host(), to.port())))
        .await
        .map_err(|_| slow("connection"))?
        .map_err(|e| unreachable(e.to_string()))?;
    // Without this the end of a handshake waits 40 ms for a delayed acknowledgement. If it cannot be set, it waits.
    let _ = tcp.set_nodelay(true);
    timeout(limit, TlsConnector::from(tls.clone()).connect(to.name(), tcp))
        .await
        .map_err(|_| slow("TLS handshake"))?
        .map_err(|error| {
            untrusted(&error, to).unwrap_or_else(|| unreachable(format!("TLS handshake: {error}")))
        })
}

/// The refusal of a certificate by our own verifier, told apart from all other trouble with TLS.
fn untrusted(error: &std::io::Error, to: &Address) -> Option<ClientError> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(reason) = tls else { return None };
    Some(ClientError::Untrusted { address: to.to_string(), reason: reason.to_string() })
}

async fn ask(
    stream: TlsStream<TcpStream>,
    to: &Address,
    request: Request,
    name: &str,
    limit: usize,
) -> Result<Answer, ClientError> {
    let broke = |reason: String| ClientError::Interrupted { request: name.to_owned(), reason };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| broke(e.to_string()))?;
    // Dropping the set ends the connection, however this function is left.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(build(to, request)?).await.map_err(|e| broke(e.to_string()))?;
    let status = answer.status();
    match Limited::new(answer.into_body(), limit).collect().await {
        Ok(body) => Ok(Answer { request: name.to_owned(), status, body: body.to_bytes() }),
        Err(error) if error.is::<LengthLimitError>() => Err(ClientError::Malformed {
            request: name.to_owned(),
            status: status.as_u16(),
            reason: format!("it is longer than {limit} bytes"),
        }),
        Err(error) => Err(broke(error.to_string())),
    }
}

fn build(to: &Address, request: Request) -> Result<hyper::Request<Full<Bytes>>, ClientError> {
    hyper::Request::builder()
        .method(request.method)
        .uri(request.path)
        .header(HOST, to.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(request.body.into()))
        .map_err(|e| ClientError::Setup(e.to_string()))
}

impl Answer {
    /// Coordinators say 405 for every endpoint that they do not know.
    pub(super) fn unknown_endpoint(&self) -> bool {
        self.status == StatusCode::METHOD_NOT_ALLOWED
    }

    /// The payload of a success.
    pub(super) fn data<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        self.data_and_message().map(|(data, _)| data)
    }

    /// The payload of a success, which must be there, and the message, which may be.
    pub(super) fn data_and_message<T: DeserializeOwned>(self) -> Result<(T, Option<String>), ClientError> {
        let (request, status) = (self.request.clone(), self.status.as_u16());
        let missing = || ClientError::Malformed { request, status, reason: "it carries no data".into() };
        let (data, message) = self.success()?;
        Ok((data.ok_or_else(missing)?, message))
    }

    /// Payload and message of a success; anything else becomes an error.
    pub(super) fn success<T: DeserializeOwned>(self) -> Result<(Option<T>, Option<String>), ClientError> {
        if !self.status.is_success() {
            return Err(self.failure());
        }
        match serde_json::from_slice::<Envelope<T>>(&self.body) {
            Ok(Envelope { status, data, message }) if status == "success" => {
                Ok((data, message.as_deref().map(printable)))
            }
            Ok(_) => Err(self.failure()),
            Err(error) => Err(self.malformed(error.to_string())),
        }
    }

    fn failure(self) -> ClientError {
        let Ok(envelope) = serde_json::from_slice::<Envelope<serde_json::Value>>(&self.body) else {
            return self.malformed("it is no JSON of the form {\"status\", \"data\", \"message\"}".into());
        };
        let message = printable(&explanation(envelope));
        let request = self.request;
        match self.status {
            StatusCode::UNAUTHORIZED => ClientError::Unauthorised { request, message },
            status => ClientError::Refused { request, status: status.as_u16(), message },
        }
    }

    fn malformed(self, reason: String) -> ClientError {
        let status = self.status.as_u16();
        ClientError::Malformed { request: self.request, status, reason: printable(&reason) }
    }
}

/// The `message`, or else whatever `data` says: failures of JSend may put their reasons there.
fn explanation(envelope: Envelope<serde_json::Value>) -> String {
    match (envelope.message, envelope.data) {
        (Some(message), _) if !message.is_empty() => message,
        (_, Some(serde_json::Value::String(text))) => text,
        (_, Some(data)) if !data.is_null() => data.to_string(),
        _ => format!("the answer is a {:?} without a reason", envelope.status),
    }
}
