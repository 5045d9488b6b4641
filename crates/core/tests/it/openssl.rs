//! OpenSSL's command line as the judge of keys, certificates and chains, and as a maker of requests.

use std::path::Path;
use std::process::{Command, Output};

use marblerun_core::keys::{FreshKeys, KeyKind, KeyPair, KeySource as _};
use marblerun_core::pki::{CertificateRequest, Pki, PkiError};
use marblerun_manifest::Curve;

use crate::certificates::{now, pki, public, request, template};

const UUID: &str = "0d1e2f30-4152-4637-8a9b-acbdcedff001";

pub(crate) const KINDS: [KeyKind; 8] = [
    KeyKind::Ecdsa(Curve::P224),
    KeyKind::Ecdsa(Curve::P256),
    KeyKind::Ecdsa(Curve::P384),
    KeyKind::Ecdsa(Curve::P521),
    KeyKind::Ed25519,
    KeyKind::Rsa(2048),
    KeyKind::Rsa(3072),
    KeyKind::Rsa(4096),
];

/// A folder for files, if there is an `openssl` to read them.
fn workshop() -> Option<tempfile::TempDir> {
    if Command::new("openssl").arg("version").output().is_err() {
        crate::say("SKIPPED: there is no openssl");
        return None;
    }
    Some(tempfile::tempdir().unwrap())
}

fn openssl(folder: &Path, arguments: &str) -> Output {
    Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap()
}

/// What it prints; panics with what it complains about.
#[track_caller]
fn run(folder: &Path, arguments: &str) -> Vec<u8> {
    let output = openssl(folder, arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "openssl {arguments}: {complaint}{said}");
    output.stdout
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).unwrap();
}

fn put_certificate(folder: &Path, name: &str, der: &[u8]) {
    put(folder, "some.der", der);
    run(folder, &format!("x509 -inform DER -in some.der -out {name}.pem"));
}

fn put_authorities(folder: &Path, pki: &Pki) {
    put_certificate(folder, "root", &pki.root);
    put_certificate(folder, "intermediate", &pki.intermediate);
    put_certificate(folder, "marbleroot", &pki.marble_root);
}

fn put_key(folder: &Path, pair: &KeyPair) {
    put(folder, "key.der", &pair.private);
}

#[test]
fn reads_private_keys_of_every_kind() {
    let Some(folder) = workshop() else { return };
    for kind in KINDS {
        let pair = FreshKeys.key_pair(kind).unwrap();
        put_key(folder.path(), &pair);
        run(folder.path(), "pkey -inform DER -in key.der -check -noout");
        let public = run(folder.path(), "pkey -inform DER -in key.der -pubout -outform DER");
        assert_eq!(public, pair.public, "{kind:?}");
    }
}

/// Chains that must hold, whatever the leaf: under the root, the marble root, and the intermediate alone.
#[track_caller]
fn check_chains(folder: &Path, options: &str) {
    for anchor in [
        "-CAfile root.pem -untrusted intermediate.pem",
        "-CAfile marbleroot.pem",
        "-partial_chain -trusted intermediate.pem",
    ] {
        run(folder, &format!("verify -no-CApath -no-CAstore {options} {anchor} leaf.pem"));
    }
}

#[test]
fn accepts_marbles_under_both_anchors() {
    let Some(folder) = workshop() else { return };
    let pki = pki();
    put_authorities(folder.path(), &pki);
    let asked = request(&["press.example"], &["10.1.2.3", "2001:db8::7"]);
    let key = public(KeyKind::Ecdsa(Curve::P384));
    let leaf = pki.issue_marble(&asked, "press", UUID, &key, &FreshKeys, now()).unwrap();
    put_certificate(folder.path(), "leaf", &leaf);
    for options in [
        "-x509_strict -purpose sslserver -verify_hostname press.example",
        "-x509_strict -purpose sslclient -verify_ip 2001:db8::7",
        // 200 years on: GeneralizedTime is read as well as written.
        "-attime 8100000000 -verify_ip 10.1.2.3",
    ] {
        check_chains(folder.path(), options);
    }
}

#[test]
fn accepts_certificate_secrets_of_every_kind() {
    let Some(folder) = workshop() else { return };
    let pki = pki();
    put_authorities(folder.path(), &pki);
    for kind in KINDS {
        let leaf = pki.issue_secret(&template(), &public(kind), &FreshKeys, now()).unwrap();
        put_certificate(folder.path(), "leaf", &leaf);
        check_chains(
            folder.path(),
            &format!("-attime {} -purpose sslserver -verify_hostname localhost", seconds() + 86_400),
        );
    }
}

fn seconds() -> u64 {
    now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn refuses_what_others_issued() {
    let Some(folder) = workshop() else { return };
    let ours = pki();
    put_authorities(folder.path(), &ours);
    let updated = ours.with_new_intermediate(&[], &[], &FreshKeys, now()).unwrap();
    let asked = request(&[], &[]);
    let key = public(KeyKind::Ecdsa(Curve::P384));
    for (name, stranger) in [("another deployment", pki()), ("after an update", updated)] {
        let leaf = stranger.issue_marble(&asked, "press", UUID, &key, &FreshKeys, now()).unwrap();
        put_certificate(folder.path(), "leaf", &leaf);
        let refused = openssl(folder.path(), "verify -no-CApath -no-CAstore -CAfile marbleroot.pem leaf.pem");
        assert!(!refused.status.success(), "{name}");
    }
    put_certificate(folder.path(), "leaf", &pki().intermediate);
    let refused = openssl(folder.path(), "verify -no-CApath -no-CAstore -CAfile root.pem leaf.pem");
    assert!(!refused.status.success(), "another root's intermediate");
}

/// A request that OpenSSL makes with a key of these options, signed with these.
fn made_request(folder: &Path, key: &str, signing: &str) -> Result<CertificateRequest, PkiError> {
    run(folder, &format!("genpkey {key} -out request.key"));
    run(
        folder,
        &format!(
            "req -new -config /dev/null -key request.key {signing} -subj /O=Orchard/CN=admin -addext \
             subjectAltName=DNS:a.example,IP:10.1.2.3 -outform DER -out request.der"
        ),
    );
    CertificateRequest::parse(&std::fs::read(folder.join("request.der")).unwrap())
}

#[test]
fn its_requests_are_read_whatever_the_key() {
    let Some(folder) = workshop() else { return };
    let ec = |curve: &str| format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve}");
    let rsa = |bits: u32| format!("-algorithm RSA -pkeyopt rsa_keygen_bits:{bits}");
    for (key, signing) in [
        (ec("P-256"), "-sha256"),
        (ec("P-256"), "-sha512"),
        (ec("P-384"), "-sha256"),
        (ec("P-384"), "-sha384"),
        (ec("P-521"), "-sha384"),
        (ec("P-521"), "-sha512"),
        (rsa(2048), "-sha256"),
        (rsa(3072), "-sha384"),
        (rsa(2048), "-sha512"),
        (rsa(2048), "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest"),
        ("-algorithm ED25519".into(), "-batch"),
    ] {
        let request =
            made_request(folder.path(), &key, signing).unwrap_or_else(|why| panic!("{key} {signing}: {why}"));
        assert_eq!(request.dns_names, ["a.example"], "{key} {signing}");
        assert_eq!(
            request.ip_addresses,
            ["10.1.2.3".parse::<std::net::IpAddr>().unwrap()],
            "{key} {signing}"
        );
    }
}

#[test]
fn requests_with_weak_or_strange_keys_are_refused() {
    let Some(folder) = workshop() else { return };
    let ec = |curve: &str| format!("-algorithm EC -pkeyopt ec_paramgen_curve:{curve}");
    for (key, signing, why) in [
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:1024".into(), "-sha256", "has 1024 bits"),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:2048".into(), "-sha1", "use SHA-256"),
        (ec("P-256"), "-sha1", "is not supported"),
        (ec("P-224"), "-sha256", "is not supported"),
        (ec("secp256k1"), "-sha256", "is not supported"),
        ("-algorithm ED448".into(), "-batch", "is not supported"),
    ] {
        match made_request(folder.path(), &key, signing) {
            Err(PkiError::Request(said)) => assert!(said.contains(why), "{key}: {said}"),
            other => panic!("{key}: {:?}", other.map(|_| "accepted")),
        }
    }
}
