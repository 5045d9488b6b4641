//! One POST and its JSON answer, over a connection of its own: bounded in time and size. It follows no redirect, never
//! retries, and shows nothing of what was sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::HsmError;
use super::settings::Url;

/// From the first packet to the last byte of the answer.
const WITHIN: Duration = Duration::from_secs(20);
/// Statements are some 10 KiB, released keys with the certificates of their signature less than 32 KiB.
const MAX_ANSWER: usize = 256 << 10;

/// What is sent.
pub(super) struct Post<'a> {
    /// The service, for people.
    pub(super) who: &'static str,
    pub(super) to: &'a Url,
    /// Path and query.
    pub(super) path: String,
    pub(super) kind: &'static str,
    /// An access token.
    pub(super) bearer: Option<&'a str>,
    pub(super) body: Vec<u8>,
}

/// Asks services whose certificates the web trusts.
pub(super) struct Http(Arc<ClientConfig>);

impl Http {
    /// With Mozilla's roots: nobody but the service that was named may see a password or a token.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// The body of the answer, if its status is 200.
    pub(super) async fn post(&self, post: Post<'_>) -> Result<Bytes, HsmError> {
        let (who, url) = (post.who, post.to.to_string());
        let unreachable = |why: String| HsmError::Unreachable { who, url: url.clone(), why };
        match timeout(WITHIN, self.connect_and_post(post)).await {
            Err(_) => Err(unreachable(format!("no answer within {} seconds", WITHIN.as_secs()))),
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Ok(Ok((200, body))) => Ok(body),
            Ok(Ok((status, body))) => Err(HsmError::Refused { who, status, code: code(&body) }),
        }
    }

    async fn connect_and_post(&self, post: Post<'_>) -> Result<(u16, Bytes), Broken> {
        let host = post.to.host.trim_matches(['[', ']']).to_owned();
        let tcp = TcpStream::connect((host.as_str(), post.to.port)).await?;
        if !post.to.https {
            return exchange(tcp, post).await;
        }
        let name = ServerName::try_from(host)?;
        exchange(TlsConnector::from(Arc::clone(&self.0)).connect(name, tcp).await?, post).await
    }
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    post: Post<'_>,
) -> Result<(u16, Bytes), Broken> {
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Dropping the set ends the connection, however this function is left.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request(post)?).await?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await?;
    Ok((status, body.to_bytes()))
}

fn request(post: Post<'_>) -> Result<hyper::Request<Full<Bytes>>, Broken> {
    let mut request = hyper::Request::post(post.path)
        .header(HOST, format!("{}:{}", post.to.host, post.to.port))
        .header(USER_AGENT, "marblerun")
        .header(CONTENT_TYPE, post.kind);
    if let Some(token) = post.bearer {
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    Ok(request.body(Full::from(post.body))?)
}

/// What an error is called by the service: `{"error": {"code": ..}}`, or `{"error": ..}` (RFC 6749 section 5.2). Its text
/// is left out: it may repeat what was sent.
fn code(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = answer.pointer("/error/code").or(answer.get("error")).and_then(Value::as_str);
    let is_a_name =
        |code: &&str| code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    code.filter(is_a_name).unwrap_or("no code").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_error_is_all_that_is_shown_of_it() {
        for (body, expected) in [
            (r#"{"error": {"code": "Forbidden", "message": "canary"}}"#, "Forbidden"),
            (r#"{"error": "invalid_client", "error_description": "canary"}"#, "invalid_client"),
            (r#"{"error": "c4n4ry"}"#, "no code"),
            (r#"{"error": 5}"#, "no code"),
            ("<html>", "no code"),
        ] {
            assert_eq!(code(body.as_bytes()), expected, "{body}");
        }
    }
}
