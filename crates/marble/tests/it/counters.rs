//! Monotonic counters from a marble's own environment, against the real Coordinator.

use std::collections::BTreeMap;

use marblerun_api::client::ClientError;
use marblerun_marble::{CounterError, Counters};
use marblerun_testkit::client::http::{Request, Transport, send};
use marblerun_testkit::client::{grpc, tls};
use marblerun_testkit::program::{Coordinator, Options};
use serde_json::json;

const UUID: &str = "0d1e2f30-4152-4637-8a9b-acbdcedff001";

/// The variables of an activated marble.
async fn activated(coordinator: &Coordinator) -> BTreeMap<String, String> {
    let manifest = json!({
        "Packages": {"p": {"UniqueID": "ab".repeat(32)}},
        "Marbles": {"web": {"Package": "p"}},
        "Config": {"FeatureGates": ["MonotonicCounter"]},
    });
    let (method, path) = ("POST".into(), "/manifest".into());
    let request = Request { method, path, headers: vec![], body: manifest.to_string().into() };
    let set = send(coordinator.client_addr, Transport::Tls(None), request).await.unwrap();
    assert_eq!(set.status, 200);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let csr = params.serialize_request(&key).unwrap().der().to_vec();
    let pem = params.self_signed(&key).unwrap().pem();
    let identity = tls::Identity::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let ask = marblerun_api::grpc::ActivationReq {
        csr,
        marble_type: "web".into(),
        uuid: UUID.into(),
        ..Default::default()
    };
    let answer = grpc::activate(coordinator.mesh_addr, Some(&identity), ask).await.unwrap().unwrap();
    let env = answer.parameters.unwrap().env;
    env.into_iter().map(|(name, value)| (name, String::from_utf8(value).unwrap())).collect()
}

#[tokio::test]
async fn a_marble_raises_its_counters_and_trusts_its_own_coordinator_only() {
    let coordinator = Coordinator::start(Options::default()).unwrap();
    let variables = activated(&coordinator).await;
    let variable = |name: &str| variables.get(name).cloned();
    let address = format!("localhost:{}", coordinator.client_addr.port());
    let counters = Counters::from_variables(&address, variable).unwrap();
    assert_eq!(counters.raise("disk", 7).await.unwrap(), 0);
    assert_eq!(counters.raise("disk", 5).await.unwrap(), 7);
    assert_eq!(counters.raise("disk", 8).await.unwrap(), 7);
    assert_eq!(counters.raise("other", 1).await.unwrap(), 0);
    let other = Coordinator::start(Options::default()).unwrap();
    let address = format!("localhost:{}", other.client_addr.port());
    let elsewhere = Counters::from_variables(&address, variable).unwrap().raise("disk", 9).await;
    assert!(matches!(elsewhere, Err(CounterError::Call(ClientError::Untrusted { .. }))), "{elsewhere:?}");
    let missing = Counters::from_variables(&address, |_| None).err().unwrap();
    assert!(missing.to_string().contains("MARBLE_PREDEFINED_COORDINATOR_ROOT_CA is not set"), "{missing}");
}
