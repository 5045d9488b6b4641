//! What the parts of an activation cost here: `cargo test --release -p marblerun-core --test it costs -- --ignored
//! --nocapture`. A measurement, not a check: machines differ and are shared.

use std::time::{Duration, Instant};

use marblerun_core::keys::{FreshKeys, KeyKind, KeySource as _};
use marblerun_core::pki::CertificateRequest;
use marblerun_core::secrets::RootSecret;
use marblerun_manifest::Curve;

use crate::certificates::{now, pki, public, request, request_der, template};

const ROUNDS: u32 = 10;
const BATCHES: u32 = 200;

/// The mean of the best batch: the others were disturbed. Batches are shorter than the slices of a busy machine.
fn measure(what: &str, mut work: impl FnMut()) {
    let batch = |_| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        start.elapsed() / ROUNDS
    };
    let best = (0..BATCHES).map(batch).min().unwrap_or(Duration::ZERO);
    println!("{what:<40} {:>8.1} us", best.as_secs_f64() * 1e6);
}

#[test]
#[ignore = "a measurement"]
fn costs() {
    let pki = pki();
    let key = KeyKind::Ecdsa(Curve::P384);
    let (der, asked, public_key) =
        (request_der(&["localhost"], &[]), request(&["localhost"], &[]), public(key));
    let root = RootSecret::generate(&FreshKeys).unwrap();
    let uuid = uuid::Uuid::from_u128(7);
    measure("P-384 key pair", || drop(FreshKeys.key_pair(key)));
    measure("P-224 key pair", || drop(FreshKeys.key_pair(KeyKind::Ecdsa(Curve::P224))));
    measure("signature alone", || drop(pki.root_key.sign_sha384(&der)));
    measure("issue_marble", || {
        drop(pki.issue_marble(
            &asked,
            "press",
            "0d1e2f30-4152-4637-8a9b-acbdcedff001",
            &public_key,
            &FreshKeys,
            now(),
        ));
    });
    measure("issue_secret", || drop(pki.issue_secret(&template(), &public_key, &FreshKeys, now())));
    measure("CertificateRequest::parse (P-384)", || drop(CertificateRequest::parse(&der)));
    measure("derive 32 bytes", || drop(root.derive(Some("press"), uuid, "mine", 32)));
}
