//! The Coordinator's word about quotes of others: given for genuine ones, whatever the vendor says of their platforms, and
//! for nothing else.

use aws_lc_rs::signature::{ECDSA_P384_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marblerun_testkit::client::http::Response;
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::der::DecodePem as _;

use crate::desk::MANIFEST;
use crate::pccs::Gate;
use crate::scene::{Scene, json_of};

const PATH: &str = "/api/v2/sign-quote";

/// What the quotes are bound to: nothing of the Coordinator's.
const BOUND: &[u8] = b"a promise to somebody else";

fn ask(scene: &Scene, quote: &[u8]) -> Response {
    scene.post(PATH, &json!({ "sgxQuote": STANDARD.encode(quote) }))
}

/// The public key of the Coordinator's root certificate.
fn root_key(scene: &Scene) -> Vec<u8> {
    let answer = json_of(&scene.get("/api/v2/quote"));
    let chain = answer["data"]["cert"].as_str().unwrap().to_owned();
    let root = chain.rfind("-----BEGIN").map(|begin| &chain[begin..]).unwrap();
    let root = Certificate::from_pem(root).unwrap();
    let key = &root.tbs_certificate().subject_public_key_info().subject_public_key;
    key.raw_bytes().to_vec()
}

/// The answer is signed for this quote and this status, and for no others.
#[track_caller]
fn signed(scene: &Scene, quote: &[u8], status: &str) {
    let answer = ask(scene, quote);
    assert_eq!(answer.status, 200, "{answer:?}");
    let data = json_of(&answer)["data"].take();
    assert_eq!(data["tcbStatus"], status);
    let signature = STANDARD.decode(data["verificationSignature"].as_str().unwrap()).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P384_SHA256_ASN1, root_key(scene));
    let is_for = |quote: &[u8], status: &str| {
        key.verify(format!("{}{status}", STANDARD.encode(quote)).as_bytes(), &signature).is_ok()
    };
    assert!(is_for(quote, status));
    assert!(!is_for(&quote[1..], status) && !is_for(quote, "SWHardeningNeeded"));
}

/// The answer is 400 and says why where clients look for it.
#[track_caller]
fn no_quote(scene: &Scene, quote: &[u8], words: &str) {
    let answer = ask(scene, quote);
    let body = json_of(&answer);
    assert_eq!((answer.status, &body["status"]), (400, &Value::from("fail")), "{body}");
    let why = body["data"]["sgxQuote"].as_str().unwrap();
    assert!(why.contains(words), "{why}");
}

#[test]
fn a_genuine_quote_is_signed_with_what_its_vendor_says() {
    let scene = Scene::new();
    let quote = scene.quote("default", BOUND);
    signed(&scene, &quote, "UpToDate");
    scene.lab.desk.done(&["emulator", "set", "tee", "--tcb", "OutOfDate"]);
    // The manifest wants platforms that are up to date, and this one is none of its marbles.
    signed(&scene, &scene.quote("default", BOUND), "OutOfDate");
    // The quote from before speaks for the platform as it was.
    signed(&scene, &quote, "UpToDate");
}

#[test]
fn what_is_no_genuine_quote_is_not_signed() {
    let scene = Scene::new();
    let quote = scene.quote("default", BOUND);
    for (name, place) in [("MRENCLAVE", 112), ("report data", 368), ("signature", 440)] {
        let mut spoiled = quote.clone();
        spoiled[place] ^= 1;
        assert_eq!(ask(&scene, &spoiled).status, 400, "{name}");
        no_quote(&scene, &spoiled, "signature");
    }
    no_quote(&scene, &quote[..quote.len() / 2], "no quote that counts");
    no_quote(&scene, b"", "no quote that counts");
    // Another software TEE's, which nobody named.
    let other = Scene::new();
    no_quote(&scene, &other.quote("default", BOUND), "no trusted root of this vendor");
    signed(&scene, &quote, "UpToDate");
}

#[test]
fn without_collateral_nothing_is_signed() {
    let scene = Scene::new();
    let quote = scene.quote("default", BOUND);
    scene.pccs.turn(Gate::Away);
    let answer = ask(&scene, &quote);
    let body = json_of(&answer);
    assert_eq!((answer.status, &body["status"]), (503, &Value::from("error")), "{body}");
    assert!(body["message"].as_str().unwrap().contains("collateral"), "{body}");
    assert_eq!(body["data"], Value::Null);
}

#[test]
fn a_closed_gate_signs_nothing() {
    let scene = Scene::with_manifest(|_| serde_json::from_str(MANIFEST).unwrap());
    let answer = ask(&scene, &scene.quote("default", BOUND));
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(scene.pccs.asked("/"), 0, "nothing is done for it");
}
