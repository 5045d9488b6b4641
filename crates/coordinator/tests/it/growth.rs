//! Whatever strangers and marbles call themselves, metrics, events and memory do not grow.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use marblerun_api::grpc::ActivationReq;
use marblerun_api::grpc::marble_client::MarbleClient;
use marblerun_testkit::client::tls;
use tonic::Code;
use tonic::body::Body;

use crate::running::{Running, UUID, plain};

const BOGUS: u32 = 20_000;
const GOOD: u32 = 2_000;
/// What memory may grow by after the rings and pools are full, in KiB.
const MOST_GROWTH: u64 = 16 << 10;

#[test]
fn bogus_attempts_and_good_ones_leave_metrics_events_and_memory_flat() {
    let running = Running::serving(&plain());
    attempts(&running, 0, BOGUS / 10, GOOD * 6 / 10);
    let (before, lines) = (running.memory().now, running.observe("/metrics").lines().count());
    attempts(&running, BOGUS / 10, BOGUS * 9 / 10, GOOD * 4 / 10);
    let (after, metrics, events) =
        (running.memory().now, running.observe("/metrics"), running.observe("/events"));
    crate::say(&format!(
        "{BOGUS} bogus and {GOOD} good attempts: memory {before} -> {after} KiB, {lines} lines of metrics"
    ));
    assert_eq!(metrics.lines().count(), lines);
    assert!(metrics.contains(&format!("coordinator_marble_activations_total{{type=\"unknown\"}} {BOGUS}")));
    assert!(
        metrics.contains(&format!("coordinator_marble_activations_success_total{{type=\"press\"}} {GOOD}"))
    );
    let events: Vec<serde_json::Value> = serde_json::from_str(&events).unwrap();
    assert!(events.len() <= 1024, "{}", events.len());
    assert!(events.iter().all(|event| event["activation"]["marbleType"] == "press"));
    assert!(after < before + MOST_GROWTH, "{before} -> {after} KiB");
}

/// From `first` on, with a type and a UUID of its own each; and then good ones.
fn attempts(running: &Running, first: u32, bogus: u32, good: u32) {
    running.runtime.block_on(async {
        let mut client = connected(running).await;
        for n in first..first + bogus {
            let uuid = format!("{n:08x}-4152-4637-8a9b-acbdcedff001");
            let ask =
                ActivationReq { quote: vec![1; 64], ..running.marble.asks(&format!("type-{n}"), &uuid) };
            assert_eq!(client.activate(ask).await.unwrap_err().code(), Code::PermissionDenied);
        }
        for _ in 0..good {
            client.activate(running.marble.asks("press", UUID)).await.unwrap();
        }
    });
}

/// One connection for many activations.
async fn connected(running: &Running) -> MarbleClient<Calls> {
    let address = running.process.mesh_addr;
    let stream = tls::connect(address, Some(&running.marble.identity), &[b"h2"]).await.unwrap();
    stream.get_ref().0.set_nodelay(true).unwrap();
    let handshake = http2::handshake::<_, _, Body>(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let origin: Uri = format!("https://localhost:{}", address.port()).parse().unwrap();
    MarbleClient::with_origin(Calls(sender), origin)
}

/// Calls on one connection.
struct Calls(http2::SendRequest<Body>);

impl tower::Service<http::Request<Body>> for Calls {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
