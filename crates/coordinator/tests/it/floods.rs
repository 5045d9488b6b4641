//! Floods by strangers: a real client is served meanwhile, and what they hold is bounded.
//!
//! Nothing here waits for a time-out: what makes room for the real client is that others have to go.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use marblerun_testkit::client::tls;
use marblerun_testkit::program::Options;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::running::{PROGRAM, Running, manifest, options, plain, tls_stream};

/// A real client is served within this time, whatever goes on: seconds, on a machine that does much else.
const SERVED: Duration = Duration::from_secs(10);
/// What a flood may cost in memory, in MiB: 64 MiB of counted bytes, buffers of about a thousand connections, and what
/// the allocator keeps.
const MOST_MEMORY: u64 = 192;

/// As many files as this process may have open.
fn raise_own_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| usize::try_from(files).unwrap())
}

/// What a flood held in place did to the real clients and the memory of the Coordinator.
fn judge(name: &str, reached: usize, running: &mut Running) {
    let begun = Instant::now();
    assert_eq!(running.state(), 3);
    running.activate("press").unwrap();
    let took = begun.elapsed();
    let memory = running.memory();
    crate::say(&format!(
        "{name}: {reached} reached; a client and a marble served in {took:?}; {memory:?} KiB"
    ));
    assert!(took < SERVED, "{name}: a real client waits for {took:?}");
    assert!(memory.peak < MOST_MEMORY << 10, "{name}: {memory:?}");
    assert!(running.process.process().unwrap().exited().unwrap().is_none());
}

#[test]
fn ten_thousand_idle_connections() {
    let most = raise_own_limit().saturating_sub(1000).min(10_000);
    let mut running = Running::serving(&plain());
    let address = running.process.client_addr;
    let held = running.runtime.block_on(async {
        let mut held = Vec::new();
        for _ in 0..most {
            held.extend(TcpStream::connect(address).await.ok());
        }
        held
    });
    assert!(held.len() > most / 2, "{} of {most}", held.len());
    judge("idle connections", held.len(), &mut running);
}

#[test]
fn two_thousand_stalled_handshakes() {
    raise_own_limit();
    let mut running = Running::serving(&plain());
    let hello = client_hello();
    let addresses = [running.process.client_addr, running.process.mesh_addr];
    let held: Vec<_> = running.runtime.block_on(async {
        let mut held = Vec::new();
        for n in 0..2000 {
            let mut stream = TcpStream::connect(addresses[n % 2]).await.unwrap();
            // A whole hello now and then (it costs the server a key exchange), else half of one.
            let sent = if n % 8 == 0 { hello.len() } else { hello.len() / 2 };
            if stream.write_all(&hello[..sent]).await.is_ok() {
                held.push(stream);
            }
        }
        held
    });
    judge("stalled handshakes", held.len(), &mut running);
}

fn client_hello() -> Vec<u8> {
    let config = tls::client_config(None, &[b"http/1.1"]).unwrap();
    let mut client = rustls::ClientConnection::new(config, tls::server_name()).unwrap();
    let mut hello = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut hello).unwrap();
    }
    hello
}

/// More of them than there are places.
#[test]
fn a_thousand_slow_bodies() {
    slow_bodies(1 << 10);
}

/// Together they are larger than what may be held.
#[test]
fn a_thousand_large_slow_bodies() {
    slow_bodies(512 << 10);
}

/// A thousand of which so many bytes arrive.
fn slow_bodies(arriving: usize) {
    raise_own_limit();
    // 352 places for each listener.
    let args = vec!["--nofile=1120:1120".to_owned(), PROGRAM.to_owned()];
    let mut running = Running::with(Options { program: Some("prlimit".into()), args, ..options() });
    let address = running.process.client_addr;
    let held = running.runtime.block_on(async {
        let mut held = Vec::new();
        for _ in 0..20 {
            let fifty = (0..50).map(|_| tokio::spawn(slow_body(address, arriving)));
            for one in fifty.collect::<Vec<_>>() {
                held.extend(one.await.unwrap().ok());
            }
        }
        held
    });
    assert!(held.len() > 500, "{}", held.len());
    assert_eq!(running.set(&plain()).status, 200);
    judge("slow bodies", held.len(), &mut running);
    drop(held);
    let under_way = |metrics: String| {
        metrics
            .lines()
            .filter(|l| l.contains("in_flight") && l.contains("\"/manifest\""))
            .any(|l| l.ends_with(" 0"))
    };
    let begun = Instant::now();
    while !under_way(running.observe("/metrics")) {
        assert!(begun.elapsed() < SERVED, "requests that broke off count as being under way");
    }
}

/// A part of four megabytes.
async fn slow_body(address: SocketAddr, arriving: usize) -> Result<TlsStream<TcpStream>> {
    let mut stream = tls_stream(address, b"http/1.1").await?;
    let head =
        "POST /manifest HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4194304\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    // It says so when it begins to read.
    stream.read_exact(&mut [0; 25]).await?;
    stream.write_all(&vec![b' '; arriving]).await?;
    stream.flush().await?;
    Ok(stream)
}

/// Readers that ask for a large manifest again and again and take none of it.
#[test]
fn answers_that_nobody_takes() {
    raise_own_limit();
    let padding = "x".repeat(3 << 20);
    let large =
        manifest(json!({"press": {"Package": "cider", "Parameters": {"Files": {"/f": padding}}}}), json!({}));
    let mut running = Running::serving(&large);
    let (address, before) = (running.process.client_addr, running.memory());
    let held = running.runtime.block_on(async {
        let mut held = Vec::new();
        for _ in 0..50 {
            held.extend(unread(address).await.ok());
        }
        held
    });
    let begun = Instant::now();
    assert_eq!(running.get("/api/v2/manifest").status, 200);
    let (took, memory) = (begun.elapsed(), running.memory());
    crate::say(&format!(
        "unread answers of 4 MiB: {}; a client served in {took:?}; {before:?} -> {memory:?} KiB",
        held.len()
    ));
    // 64 MiB of counted bytes, and somewhat more for what lies with sockets, TLS and the allocator and for the answer
    // that is being made; without a bound it is above 210.
    assert!(took < SERVED && memory.now < before.now + (160 << 10), "{took:?} {before:?} -> {memory:?}");
    assert_eq!(running.state(), 3);
    assert!(running.process.process().unwrap().exited().unwrap().is_none());
}

async fn unread(address: SocketAddr) -> Result<TlsStream<TcpStream>> {
    let mut stream = tls_stream(address, b"http/1.1").await?;
    stream.write_all(b"GET /api/v2/manifest HTTP/1.1\r\nHost: a\r\n\r\n").await?;
    // The first byte says that the answer is made.
    stream.read_exact(&mut [0]).await?;
    Ok(stream)
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `GET https://a/status`, in the static table and literals of HPACK (RFC 7541).
const HEAD: &[u8] = b"\x82\x87\x04\x07/status\x01\x01a";

/// A frame of RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Writes until the peer has had enough; gives how many rounds it took.
async fn flood(address: SocketAddr, most: u32, round: impl Fn(u32) -> Vec<u8>) -> Result<u32> {
    let stream = tls_stream(address, b"h2").await?;
    let (mut read, mut write) = tokio::io::split(stream);
    write.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()).await.context("preface")?;
    // Somebody has to read, or the answers would hold up the flood.
    let drain = tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
    let mut rounds = 0;
    while rounds < most && !drain.is_finished() {
        if write.write_all(&round(rounds)).await.is_err() {
            break;
        }
        rounds += 1;
    }
    Ok(rounds)
}

/// CVE-2023-44487: requests that are taken back at once.
#[test]
fn http2_rapid_reset() {
    const MOST: u32 = 50_000;
    let mut running = Running::serving(&plain());
    for address in [running.process.client_addr, running.process.mesh_addr] {
        let reset = |n: u32| {
            let stream = 2 * n + 1;
            let head = frame(HEADERS, END_STREAM | END_HEADERS, stream, HEAD);
            [head, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        };
        let rounds = running.runtime.block_on(flood(address, MOST, reset)).unwrap();
        assert!(rounds < MOST, "the peer is never sent away");
        judge("rapid resets", rounds as usize, &mut running);
    }
}

/// Heads that never end (CVE-2024-27316 and its kin).
#[test]
fn http2_endless_continuation() {
    const MOST: u32 = 8192;
    let mut running = Running::serving(&plain());
    for address in [running.process.client_addr, running.process.mesh_addr] {
        let endless = |n: u32| match n {
            0 => frame(HEADERS, 0, 1, HEAD),
            _ => frame(CONTINUATION, 0, 1, &b"\x00\x01b\x01b".repeat(3000)),
        };
        let rounds = running.runtime.block_on(flood(address, MOST, endless)).unwrap();
        assert!(rounds < MOST, "the peer is never sent away");
        judge("continuations", rounds as usize, &mut running);
    }
}

/// Half-open streams on few connections: HTTP/2 multiplies what a connection may hold.
#[test]
fn http2_slow_bodies_on_many_streams() {
    const DATA: u8 = 0;
    const MANIFEST: &[u8] = b"\x83\x87\x04\x09/manifest\x01\x01a";
    const ACTIVATE: &[u8] = b"\x83\x87\x04\x14/rpc.Marble/Activate\x01\x01a";
    let mut running = Running::serving(&plain());
    // A manifest is set: that body is refused unread. On the marble API it is read.
    let flooded = [(running.process.client_addr, MANIFEST), (running.process.mesh_addr, ACTIVATE)];
    for (address, head) in flooded {
        let half = |n: u32| {
            let stream = 2 * n + 1;
            [frame(HEADERS, END_HEADERS, stream, head), frame(DATA, 0, stream, &[0; 4096])].concat()
        };
        let streams = running.runtime.block_on(flood(address, 2000, half)).unwrap();
        judge("half-open streams", streams as usize, &mut running);
    }
}
