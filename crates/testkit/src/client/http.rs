//! One HTTP/1.1 request on a connection of its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::tls::{self, Identity};

/// No answer takes this long; a test that waits longer hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// How to reach a listener.
#[derive(Debug, Clone, Copy)]
pub enum Transport<'a> {
    /// Without encryption (metrics, events).
    Plain,
    /// TLS, logged in if there is an identity.
    Tls(Option<&'a Identity>),
}

/// What is sent.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// Path and query, percent-encoded.
    pub path: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Vec<u8>,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// For example 200.
    pub status: u16,
    /// The header of that name, if it is there.
    pub content_type: Option<String>,
    /// All of it.
    pub body: Vec<u8>,
}

/// Sends `request` and reads the whole answer.
///
/// # Errors
/// If there is no complete answer in time.
pub async fn send(address: SocketAddr, transport: Transport<'_>, request: Request) -> Result<Response> {
    tokio::time::timeout(DEADLINE, exchange(address, transport, request))
        .await
        .context("no answer in time")?
}

async fn exchange(address: SocketAddr, transport: Transport<'_>, request: Request) -> Result<Response> {
    match transport {
        Transport::Plain => {
            let stream = TcpStream::connect(address).await.context("connect")?;
            exchange_on(stream, address, request).await
        }
        Transport::Tls(identity) => {
            let stream = tls::connect(address, identity, &[b"http/1.1"]).await?;
            exchange_on(stream, address, request).await
        }
    }
}

async fn exchange_on<S>(stream: S, address: SocketAddr, request: Request) -> Result<Response>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.context("HTTP connection")?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(encode(address, request)?).await.context("HTTP request")?;
    let status = answer.status().as_u16();
    let content_type =
        answer.headers().get(http::header::CONTENT_TYPE).map(|v| String::from_utf8_lossy(v.as_bytes()));
    let content_type = content_type.map(|text| text.into_owned());
    let body = answer.into_body().collect().await.context("body of the answer")?.to_bytes().to_vec();
    driver.abort();
    Ok(Response { status, content_type, body })
}

fn encode(address: SocketAddr, request: Request) -> Result<http::Request<Full<Bytes>>> {
    let mut builder = http::Request::builder()
        .method(request.method.as_str())
        .uri(request.path)
        .header(http::header::HOST, format!("localhost:{}", address.port()));
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(request.body.into())).context("the request cannot be sent")
}
