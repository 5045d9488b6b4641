//! Shared secrets of whole manifests: what is made, what is kept, and what is named when it cannot be made.

use std::collections::BTreeMap;
use std::time::Duration;

use marblerun_core::keys::{FreshKeys, KeyError, KeyKind, KeyPair, KeySource};
use marblerun_core::pki::PkiError;
use marblerun_core::secrets::{self, SecretValue};
use marblerun_manifest::Manifest;
use serde_json::json;

use crate::certificates::{now, pki};
use crate::facts::facts;

type Values = BTreeMap<String, SecretValue>;

fn manifest(secrets: &serde_json::Value) -> Manifest {
    let package = json!({"SignerID": "9c".repeat(32), "ProductID": 1, "SecurityVersion": 1});
    let all = json!({
        "Packages": {"cider": package},
        "Marbles": {"press": {"Package": "cider"}},
        "Secrets": secrets,
    });
    Manifest::parse(all.to_string().as_bytes(), now()).unwrap_or_else(|why| panic!("{why}")).manifest
}

fn make(secrets: &serde_json::Value, kept: &Values) -> Result<Values, PkiError> {
    secrets::make_shared(&manifest(secrets), kept, &pki(), &FreshKeys, now())
}

fn names(values: &Values) -> Vec<&str> {
    values.keys().map(String::as_str).collect()
}

#[test]
fn only_shared_ones_are_made() {
    let made = make(
        &json!({
            "ours": {"Type": "symmetric-key", "Size": 128, "Shared": true},
            "mine": {"Type": "symmetric-key", "Size": 128},
            "front": {"Type": "cert-ed25519", "Shared": true},
            "own": {"Type": "cert-ed25519"},
            "letter": {"Type": "plain", "UserDefined": true},
            "theirs": {"Type": "symmetric-key", "Size": 128, "Shared": true, "UserDefined": true},
        }),
        &Values::new(),
    )
    .unwrap();
    assert_eq!(names(&made), ["front", "ours"]);
    assert!(matches!(&made["ours"], SecretValue::Bytes(key) if key.len() == 16));
}

#[test]
fn keys_are_kept_and_certificates_made_anew() {
    let definition = json!({
        "ours": {"Type": "symmetric-key", "Size": 128, "Shared": true},
        "grown": {"Type": "symmetric-key", "Size": 256, "Shared": true},
        "front": {"Type": "cert-ed25519", "Shared": true},
    });
    let mut before = make(&definition, &Values::new()).unwrap();
    before.insert("grown".into(), before["ours"].clone());
    before.insert("removed".into(), before["ours"].clone());
    let after = make(&definition, &before).unwrap();
    assert_eq!(names(&after), ["front", "grown", "ours"]);
    assert!(after["ours"] == before["ours"]);
    assert!(after["grown"] != before["grown"], "a key of another length is no longer this secret's");
    assert!(after["front"] != before["front"]);
}

#[test]
fn every_field_of_a_manifest_reaches_the_certificate() {
    let pki = pki();
    let definition = json!({"front": {
        "Type": "cert-ecdsa", "Size": 256, "ValidFor": 30, "Shared": true,
        "Cert": {"Subject": {"Organization": ["Orchard"]}, "DNSNames": ["cellar.example"], "KeyUsage": 5, "ExtKeyUsage": [1]},
    }});
    let made = secrets::make_shared(&manifest(&definition), &Values::new(), &pki, &FreshKeys, now()).unwrap();
    let SecretValue::Certificate { certificate, .. } = &made["front"] else { panic!("no certificate") };
    assert_eq!(
        facts(certificate, &pki, now()),
        json!({
            "subject": "CN=cellar.example,O=Orchard",
            "issuer": "CN=MarbleRun Coordinator - Intermediate CA",
            "alternatives": ["DNS:cellar.example", "IP:127.0.0.1", "IP:::1"],
            "key": "EC secp256r1",
            "usage": ["digitalSignature", "keyEncipherment"],
            "extendedUsage": ["serverAuth"],
            "ca": false,
            "critical": ["2.5.29.15", "2.5.29.19"],
            "days": 30,
            "signedBy": ["intermediate", "marble root"],
        }),
    );
}

#[test]
fn a_date_that_passed_since_the_manifest_was_set_is_named() {
    let definition = json!({"front": {
        "Type": "cert-ed25519", "Shared": true, "Cert": {"NotAfter": "2030-01-01T00:00:00Z"},
    }});
    let later = now() + Duration::from_secs(10 * 365 * 86_400);
    let refused = secrets::make_shared(&manifest(&definition), &Values::new(), &pki(), &FreshKeys, later);
    let said = refused.err().map(|why| why.to_string()).unwrap_or_default();
    assert!(said.starts_with("Secrets.front: certificate template: NotAfter"), "{said}");
}

#[test]
fn failing_keys_name_the_secret() {
    struct Broken;
    impl KeySource for Broken {
        fn key_pair(&self, _: KeyKind) -> Result<KeyPair, KeyError> {
            Err(KeyError("broken".into()))
        }
        fn fill(&self, _: &mut [u8]) -> Result<(), KeyError> {
            Err(KeyError("broken".into()))
        }
    }
    for definition in [
        json!({"Type": "cert-ed25519", "Shared": true}),
        json!({"Type": "symmetric-key", "Size": 128, "Shared": true}),
    ] {
        let manifest = manifest(&json!({"front": definition}));
        let refused = secrets::make_shared(&manifest, &Values::new(), &pki(), &Broken, now());
        assert_eq!(refused.err().map(|why| why.to_string()), Some("Secrets.front: broken".into()));
    }
}
