//! Secrets are where they belong and nowhere else: not in logs, metrics, events, error messages or readable files.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use marblerun_core::secrets::RootSecret;
use marblerun_testkit::client::grpc;
use marblerun_testkit::client::http::{Request, Transport, send};
use marblerun_testkit::client::tls::Identity;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;

use crate::running::{Running, manifest, options};

#[test]
fn secrets_are_nowhere_but_in_answers_to_marbles() {
    let mut running =
        Running::with(options().env("EDG_DEBUG_LOGGING", "1").env("EDG_HTTP_ERROR_LOG_LEVEL", "debug"));
    let (user, pem) = user();
    let mut manifest = with_secrets();
    manifest["Users"] = json!({"alice": {"Certificate": pem, "Roles": ["all", "owner", "auditor"]}});
    assert_eq!(running.set(&manifest).status, 200);
    let (uploaded, mut said) = upload(&running, &user);
    let mut canaries = canaries(&running);
    canaries.insert("uploaded".into(), uploaded);
    assert!(canaries.len() >= 6, "{:?}", canaries.keys());
    said.extend(failures(&running, &canaries));
    running.process.restart().unwrap();
    canaries
        .extend(self::canaries(&running).into_iter().map(|(name, value)| (format!("{name} again"), value)));
    said.extend(rotated(&running, &user, &mut manifest));
    let fresh = self::canaries(&running).into_iter();
    canaries.extend(fresh.map(|(name, value)| (format!("{name} after an update"), value)));
    said.push(running.observe("/metrics"));
    said.push(running.observe("/events"));
    running.process.stop().unwrap();
    said.push(running.process.log());
    assert!(running.process.log().contains("DEBUG"), "the log is at its most talkative");
    let mut places: Vec<Vec<u8>> = said.into_iter().map(String::into_bytes).collect();
    // In simulation the key-encryption key stands in sealed_key by contract; the secrets do not.
    for file in fs::read_dir(&running.process.seal_dir).unwrap() {
        places.push(fs::read(file.unwrap().path()).unwrap());
    }
    for (name, secret) in &canaries {
        for form in forms(secret) {
            for place in &places {
                let found = place.windows(form.len()).any(|window| window == form);
                assert!(!found, "{name} in {:.200}", String::from_utf8_lossy(place));
            }
        }
    }
    for place in &places {
        let found = thirty_two_bytes(place).any(|bytes| derives(bytes, &canaries["OWN"]));
        assert!(!found, "the root secret in {:.200}", String::from_utf8_lossy(place));
    }
    crate::say(&format!("{} secrets in no form in {} places", canaries.len(), places.len()));
}

fn with_secrets() -> serde_json::Value {
    let env = json!({
        "SHARED": "{{ hex .Secrets.shared }}",
        "OWN": "{{ hex .Secrets.own }}",
        "CERTIFICATE_KEY": "{{ pem .Secrets.certificate.Private }}",
        "SHARED_KEY": "{{ pem .Secrets.identity.Private }}",
    });
    let parameters = json!({"Env": env, "Argv": ["press"]});
    let limited = json!({"Package": "cider", "MaxActivations": 1, "Parameters": parameters});
    let secrets = json!({
        "shared": {"Type": "symmetric-key", "Size": 256, "Shared": true},
        "own": {"Type": "symmetric-key", "Size": 256},
        "certificate": {"Type": "cert-ecdsa", "Size": 256},
        "identity": {"Type": "cert-ed25519", "Shared": true},
        "uploaded": {"Type": "plain", "UserDefined": true},
    });
    let marbles = json!({"press": {"Package": "cider", "Parameters": parameters}, "cellar": limited});
    let mut manifest = manifest(marbles, secrets);
    let names = json!(["uploaded"]);
    manifest["Roles"] = json!({
        "all": {"ResourceType": "Secrets", "ResourceNames": names, "Actions": ["ReadSecret", "WriteSecret"]},
        "owner": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
        "auditor": {"ResourceType": "Audit", "Actions": ["ReadAudit"]},
    });
    manifest
}

/// A user who can log in, and the certificate for the manifest.
fn user() -> (Identity, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    (Identity::new(vec![certificate.der().clone()], &der).unwrap(), certificate.pem())
}

/// Uploads a value in good and in bad requests: the value, and what was answered.
fn upload(running: &Running, user: &Identity) -> (Vec<u8>, Vec<String>) {
    let value: Vec<u8> = b"canary-6d1f9e".iter().chain(&[0xc3, 7]).copied().cycle().take(40).collect();
    let text = STANDARD.encode(&value);
    let bodies = [
        (format!("{{\"secrets\":{{\"uploaded\":{{\"Key\":\"{text}\"}}}}}}"), 200),
        (format!("{{\"secrets\":{{\"uploaded\":{{\"Key\":\"{text}\",\"Keys\":\"{text}\"}}}}}}"), 400),
        (format!("{{\"secrets\":{{\"uploaded\":{{\"Private\":\"{text}\"}}}}}}"), 400),
        (format!("{{\"secrets\":{{\"uploaded\":{{\"Key\":\"{text}"), 400),
        (format!("{{\"secrets\":{{\"uploaded\":{{\"Key\":\"%{text}\"}}}}}}"), 400),
        (format!("{{\"secrets\":\"{text}\"}}"), 400),
        (format!("{{\"secrets\":{{\"shared\":{{\"Key\":\"{text}\"}}}}}}"), 403),
    ];
    let said = bodies.map(|(body, expected)| {
        let (method, path) = ("POST".into(), "/api/v2/secrets".into());
        let request = Request { method, path, headers: vec![], body: body.into_bytes() };
        let call = send(running.process.client_addr, Transport::Tls(Some(user)), request);
        let answer = running.runtime.block_on(call).unwrap();
        assert_eq!(answer.status, expected);
        String::from_utf8(answer.body).unwrap()
    });
    let log = String::from_utf8(running.get("/api/v2/update").body).unwrap();
    (value, said.into_iter().chain([log]).collect())
}

/// Makes all secrets anew by an update: what was answered to it, and to everybody who asks about it afterwards.
fn rotated(running: &Running, user: &Identity, manifest: &mut serde_json::Value) -> Vec<String> {
    manifest["Config"] = json!({"RotateRootSecret": true});
    let body = json!({"manifest": STANDARD.encode(manifest.to_string())}).to_string();
    let ask = |method: &str, path: &str, body: &str| {
        let (method, path) = (method.into(), path.into());
        let request = Request { method, path, headers: vec![], body: body.as_bytes().to_vec() };
        let call = send(running.process.client_addr, Transport::Tls(Some(user)), request);
        let answer = running.runtime.block_on(call).unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        String::from_utf8(answer.body).unwrap()
    };
    let updated = ask("POST", "/api/v2/update", &body);
    let views =
        ["/api/v2/update", "/api/v3/log/entries", "/api/v3/log/key", "/api/v3/quote", "/api/v3/audit"];
    std::iter::once(updated).chain(views.map(|path| ask("GET", path, ""))).collect()
}

/// Raw secret values by name, as a marble receives them.
fn canaries(running: &Running) -> BTreeMap<String, Vec<u8>> {
    let env = running.activate("press").unwrap().env;
    let secret = |name: &str| {
        let text = String::from_utf8(env[name].clone()).unwrap();
        hex::decode(&text).unwrap_or_else(|_| private(&text))
    };
    ["SHARED", "OWN", "CERTIFICATE_KEY", "SHARED_KEY", "MARBLE_PREDEFINED_PRIVATE_KEY"]
        .map(|name| (name.to_owned(), secret(name)))
        .into()
}

/// The whole of a private key in PKCS#8.
fn private(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).unwrap()
}

/// As it is, in hexadecimal and in base64, and each of them as Rust prints a list of bytes.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    // Of a private key in PKCS#8, twelve octets are as good as all. These follow a header of at most 36 bytes, and stand
    // in one line of PEM.
    let part = if secret.len() > 40 { &secret[36..48] } else { secret };
    let hex = hex::encode(part);
    // In base64 a part looks different at each of three offsets.
    let shifted = (0..3).map(|skip| STANDARD.encode(&part[skip..skip + (part.len() - skip) / 3 * 3]));
    let texts = [hex.to_uppercase(), hex, URL_SAFE_NO_PAD.encode(part)].into_iter().chain(shifted);
    let mut forms: Vec<_> = texts.map(String::into_bytes).chain([part.to_vec()]).collect();
    let lists = forms.iter().map(|form| format!("{form:?}").trim_matches(['[', ']']).as_bytes().to_vec());
    forms.extend(lists.collect::<Vec<_>>());
    forms
}

/// What may be a key: any 32 bytes as they are, and any word that is 32 bytes in hexadecimal or base64.
fn thirty_two_bytes(place: &[u8]) -> impl Iterator<Item = [u8; 32]> {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let words = place.split(move |byte| !letter(byte));
    let decoded = words.filter_map(|word| hex::decode(word).or_else(|_| STANDARD.decode(word)).ok());
    let raw = place.windows(32).filter_map(|window| window.try_into().ok());
    raw.chain(decoded.filter_map(|bytes| bytes.try_into().ok()))
}

/// Nobody is told the root secret; but whoever has it can derive what the marble received.
fn derives(root: [u8; 32], own: &[u8]) -> bool {
    let uuid = crate::running::UUID.parse().unwrap();
    let key = RootSecret(root.into()).derive(Some("press"), uuid, "own", 32).unwrap();
    key.as_slice() == own
}

/// Everything that goes wrong near secrets, and what callers are told.
fn failures(running: &Running, canaries: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut said = Vec::new();
    running.activate("cellar").unwrap();
    let mut ask = |marble_type: &str, uuid: &str, spoil: bool| {
        let mut ask = running.marble.asks(marble_type, uuid);
        if spoil {
            ask.csr.truncate(20);
        }
        let call = grpc::activate(running.process.mesh_addr, Some(&running.marble.identity), ask);
        said.push(running.runtime.block_on(call).unwrap().unwrap_err().to_string());
    };
    ask("cellar", crate::running::UUID, false);
    ask("press", "no UUID", false);
    ask("press", crate::running::UUID, true);
    ask("nobody", crate::running::UUID, false);
    let secret = hex::encode(&canaries["SHARED"]);
    let bodies = [
        format!("{{\"secrets\":{{\"shared\":{{\"Key\":\"{secret}\"}}}}}}"),
        format!("{{\"secrets\":\"{secret}"),
        format!("{{\"{secret}\":1}}"),
        format!("{{\"recoverySecret\":\"{secret}\"}}"),
    ];
    for path in [
        "/manifest",
        "/secrets",
        "/recover",
        "/update",
        "/api/v2/secrets",
        "/api/v2/recover",
        "/api/v2/update",
    ] {
        for body in &bodies {
            let answer = running.request("POST", path, body.as_bytes()).unwrap();
            said.push(String::from_utf8(answer.body).unwrap());
        }
    }
    said
}
