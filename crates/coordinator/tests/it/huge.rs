//! Huge and deep bodies on every route: refused at once, at little cost, without being held.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::running::{Memory, Running, plain, tls_stream};

/// All routes, as clients know them.
const ROUTES: [(&str, &str); 35] = [
    ("GET", "/status"),
    ("GET", "/manifest"),
    ("POST", "/manifest"),
    ("GET", "/quote"),
    ("POST", "/recover"),
    ("GET", "/secrets"),
    ("POST", "/secrets"),
    ("GET", "/update"),
    ("POST", "/update"),
    ("GET", "/update-manifest"),
    ("POST", "/update-manifest"),
    ("POST", "/update-cancel"),
    ("GET", "/api/v2/status"),
    ("GET", "/api/v2/manifest"),
    ("POST", "/api/v2/manifest"),
    ("GET", "/api/v2/quote"),
    ("POST", "/api/v2/recover"),
    ("GET", "/api/v2/recover/public-key"),
    ("GET", "/api/v2/secrets"),
    ("POST", "/api/v2/secrets"),
    ("GET", "/api/v2/update"),
    ("POST", "/api/v2/update"),
    ("GET", "/api/v2/update-manifest"),
    ("POST", "/api/v2/update-manifest"),
    ("POST", "/api/v2/update-cancel"),
    ("POST", "/api/v2/sign-quote"),
    ("POST", "/api/v2/monotonic-counter"),
    ("GET", "/api/v3/quote"),
    ("GET", "/api/v3/log/checkpoint"),
    ("GET", "/api/v3/log/key"),
    ("GET", "/api/v3/log/entries"),
    ("GET", "/api/v3/log/inclusion"),
    ("GET", "/api/v3/log/consistency"),
    ("GET", "/api/v3/audit"),
    ("GET", "/api/openapi.json"),
];

const GIB: u64 = 1 << 30;
/// What refusing one may cost in CPU time: a quarter of that here, less in an optimised program.
const AT_ONCE: Duration = Duration::from_secs(2);
/// What a refused body may cost at its peak, in KiB: the largest body that is read at all (11 MiB) and what it is
/// read through.
const MOST_MEMORY: u64 = 40 << 10;

/// How a body comes.
#[derive(Debug, Clone)]
enum Body {
    /// So many zero bytes, announced.
    Announced(u64),
    /// So many zero bytes, in chunks.
    Chunked(u64),
    /// Exactly these bytes.
    Bytes(Vec<u8>),
}

#[test]
fn a_gibibyte_on_every_route_before_and_after_a_manifest() {
    let running = Running::start();
    every_route(&running, &[Body::Announced(GIB), Body::Chunked(GIB)]);
    assert_eq!(running.state(), 2);
    assert_eq!(running.set(&plain()).status, 200);
    every_route(&running, &[Body::Announced(GIB), Body::Chunked(GIB)]);
    assert_eq!(running.state(), 3);
}

#[test]
fn a_million_keys_and_a_million_levels_on_every_route_before_and_after_a_manifest() {
    let keys: String = (0..1_000_000).map(|n| format!("\"{n:x}\":0,")).collect();
    let keys = format!("{{{}\"a\":0}}", keys).into_bytes();
    let few: String = (0..400_000).map(|n| format!("\"{n:x}\":0,")).collect();
    let few = format!("{{\"Packages\":{{{}\"a\":0}}}}", few).into_bytes();
    let deep = vec![b'['; 1_000_000];
    let objects = "{\"a\":".repeat(1_000_000).into_bytes();
    let wrapped = |bytes: &[u8]| {
        format!("{{\"manifest\":\"{}\"}}", base64::engine::general_purpose::STANDARD.encode(bytes))
            .into_bytes()
    };
    let bodies = [keys, wrapped(&few), few, wrapped(&deep), deep, objects].map(Body::Bytes);
    let running = Running::start();
    every_route(&running, &bodies);
    assert_eq!(running.state(), 2);
    assert_eq!(running.set(&plain()).status, 200);
    every_route(&running, &bodies[..1]);
    assert_eq!(running.state(), 3);
}

fn every_route(running: &Running, bodies: &[Body]) {
    let pid = running.process.pid().unwrap();
    let before = running.memory().now;
    Memory::forget_peak(pid);
    let mut costliest = (Duration::ZERO, String::new());
    for (method, path) in ROUTES {
        for body in bodies {
            let case = format!("{method} {path}, {}", body.name());
            let begun = running.cpu_time();
            let code = running.runtime.block_on(answer(running.process.client_addr, method, path, body));
            costliest = costliest.max((running.cpu_time() - begun, case.clone()));
            // What has no use for a body answers without looking at it.
            let expected = matches!(code, None | Some(400..=499)) || method == "GET" && code == Some(200);
            assert!(expected, "{case}: {code:?}");
        }
    }
    let peak = running.memory().peak;
    crate::say(&format!(
        "{} bodies: the costliest {:?} ({}); memory {before} KiB, at its peak {} KiB more",
        bodies.len() * ROUTES.len(),
        costliest.0,
        costliest.1,
        peak.saturating_sub(before)
    ));
    assert!(costliest.0 < AT_ONCE, "{costliest:?}");
    assert!(peak < before + MOST_MEMORY, "{before} -> {peak} KiB");
}

/// The status of the answer; `None` if the connection is closed without one.
async fn answer(address: SocketAddr, method: &str, path: &str, body: &Body) -> Option<u16> {
    let stream = tls_stream(address, b"http/1.1").await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", body.header());
    write.write_all(head.as_bytes()).await.unwrap();
    write.flush().await.unwrap();
    let body = body.clone();
    let sending = tokio::spawn(async move { body.send(&mut write).await });
    let mut head = [0; 12];
    let answered =
        tokio::time::timeout(crate::running::PATIENCE, read.read_exact(&mut head)).await.expect(path);
    sending.abort();
    answered.ok()?;
    Some(std::str::from_utf8(&head[9..]).unwrap().parse().unwrap())
}

impl Body {
    fn name(&self) -> String {
        match self {
            Self::Announced(length) => format!("{length} announced bytes"),
            Self::Chunked(length) => format!("{length} bytes in chunks"),
            Self::Bytes(bytes) => format!("{}...", String::from_utf8_lossy(&bytes[..12])),
        }
    }

    fn header(&self) -> String {
        match self {
            Self::Announced(length) => format!("Content-Length: {length}"),
            Self::Chunked(_) => "Transfer-Encoding: chunked".into(),
            Self::Bytes(bytes) => format!("Content-Length: {}", bytes.len()),
        }
    }

    async fn send(&self, write: &mut (impl tokio::io::AsyncWrite + Unpin)) -> Result<()> {
        let (length, chunk) = match self {
            Self::Bytes(bytes) => {
                write.write_all(bytes).await?;
                return Ok(write.flush().await?);
            }
            Self::Announced(length) => (*length, vec![0; 1 << 16]),
            Self::Chunked(length) => (*length, [b"10000\r\n", &vec![0; 1 << 16][..], b"\r\n"].concat()),
        };
        for _ in 0..length >> 16 {
            write.write_all(&chunk).await?;
        }
        Ok(())
    }
}
