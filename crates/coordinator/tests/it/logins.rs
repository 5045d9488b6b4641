//! Client certificates as people have them, made by OpenSSL: who is logged in, and who is not.

use std::path::Path;

use marblerun_testkit::client::http::{Request, Transport, send};
use marblerun_testkit::client::tls::Identity;
use marblerun_testkit::client::{grpc, tls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tempfile::TempDir;

use crate::running::{Running, UUID, manifest, run, text};

/// Name, arguments of `openssl genpkey`, arguments of `openssl req -x509`.
const KINDS: [(&str, &[&str], &[&str]); 9] = [
    ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &[]),
    ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], &[]),
    ("p521", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], &[]),
    ("ed25519", &["-algorithm", "ED25519"], &[]),
    ("rsa2048", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], &[]),
    ("unknown-critical", &["-algorithm", "ED25519"], &["-addext", "1.2.3.4=critical,ASN1:UTF8String:what"]),
    ("short-lived", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &["-days", "1"]),
    ("v1", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], &[]),
    ("rsa1024", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], &[]),
];

/// Makes `NAME.pem` and `NAME.key` of every kind; `None` without OpenSSL.
fn make_all(folder: &Path) -> Option<()> {
    for (name, key, certificate) in KINDS {
        let (key_file, certificate_file) = (format!("{name}.key"), format!("{name}.pem"));
        let made = run("openssl", &[&["genpkey", "-out", &key_file], key].concat(), folder)?;
        assert!(made.status.success(), "{}", text(&made));
        if name == "v1" {
            let request = ["req", "-new", "-key", &key_file, "-subj", "/CN=v1", "-out", "v1.csr"];
            assert!(run("openssl", &request, folder)?.status.success());
            let sign = ["x509", "-req", "-in", "v1.csr", "-signkey", &key_file, "-out", &certificate_file];
            let made = run("openssl", &sign, folder)?;
            assert!(made.status.success(), "{}", text(&made));
            let shown = text(&run("openssl", &["x509", "-in", "v1.pem", "-noout", "-text"], folder)?);
            assert!(shown.contains("Version: 1"), "{shown}");
            continue;
        }
        let subject = format!("/CN={name}");
        let base = ["req", "-x509", "-new", "-key", &key_file, "-subj", &subject, "-out", &certificate_file];
        let made = run("openssl", &[&base, certificate].concat(), folder)?;
        assert!(made.status.success(), "{name}: {}", text(&made));
    }
    Some(())
}

/// The status of `GET /api/v2/secrets`, asked by curl with this certificate; 0 if there is no answer.
fn ask(running: &Running, folder: &Path, name: &str, version: &str) -> Option<u16> {
    let url = format!("https://{}/api/v2/secrets?s=shared", running.process.client_addr);
    let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
    let floor = format!("--tlsv{version}");
    // OpenSSL itself refuses small keys at its usual security level.
    let base = ["-sk", "-o", "/dev/null", "-w", "%{http_code}", "--ciphers", "DEFAULT:@SECLEVEL=0"];
    let login = ["--cert", &certificate, "--key", &key, &floor, "--tls-max", version, &url];
    let output = run("curl", &[&base[..], &login[..]].concat(), folder)?;
    Some(String::from_utf8_lossy(&output.stdout).parse().unwrap())
}

/// `shared` may be read by all `users`.
fn with_users(folder: &Path, users: &[&str]) -> serde_json::Value {
    let mut manifest = manifest(
        json!({"press": {"Package": "cider"}}),
        json!({"shared": {"Type": "symmetric-key", "Size": 128, "Shared": true}}),
    );
    manifest["Roles"] = json!({"reader": {
        "ResourceType": "Secrets", "ResourceNames": ["shared"], "Actions": ["ReadSecret"],
    }});
    for name in users {
        let certificate = std::fs::read_to_string(folder.join(format!("{name}.pem"))).unwrap();
        manifest["Users"][*name] = json!({"Certificate": certificate, "Roles": ["reader"]});
    }
    manifest
}

#[test]
fn every_usual_certificate_logs_in_over_both_versions_of_tls() {
    let folder = TempDir::new().unwrap();
    let Some(()) = make_all(folder.path()) else { return };
    let users: Vec<_> =
        KINDS.iter().map(|(name, ..)| *name).filter(|n| !["rsa1024", "p384"].contains(n)).collect();
    let running = Running::start();
    let set = running.set(&with_users(folder.path(), &users));
    assert_eq!(set.status, 200, "{}", String::from_utf8_lossy(&set.body));
    for version in ["1.2", "1.3"] {
        for name in &users {
            let Some(code) = ask(&running, folder.path(), name, version) else { return };
            assert!(![0, 401].contains(&code), "{name} over TLS {version}: {code}");
        }
        assert_eq!(ask(&running, folder.path(), "p384", version), Some(401), "nobody's certificate");
        assert_eq!(ask(&running, folder.path(), "rsa1024", version), Some(0), "no handshake with a weak key");
    }
    leaf_only(&running, folder.path());
    as_marbles(&running, folder.path(), &users);
}

/// A stranger's leaf with a user's (public) certificate behind it, or twice, is a stranger.
fn leaf_only(running: &Running, folder: &Path) {
    let pem = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let (stranger, user) = (pem("p384.pem"), pem("p256.pem"));
    for chain in [[&stranger[..], &user].concat(), [&stranger[..], &stranger, &user, &user].concat()] {
        let identity = Identity::from_pem(&chain, &pem("p384.key")).unwrap();
        let request =
            Request { method: "GET".into(), path: "/api/v2/secrets?s=shared".into(), ..Request::default() };
        let answer = send(running.process.client_addr, Transport::Tls(Some(&identity)), request);
        assert_eq!(running.runtime.block_on(answer).unwrap().status, 401);
    }
    // The user's certificate first, but without its key.
    let identity = Identity::from_pem(&[&user[..], &stranger].concat(), &pem("p384.key")).unwrap();
    let request =
        Request { method: "GET".into(), path: "/api/v2/secrets?s=shared".into(), ..Request::default() };
    let answer = send(running.process.client_addr, Transport::Tls(Some(&identity)), request);
    assert!(running.runtime.block_on(answer).is_err(), "the handshake proves nothing");
}

/// Marbles may show the same kinds of certificate.
fn as_marbles(running: &Running, folder: &Path, kinds: &[&str]) {
    for name in kinds {
        let pem = |ending: &str| std::fs::read(folder.join(format!("{name}.{ending}"))).unwrap();
        let identity = Identity::from_pem(&pem("pem"), &pem("key")).unwrap();
        let call =
            grpc::activate(running.process.mesh_addr, Some(&identity), running.marble.asks("press", UUID));
        running.runtime.block_on(call).unwrap().unwrap_or_else(|status| panic!("{name}: {status}"));
    }
}

#[test]
fn a_marble_without_a_certificate_is_unauthenticated() {
    let running = Running::serving(&crate::running::plain());
    let call = grpc::activate(running.process.mesh_addr, None, running.marble.asks("press", UUID));
    let refused = running.runtime.block_on(call).unwrap().unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    assert!(refused.message().contains("certificate"), "{refused}");
}

/// A leaf that proves its key with another certificate behind it activates; with its order turned there is no
/// handshake, since nobody proves the key of the first.
#[test]
fn a_marble_is_its_leaf() {
    let running = Running::serving(&crate::running::plain());
    let other = crate::running::Marble::new();
    let activate = |chain: Vec<CertificateDer<'static>>| {
        let identity = Identity::new(chain, &running.marble.key).unwrap();
        let ask = running.marble.asks("press", UUID);
        running.runtime.block_on(grpc::activate(running.process.mesh_addr, Some(&identity), ask))
    };
    let own = running.marble.certificate.clone();
    activate(vec![own.clone(), other.certificate.clone()]).unwrap().unwrap();
    assert!(activate(vec![other.certificate, own]).is_err());
}

/// What the listeners present is one certificate, whoever asks.
#[test]
fn both_listeners_present_exactly_one_certificate() {
    let running = Running::serving(&crate::running::plain());
    let quote = crate::running::data(&running.get("/api/v2/quote"));
    let chain: Vec<_> = CertificateDer::pem_slice_iter(quote["cert"].as_str().unwrap().as_bytes()).collect();
    let root = chain[1].as_ref().unwrap();
    let presented = |address| running.runtime.block_on(tls::presented(address, None, &[b"h2"])).unwrap();
    assert_eq!(presented(running.process.client_addr), std::slice::from_ref(root));
    assert_eq!(presented(running.process.mesh_addr).len(), 1);
}
