//! What a Coordinator sends along with its quote is enough to verify it, without any network.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marblerun_api::client::CertificateChain;
use marblerun_attest::era::{EraConfig, Tolerance};
use marblerun_attest::log::report_data;
use marblerun_attest::{Appraisal, Binding, Collateral, Memory};
use serde_json::{Value, json};

use crate::pccs::Gate;
use crate::scene::Scene;

/// The answer's `data`.
fn quote(scene: &Scene) -> Value {
    let answer: Value = serde_json::from_slice(&scene.get("/api/v3/quote?nonce=AAAA").body).unwrap();
    answer["data"].clone()
}

/// Holds the quote against what a user expects, with nothing but what is in it. `checkpoint` is the one that the user saw.
#[allow(clippy::disallowed_methods, reason = "the emulator reads the same clock")]
fn verify(scene: &Scene, quote: &Value, checkpoint: &str) -> Result<(), String> {
    let text = |name: &str| quote[name].as_str().unwrap();
    let root = scene.lab.desk.done(&["emulator", "root", "tee", "--infrastructure"]);
    let mut era = scene.package.clone();
    era["Infrastructures"] = json!({ "lab": serde_json::from_str::<Value>(&root).unwrap() });
    let era = EraConfig::from_json(era.to_string().as_bytes()).unwrap();
    let expected = era.expectation(&Tolerance::default()).unwrap();
    let chain = CertificateChain::from_pem(text("cert")).unwrap();
    let bound = report_data(chain.root(), &[0; 3], text("logKey"), checkpoint);
    let collateral: Collateral = serde_json::from_value(quote["collateral"].clone()).unwrap();
    let (roots, memory, now) = (&expected.roots, &Memory::default(), SystemTime::now());
    let appraisal = Appraisal { roots, collateral: &collateral, memory, now };
    let evidence = STANDARD.decode(text("quote")).unwrap();
    let verified = appraisal.verify(&evidence, &Binding::Exactly(bound.to_vec()), &expected.policy);
    verified.map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_quote_can_be_verified_by_what_comes_with_it() {
    let scene = Scene::new();
    let mut quote = quote(&scene);
    let checkpoint = quote["checkpoint"].as_str().unwrap().to_owned();
    verify(&scene, &quote, &checkpoint).unwrap();
    let rewritten = checkpoint.replacen("\n1\n", "\n2\n", 1);
    assert_ne!(checkpoint, rewritten);
    assert!(verify(&scene, &quote, &rewritten).unwrap_err().contains("bound to"));
    quote["collateral"] = json!({});
    verify(&scene, &quote, &checkpoint).unwrap_err();
}

#[test]
fn nobody_waits_long_for_the_vendors_service_to_get_a_quote() {
    let scene = Scene::new();
    scene.pccs.turn(Gate::Holds("tcb"));
    let before = quote(&scene);
    assert!(before["quote"].is_string() && before["collateral"].is_null(), "{before}");
    // The answer came while the service was still waited for, and not because that was given up.
    let log = scene.coordinator.log();
    assert!(!log.contains("get no collateral"), "{log}");
    // What was asked for goes on in the meantime.
    scene.pccs.turn(Gate::Open);
    let after = quote(&scene);
    verify(&scene, &after, after["checkpoint"].as_str().unwrap()).unwrap();
    // From then on the service need not be there.
    scene.pccs.turn(Gate::Away);
    assert!(quote(&scene)["collateral"].is_object());
}
