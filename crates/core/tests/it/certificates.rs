//! Certificates against the recorded facts about those of the reference implementation.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use marblerun_core::keys::{FreshKeys, KeyKind, KeySource as _};
use marblerun_core::pki::{CertificateRequest, MARBLE_TYPE_OID, Pki, PkiError};
use marblerun_manifest::{CertificateTemplate, Curve, Validity};
use serde_json::{Value, json};

use crate::facts::facts;

const SERVER: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT: &str = "1.3.6.1.5.5.7.3.2";

pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_795_000_000, 123_456_789)
}

pub(crate) fn pki() -> Pki {
    Pki::generate(&["localhost".into()], &[], &FreshKeys, now()).unwrap()
}

/// What a manifest that says nothing about a certificate means.
pub(crate) fn template() -> CertificateTemplate {
    let mut template = CertificateTemplate::default();
    template.dns_names = vec!["localhost".into()];
    template.ip_addresses = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    template.key_usage = 0x21;
    template.extended_key_usage = vec![SERVER.into(), CLIENT.into()];
    template.basic_constraints = true;
    template
}

pub(crate) fn request(dns: &[&str], ip: &[&str]) -> CertificateRequest {
    CertificateRequest::parse(&request_der(dns, ip)).unwrap()
}

/// A request without a subject, signed by a fresh P-384 key.
pub(crate) fn request_der(dns: &[&str], ip: &[&str]) -> Vec<u8> {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let dns = dns.iter().map(|name| rcgen::SanType::DnsName((*name).try_into().unwrap()));
    let ip = ip.iter().map(|ip| rcgen::SanType::IpAddress(ip.parse().unwrap()));
    params.subject_alt_names = dns.chain(ip).collect();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    params.serialize_request(&key).unwrap().der().to_vec()
}

pub(crate) fn public(kind: KeyKind) -> Vec<u8> {
    FreshKeys.key_pair(kind).unwrap().public
}

fn golden(file: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden/api/");
    serde_json::from_slice(&std::fs::read(format!("{folder}{file}.json")).unwrap()).unwrap()
}

/// The recorded facts in the answers that hold one at this pointer, in order.
fn recorded(file: &str, pointer: &str) -> Vec<Value> {
    let scenario = golden(file);
    let steps = scenario["steps"].as_array().unwrap().clone();
    steps.iter().filter_map(|step| step["answer"]["facts"].get(pointer)).cloned().collect()
}

#[track_caller]
fn check(der: &[u8], pki: &Pki, expected: &Value) {
    assert_eq!(facts(der, pki, now()), *expected);
}

#[test]
fn the_coordinators_own_are_as_recorded() {
    for (file, names, addresses) in [
        ("certificates", vec!["localhost"], vec![]),
        ("certificates-dns-names", vec!["localhost", "mesh.orchard.example"], vec!["10.20.30.40"]),
    ] {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let addresses: Vec<IpAddr> = addresses.into_iter().map(|ip: &str| ip.parse().unwrap()).collect();
        let pki = Pki::generate(&names, &addresses, &FreshKeys, now()).unwrap();
        let chain = &recorded(file, "/data/cert")[0];
        check(&pki.intermediate, &pki, &chain[0]);
        check(&pki.root, &pki, &chain[1]);
        let listeners = recorded(file, "/presents");
        check(&pki.root, &pki, &listeners[0][0]);
        check(&pki.marble_root, &pki, &listeners[1][0]);
    }
}

#[test]
fn loopback_addresses_are_there_once() {
    let given = ["::1".parse().unwrap(), "127.0.0.1".parse().unwrap()];
    let pki = Pki::generate(&[], &given, &FreshKeys, now()).unwrap();
    assert_eq!(facts(&pki.root, &pki, now())["alternatives"], json!(["IP:127.0.0.1", "IP:::1"]));
}

#[test]
fn marbles_are_as_recorded() {
    let pki = pki();
    let key = public(KeyKind::Ecdsa(Curve::P384));
    let chains = recorded("activate-identity", "/env/MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN");
    let asked: [(&[&str], &[&str]); 4] = [
        (&["localhost"], &["127.0.0.1"]),
        (&["localhost"], &["127.0.0.1"]),
        (&["press.orchard.example", "*.orchard.example"], &["10.1.2.3", "2001:db8::7"]),
        (&[], &[]),
    ];
    for (chain, (dns, ip)) in chains.iter().zip(asked) {
        let expected = &chain[0];
        let uuid = expected["subject"].as_str().unwrap().strip_prefix("CN=").unwrap();
        let issued = pki.issue_marble(&request(dns, ip), "press", uuid, &key, &FreshKeys, now()).unwrap();
        check(&issued, &pki, expected);
    }
}

#[test]
fn certificate_secrets_of_every_kind_are_as_recorded() {
    let pki = pki();
    for (place, kind) in [
        ("/env/P224", KeyKind::Ecdsa(Curve::P224)),
        ("/env/P256", KeyKind::Ecdsa(Curve::P256)),
        ("/env/P384", KeyKind::Ecdsa(Curve::P384)),
        ("/env/P521", KeyKind::Ecdsa(Curve::P521)),
        ("/env/ED", KeyKind::Ed25519),
        ("/env/RSA", KeyKind::Rsa(2048)),
    ] {
        let issued = pki.issue_secret(&template(), &public(kind), &FreshKeys, now()).unwrap();
        let mut expected = recorded("secrets-certificates", place)[0][0].clone();
        if place == "/env/RSA" {
            expected["key"] = json!("RSA");
        }
        check(&issued, &pki, &expected);
    }
}

fn subject(parts: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    parts.iter().map(|(oid, values)| ((*oid).to_owned(), owned(values))).collect()
}

fn changed(change: impl FnOnce(&mut CertificateTemplate)) -> CertificateTemplate {
    let mut template = template();
    change(&mut template);
    template
}

#[test]
fn fields_of_a_template_are_as_recorded() {
    let pki = pki();
    let key = public(KeyKind::Ecdsa(Curve::P256));
    let named = subject(&[
        ("2.5.4.6", &["AT"]),
        ("2.5.4.10", &["Orchard"]),
        ("2.5.4.11", &["Cellar"]),
        ("2.5.4.7", &["Graz"]),
        ("2.5.4.8", &["Styria"]),
        ("2.5.4.3", &["cellar door"]),
    ]);
    let cases = [
        ("subject", changed(|t| t.subject = named)),
        ("name", changed(|t| t.dns_names = vec!["cellar.example".into()])),
        ("names", changed(|t| t.dns_names = vec!["a.example".into(), "b.example".into()])),
        (
            "address",
            changed(|t| t.ip_addresses = vec!["192.0.2.9".parse().unwrap(), "2001:db8::9".parse().unwrap()]),
        ),
        (
            "usage",
            changed(|t| {
                t.key_usage = 5;
                t.extended_key_usage = vec![SERVER.into()];
            }),
        ),
        ("days", changed(|t| t.validity = Validity::Days(30))),
        ("others", changed(|t| t.email_addresses = vec!["cellar@orchard.example".into()])),
    ];
    for (name, template) in cases {
        let issued = pki.issue_secret(&template, &key, &FreshKeys, now()).unwrap();
        check(&issued, &pki, &recorded("secrets-certificate-fields", &format!("/files/~1{name}"))[0][0]);
    }
}

#[test]
fn fields_that_no_recording_has() {
    let pki = pki();
    let key = public(KeyKind::Ed25519);
    let of = |change: fn(&mut CertificateTemplate)| {
        facts(&pki.issue_secret(&changed(change), &key, &FreshKeys, now()).unwrap(), &pki, now())
    };
    let serial = of(|t| t.subject = subject(&[("2.5.4.10", &["B", "A"]), ("2.5.4.5", &["7"])]));
    assert_eq!(serial["subject"], "SERIALNUMBER=7,CN=localhost,O=A+O=B");
    assert_eq!(of(|t| t.key_usage = 0)["usage"], json!([]));
    assert_eq!(of(|t| t.key_usage = 0x1ff)["usage"].as_array().unwrap().len(), 9);
    assert_eq!(of(|t| t.basic_constraints = false)["ca"], Value::Null);
    assert_eq!(
        of(|t| t.uris = vec!["spiffe://orchard/press".into()])["alternatives"][3],
        "URI:spiffe://orchard/press"
    );
    let own = of(|t| t.extensions = vec![("1.2.3.4".into(), true, vec![0xde, 0xad])]);
    assert_eq!(own["otherExtensions"], json!({"1.2.3.4": "dead"}));
    assert_eq!(own["critical"], json!(["1.2.3.4", "2.5.29.15", "2.5.29.19"]));
    let replaced = of(|t| t.extensions = vec![("2.5.29.15".into(), false, vec![3, 2, 7, 0x80])]);
    assert_eq!(
        (&replaced["usage"], &replaced["critical"]),
        (&json!(["digitalSignature"]), &json!(["2.5.29.19"]))
    );
}

#[test]
fn templates_that_would_harm_are_refused() {
    let pki = pki();
    let key = public(KeyKind::Ed25519);
    let extension = |oid: &str, value: &[u8]| vec![(oid.to_owned(), false, value.to_vec())];
    let cases = [
        (
            "authority",
            changed(|t| t.extensions = extension("2.5.29.19", &[0x30, 3, 1, 1, 0xff])),
            "authority",
        ),
        ("unreadable constraints", changed(|t| t.extensions = extension("2.5.29.19", &[0x30])), "authority"),
        (
            "a marble's mark",
            changed(|t| t.extensions = extension(MARBLE_TYPE_OID, b"press")),
            "mark of a marble",
        ),
        ("authority key", changed(|t| t.extensions = extension("2.5.29.35", &[0x30, 0])), "Coordinator's"),
        (
            "twice",
            changed(|t| t.extensions = [extension("1.2.3", b""), extension("1.2.3", b"a")].concat()),
            "given twice",
        ),
        (
            "no identifier",
            changed(|t| t.extensions = extension("press", b"")),
            "\"press\" is no object identifier",
        ),
        ("expired", changed(|t| t.validity = Validity::Until(now())), "NotAfter"),
        ("no days", changed(|t| t.validity = Validity::Days(0)), "NotAfter"),
        ("not ASCII", changed(|t| t.dns_names = vec!["\u{fc}.example".into()]), "DNSNames"),
        ("unknown usage", changed(|t| t.key_usage = 0x200), "KeyUsage"),
        ("no type", changed(|t| t.subject = subject(&[("O", &["A"])])), "\"O\" is no object identifier"),
    ];
    for (name, template, why) in cases {
        match pki.issue_secret(&template, &key, &FreshKeys, now()) {
            Err(PkiError::Template(said)) => assert!(said.contains(why), "{name}: {said}"),
            other => panic!("{name}: {:?}", other.map(|_| "a certificate")),
        }
    }
}

#[test]
fn strange_clocks_give_errors_or_certificates_but_never_panics() {
    let year = Duration::from_secs(365 * 86_400);
    for clock in
        [SystemTime::UNIX_EPOCH, now() - 10 * year, now() + 10 * year, SystemTime::UNIX_EPOCH + 7_000 * year]
    {
        assert!(Pki::generate(&[], &[], &FreshKeys, clock).is_ok());
    }
    for clock in [SystemTime::UNIX_EPOCH - year, SystemTime::UNIX_EPOCH + 9_000 * year] {
        assert!(Pki::generate(&[], &[], &FreshKeys, clock).is_err());
    }
}

#[test]
fn an_update_keeps_the_root_and_renews_the_rest() {
    let before = pki();
    let after = before.with_new_intermediate(&["localhost".into()], &[], &FreshKeys, now()).unwrap();
    assert!(before.root == after.root && before.root_key.bytes() == after.root_key.bytes());
    assert!(before.intermediate_key.bytes() != after.intermediate_key.bytes());
    assert!(before.intermediate != after.intermediate && before.marble_root != after.marble_root);
    let issued = before.issue_secret(&template(), &public(KeyKind::Ed25519), &FreshKeys, now()).unwrap();
    assert_eq!(facts(&issued, &after, now())["signedBy"], json!([]));
}

#[test]
fn survives_being_stored() {
    let before = pki();
    let after: Pki = serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
    let parts = |pki: &Pki| {
        let keys = [&pki.root_key, &pki.intermediate_key].map(|key| key.bytes().private.to_vec());
        (keys, pki.root.clone(), pki.intermediate.clone(), pki.marble_root.clone())
    };
    assert!(parts(&before) == parts(&after));
    assert!(serde_json::from_str::<Pki>(r#"{"root_key":"AAAA"}"#).is_err());
}
