//! Activations that make RSA keys hold nobody else up.

use marblerun_testkit::client::grpc;
use serde_json::json;

use crate::running::{Running, UUID, manifest};

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
