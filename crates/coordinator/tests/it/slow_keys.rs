//! Activations that make RSA keys hold nobody else up.

use marblerun_testkit::client::grpc;
use serde_json::json;

use tokio::io::AsyncWriteExt as _;

use crate::running::{Running, UUID, manifest, plain, tls_stream};

/// Many more keys than lie ready, so that the slow ones are slow on any machine. Judged by order, not by time: all
/// quick requests end while every slow one is under way.
#[test]
fn status_and_plain_activations_overtake_those_that_wait_for_keys() {
    let names: Vec<_> = (0..30).map(|n| format!("key{n}")).collect();
    let secret = json!({"Type": "cert-rsa", "Size": 4096});
    let secrets: serde_json::Map<_, _> = names.iter().map(|name| (name.clone(), secret.clone())).collect();
    let env: serde_json::Map<_, _> = names
        .iter()
        .map(|name| (name.clone(), json!(format!("{{{{ pem .Secrets.{name}.Private }}}}"))))
        .collect();
    let slow = json!({"Package": "cider", "Parameters": {"Env": env}});
    let manifest = manifest(json!({"press": {"Package": "cider"}, "slow": slow}), secrets.into());
    let running = Running::serving(&manifest);
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let (identity, ask) = (running.marble.identity.clone(), running.marble.asks("slow", UUID));
            let address = running.process.mesh_addr;
            running.runtime.spawn(async move { grpc::activate(address, Some(&identity), ask).await })
        })
        .collect();
    let received = "grpc_server_started_total";
    let started = |metrics: String| {
        let line = metrics.lines().find(|line| line.starts_with(received)).map(str::to_owned).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
    };
    while started(running.observe("/metrics")) < 8 {
        assert!(waiting.iter().all(|slow| !slow.is_finished()));
    }
    for _ in 0..10 {
        assert_eq!(running.state(), 3);
        running.activate("press").unwrap();
        assert_eq!(running.get("/api/v2/quote").status, 200);
    }
    // Whatever is finished must have had its turn on this runtime to say so.
    running.runtime.block_on(tokio::task::yield_now());
    let finished = waiting.iter().filter(|slow| slow.is_finished()).count();
    assert_eq!(finished, 0, "the quick ones waited for slow ones");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Anybody may set the first manifest. One who asks for an hour of key making and hangs up is forgotten: otherwise his
/// manifest would be set in the end, and ours be refused.
#[test]
fn no_more_keys_are_made_for_a_caller_who_hung_up() {
    let running = Running::start();
    let secret = json!({"Type": "cert-rsa", "Size": 4096, "Shared": true});
    let secrets: serde_json::Map<_, _> = (0..5000).map(|n| (format!("key{n}"), secret.clone())).collect();
    let costly = manifest(json!({"press": {"Package": "cider"}}), secrets.into()).to_string();
    let address = running.process.client_addr;
    let stream = running.runtime.block_on(async {
        let mut stream = tls_stream(address, b"http/1.1").await.unwrap();
        let head = format!("POST /manifest HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", costly.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(costly.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        stream
    });
    let under_way = "server_client_api_http_in_flight_requests{path=\"/manifest\"} 1";
    while !running.observe("/metrics").contains(under_way) {}
    drop(stream);
    assert_eq!(running.set(&plain()).status, 200);
}
