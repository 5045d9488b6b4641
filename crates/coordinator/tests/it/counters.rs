//! Monotonic counters over the wire: whose they are, and what is never lost.

use marblerun_testkit::client::grpc;
use marblerun_testkit::client::http::{Request, Response, Transport, send};
use marblerun_testkit::client::tls::Identity;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::running::{Running, data, manifest};

const PATH: &str = "/api/v2/monotonic-counter";
const OTHER_UUID: &str = "0d1e2f30-4152-4637-8a9b-acbdcedff002";

/// `press` and `cellar`; `press` has a certificate secret besides its own certificate.
fn with_counters() -> Value {
    let env = json!({"CERT": "{{ pem .Secrets.side.Cert }}", "KEY": "{{ pem .Secrets.side.Private }}"});
    let mut manifest = manifest(
        json!({"press": {"Package": "cider", "Parameters": {"Env": env}}, "cellar": {"Package": "cider"}}),
        json!({"side": {"Type": "cert-ecdsa", "Size": 256, "Cert": {"Subject": {"CommonName": crate::running::UUID}}}}),
    );
    manifest["Config"] = json!({"FeatureGates": ["MonotonicCounter"]});
    manifest
}

/// A marble's own identity, and its further variables as PEM.
fn activate(running: &Running, marble_type: &str, uuid: &str) -> (Identity, Identity) {
    let ask = running.marble.asks(marble_type, uuid);
    let answer = grpc::activate(running.process.mesh_addr, Some(&running.marble.identity), ask);
    let env = running.runtime.block_on(answer).unwrap().unwrap().parameters.unwrap().env;
    let identity = |chain: &str, key: &str| Identity::from_pem(&env[chain], &env[key]).unwrap();
    let own = identity("MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN", "MARBLE_PREDEFINED_PRIVATE_KEY");
    let side = if env.contains_key("CERT") { identity("CERT", "KEY") } else { own.clone() };
    (own, side)
}

fn raise(running: &Running, identity: Option<&Identity>, body: &str) -> Response {
    let request = Request { method: "POST".into(), path: PATH.into(), headers: vec![], body: body.into() };
    running.runtime.block_on(send(running.process.client_addr, Transport::Tls(identity), request)).unwrap()
}

/// The value before.
fn counted(running: &Running, identity: &Identity, name: &str, value: u64) -> u64 {
    let answer = raise(running, Some(identity), &json!({"name": name, "value": value}).to_string());
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    data(&answer)["value"].as_u64().unwrap()
}

#[test]
fn a_marble_reaches_its_own_counters_only_and_they_outlive_a_kill() {
    let mut running = Running::serving(&with_counters());
    let (press, side) = activate(&running, "press", crate::running::UUID);
    let (other, _) = activate(&running, "press", OTHER_UUID);
    let (cellar, _) = activate(&running, "cellar", crate::running::UUID);
    assert_eq!(counted(&running, &press, "n", 5), 0);
    assert_eq!((counted(&running, &other, "n", 1), counted(&running, &cellar, "n", 2)), (0, 0));
    assert_eq!(counted(&running, &press, "n", 3), 5);
    let body = r#"{"name":"n","value":9}"#;
    let stranger = &running.marble.identity;
    for (who, identity) in
        [("nobody", None), ("a self-signed one", Some(stranger)), ("a secret", Some(&side))]
    {
        assert_eq!(raise(&running, identity, body).status, 401, "{who}");
    }
    // A marble's public certificate behind a stranger's leaf proves nothing.
    let own: Vec<CertificateDer<'static>> = running.runtime.block_on(async {
        let ask = running.marble.asks("press", crate::running::UUID);
        let answer = grpc::activate(running.process.mesh_addr, Some(&running.marble.identity), ask);
        let env = answer.await.unwrap().unwrap().parameters.unwrap().env;
        let chain = &env["MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"];
        CertificateDer::pem_slice_iter(chain).map(Result::unwrap).collect()
    });
    let behind = [vec![running.marble.certificate.clone()], own].concat();
    let behind = Identity::new(behind, &running.marble.key).unwrap();
    assert_eq!(raise(&running, Some(&behind), body).status, 401);
    running.process.restart().unwrap();
    assert_eq!(counted(&running, &press, "n", 0), 5);
    let (again, _) = activate(&running, "press", crate::running::UUID);
    assert_eq!(counted(&running, &again, "n", 6), 5);
}

#[test]
fn what_is_no_raise_is_refused() {
    let running = Running::serving(&with_counters());
    let (press, _) = activate(&running, "press", crate::running::UUID);
    let long = json!({"name": "n".repeat(257), "value": 1}).to_string();
    let huge = json!({"name": "n".repeat(5000), "value": 1}).to_string();
    for (body, expected) in [
        (r#"{"name":"n","value":18446744073709551616}"#, 400),
        (r#"{"name":"n","value":-1}"#, 400),
        (r#"{"name":"n","value":1,"value":2}"#, 400),
        (r#"{"name":"n"}"#, 400),
        (r#"{"name":"n","value":1} x"#, 400),
        (&long, 400),
        (&huge, 413),
    ] {
        assert_eq!(raise(&running, Some(&press), body).status, expected, "{body:.60}");
    }
    assert_eq!(counted(&running, &press, "n", 1), 0);
}

/// Raises that wait for the same durable step see each other, each exactly once.
#[test]
fn concurrent_raises_have_an_order() {
    let running = Running::serving(&with_counters());
    let (press, _) = activate(&running, "press", crate::running::UUID);
    let address = running.process.client_addr;
    let mut before: Vec<u64> = running.runtime.block_on(async {
        let raises = (1..=16_u64).map(|value| {
            let press = press.clone();
            tokio::spawn(async move {
                let body = json!({"name": "n", "value": value}).to_string().into_bytes();
                let request = Request { method: "POST".into(), path: PATH.into(), headers: vec![], body };
                let answer = send(address, Transport::Tls(Some(&press)), request).await.unwrap();
                (value, data(&answer)["value"].as_u64().unwrap())
            })
        });
        let mut raised = Vec::new();
        for raise in raises.collect::<Vec<_>>() {
            let (value, before) = raise.await.unwrap();
            if before < value {
                raised.push(before);
            }
        }
        raised
    });
    before.sort_unstable();
    let count = before.len();
    before.dedup();
    assert_eq!(before.len(), count, "two raises saw the same value before them: {before:?}");
    assert_eq!(counted(&running, &press, "n", 0), 16);
}
