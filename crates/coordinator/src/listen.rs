//! Accept loops: TCP, TLS and HTTP with limits and time-outs from the first byte on.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::Level;

use crate::connections::{Connections, Limits, Place};
use crate::tls::PeerCertificate;
use crate::traffic::{Received, Sent};

/// Longest TLS handshake, and longest wait for the head of a request.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A connection on which nothing moves is closed after this time.
const QUIET: Duration = Duration::from_secs(60);
/// Requests at shutdown may take this long.
const DRAIN: Duration = Duration::from_secs(10);
/// At shutdown a connection on which nothing moves is closed after this time.
const LINGER: Duration = Duration::from_secs(3);
/// A listener has at most this many connections.
const MOST_CONNECTIONS: usize = 1024;
/// Bytes of bodies and answers that a listener holds at most: several of the largest manifests, or tens of thousands
/// of usual requests.
const MOST_BYTES: usize = 64 << 20;
/// Connections that the kernel keeps until they are accepted. A flood that overruns this queue makes real clients wait
/// for seconds, and the usual 128 are overrun at once. The kernel lowers it to `net.core.somaxconn`.
const BACKLOG: u32 = 4096;
/// What one HTTP/2 peer may send before somebody reads it.
const WINDOW: u32 = 256 << 10;

/// Answers requests of one listener.
pub(crate) trait Service: Clone + Send + Sync + 'static {
    /// Body of answers.
    type Body: http_body::Body<Data = bytes::Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;

    /// Answers one request; `peer` is the certificate whose key the handshake proved.
    fn answer(
        &self,
        request: Request<Received>,
        peer: Option<PeerCertificate>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// A bound listener and how it serves.
pub(crate) struct Listener<S> {
    /// The socket.
    pub socket: TcpListener,
    /// TLS, or none for plain HTTP.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Who answers.
    pub service: S,
    /// For logs: `client API`, `marble API`, `metrics`.
    pub name: &'static str,
    /// Level at which callers' errors are logged.
    pub error_level: Level,
}

/// Binds a TCP socket. An unspecified IPv6 address falls back to IPv4 where the machine has no IPv6.
///
/// # Errors
/// Why the address cannot be bound, with the address.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let bound = match listen_on(address) {
        Err(_) if address.is_ipv6() && address.ip().is_unspecified() => {
            listen_on((std::net::Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        bound => bound,
    };
    bound.map_err(|error| std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

fn listen_on(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl<S: Service> Listener<S> {
    /// Serves until `stop` changes; then finishes what is under way, for a bounded time.
    pub(crate) async fn serve(self, mut stop: watch::Receiver<()>) {
        let connections = Connections::new(Limits { connections: most_connections(), bytes: MOST_BYTES });
        let listener = Arc::new(self);
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.socket.accept() => match accepted {
                    Ok((stream, from)) => {
                        if let Some(place) = connections.admit() {
                            tasks.spawn(Arc::clone(&listener).connection(stream, from, place, stop.clone()));
                        }
                    }
                    // Out of file descriptors, most likely: wait for some to be closed instead of spinning.
                    Err(error) => {
                        tracing::warn!(listener = listener.name, %error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                _ = stop.changed() => break,
            }
        }
        let _ = timeout(DRAIN, async { while tasks.join_next().await.is_some() {} }).await;
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        place: Place,
        stop: watch::Receiver<()>,
    ) {
        let _ = stream.set_nodelay(true);
        tokio::select! {
            () = place.activity.closed() => {}
            outcome = self.secure_and_serve(stream, &place, stop) => if let Err(error) = outcome {
                self.log(from, &error);
            },
        }
    }

    async fn secure_and_serve(
        &self,
        stream: TcpStream,
        place: &Place,
        mut stop: watch::Receiver<()>,
    ) -> Result<(), String> {
        let Some(tls) = &self.tls else { return self.http(stream, None, place, stop).await };
        let handshake = TlsAcceptor::from(Arc::clone(tls)).accept(stream);
        let done = tokio::select! {
            done = timeout(HANDSHAKE, handshake) => done,
            _ = stop.changed() => return Ok(()),
        };
        let stream = match done {
            Err(_) => return Err(format!("no TLS handshake within {} s", HANDSHAKE.as_secs())),
            Ok(done) => done.map_err(|error| format!("TLS handshake: {error}"))?,
        };
        // Only the leaf: nothing proves that the peer holds the key of any further certificate.
        let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let peer = leaf.map(|leaf| PeerCertificate(leaf.clone().into_owned()));
        self.http(stream, peer, place, stop).await
    }

    async fn http<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        io: I,
        peer: Option<PeerCertificate>,
        place: &Place,
        mut stop: watch::Receiver<()>,
    ) -> Result<(), String> {
        let service = hyper::service::service_fn(|request| {
            let (service, peer, exchange) = (self.service.clone(), peer.clone(), Arc::new(place.begin()));
            async move {
                let request = request.map(|body| Received::new(body, Arc::clone(&exchange)));
                let response = service.answer(request, peer).await;
                Ok::<_, Infallible>(response.map(|body| Sent::new(body, exchange)))
            }
        });
        let builder = builder();
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
        let done = tokio::select! {
            done = connection.as_mut() => done,
            () = place.activity.quiet_for(QUIET) => return Ok(()),
            _ = stop.changed() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    done = connection => done,
                    () = place.activity.quiet_for(LINGER) => return Ok(()),
                }
            }
        };
        done.map_err(|error| error.to_string())
    }

    fn log(&self, from: SocketAddr, error: &str) {
        let listener = self.name;
        match self.error_level {
            Level::ERROR => tracing::error!(listener, %from, error, "connection ended"),
            Level::WARN => tracing::warn!(listener, %from, error, "connection ended"),
            Level::INFO => tracing::info!(listener, %from, error, "connection ended"),
            _ => tracing::debug!(listener, %from, error, "connection ended"),
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE)
        .max_buf_size(64 << 10)
        .max_headers(100);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(HANDSHAKE)
        .max_concurrent_streams(32)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(16 << 10)
        .max_pending_accept_reset_streams(16)
        .max_local_error_reset_streams(64)
        .max_send_buf_size(256 << 10);
    builder
}

/// The limit, lowered where the process may not open that many files.
fn most_connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files =
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|soft| soft.parse::<usize>().ok());
    // Three listeners, and some files for everything else.
    files.map_or(MOST_CONNECTIONS, |files| (files.saturating_sub(64) / 3).clamp(16, MOST_CONNECTIONS))
}
