//! The manifest of the emojivoto demo works unchanged: accepted, with a word about what no Coordinator knows, and
//! its three types activate.

use crate::running::Running;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/manifests/emojivoto.json");

#[test]
fn the_demos_manifest_is_accepted_unchanged_and_its_types_activate() {
    let manifest = std::fs::read(MANIFEST).unwrap();
    let running = Running::start();
    let answer = running.request("POST", "/manifest", &manifest).unwrap();
    assert_eq!(answer.status, 200);
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(answer["message"].as_str().unwrap().contains("Clients: unknown key"), "{answer}");
    for (marble_type, port) in [("web", "*:4433"), ("emoji-svc", "*:8080"), ("voting-svc", "*:8080")] {
        let parameters = running.activate(marble_type).unwrap();
        let ttls: serde_json::Value = serde_json::from_slice(&parameters.env["MARBLE_TTLS_CONFIG"]).unwrap();
        assert!(ttls["tls"]["Incoming"].get(port).is_some(), "{marble_type}: {ttls}");
        assert!(parameters.env.contains_key("MARBLE_PREDEFINED_PRIVATE_KEY"));
    }
}
