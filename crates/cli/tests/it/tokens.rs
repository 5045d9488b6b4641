//! Keys in a PKCS#11 token: SoftHSM, where it is installed.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marblerun_testkit::program::Coordinator;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256};
use serde_json::json;

use crate::desk::{Desk, coordinator};

/// Where distributions put the module.
const MODULES: [&str; 5] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/// Secret: stands in the configuration and must stand nowhere else.
const PIN: &str = "canary4321";

/// A desk with an empty token `desk` on it; `None`, said aloud, where the tools for that are missing.
fn desk() -> Option<Desk> {
    let desk = Desk::new();
    let folder = desk.path("tokens");
    std::fs::create_dir(&folder).unwrap();
    desk.write("softhsm2.conf", &format!("directories.tokendir = {}\nlog.level = ERROR\n", folder.display()));
    let init = ["--init-token", "--free", "--label", "desk", "--so-pin", "12345678", "--pin", PIN];
    let module = MODULES.iter().find(|module| Path::new(module).exists());
    let tools = ["softhsm2-util", "pkcs11-tool"].iter().all(|tool| Command::new(tool).output().is_ok());
    let Some(module) = module.filter(|_| tools) else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: softhsm2 and opensc are not installed here");
        return None;
    };
    run(&desk, "softhsm2-util", &init);
    desk.write("token.json", &json!({"Path": module, "TokenLabel": "desk", "Pin": PIN}).to_string());
    Some(desk)
}

fn run(desk: &Desk, program: &str, args: &[&str]) {
    let call = Command::new(program)
        .args(args)
        .current_dir(desk.path(""))
        .env("SOFTHSM2_CONF", desk.path("softhsm2.conf"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(call.status.success(), "{program} {args:?}: {call:?}");
}

/// Puts the key of a file into the token; the ID is in hex.
fn import_key(desk: &Desk, file: &str, label: &str, id: &str) {
    let place = ["--token", "desk", "--pin", PIN, "--label", label, "--id", id];
    run(desk, "softhsm2-util", &[&["--import", file][..], &place].concat());
}

/// Puts the certificate of a DER file into the token.
fn import_certificate(desk: &Desk, file: &str, label: &str, id: &str) {
    let module = MODULES.iter().find(|module| Path::new(module).exists()).unwrap();
    let what = ["--module", module, "--token-label", "desk", "--write-object", file, "--type", "cert"];
    let place = ["--login", "--pin", PIN, "--label", label, "--id", id];
    run(desk, "pkcs11-tool", &[&what[..], &place].concat());
}

/// A Coordinator with users who log in by token: `small` (P-256), `big` (P-384) and `rsa`, and their desk.
fn users() -> Option<(Desk, Coordinator, String)> {
    let desk = desk()?;
    let kinds =
        [("small", &PKCS_ECDSA_P256_SHA256), ("big", &PKCS_ECDSA_P384_SHA384), ("rsa", &PKCS_RSA_SHA256)];
    let mut users = serde_json::Map::new();
    for (number, (name, kind)) in kinds.into_iter().enumerate() {
        let key = KeyPair::generate_for(kind).unwrap();
        let certificate = CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        desk.write(&format!("{name}.key"), &key.serialize_pem());
        std::fs::write(desk.path(&format!("{name}.der")), certificate.der()).unwrap();
        let id = format!("0{}", number + 1);
        import_key(&desk, &format!("{name}.key"), name, &id);
        import_certificate(&desk, &format!("{name}.der"), name, &id);
        users.insert(name.into(), json!({"Certificate": certificate.pem(), "Roles": ["all", "raiser"]}));
    }
    let manifest = json!({
        "Packages": {"p": {"SignerID": "11".repeat(32), "ProductID": 1, "SecurityVersion": 3}},
        "Marbles": {"m": {"Package": "p"}},
        "Secrets": {"note": {"Type": "plain", "UserDefined": true}},
        "Users": users,
        "Roles": {
            "all": {"ResourceType": "Secrets", "ResourceNames": ["note"], "Actions": ["ReadSecret", "WriteSecret"]},
            "raiser": {"ResourceType": "Packages", "ResourceNames": ["p"], "Actions": ["UpdateSecurityVersion"]},
        },
    });
    desk.write("manifest.json", &manifest.to_string());
    desk.write("note.json", r#"{"note":{"Key":"YWJj"}}"#);
    desk.write("raise.json", r#"{"Packages":{"p":{"SecurityVersion":5}}}"#);
    let (coordinator, address) = coordinator();
    desk.done(&["manifest", "set", "manifest.json", &address, "-i"]);
    Some((desk, coordinator, address))
}

const CONFIG: [&str; 2] = ["--pkcs11-config", "token.json"];

#[test]
fn users_log_in_with_keys_that_stay_in_the_token() {
    let Some((desk, _coordinator, address)) = users() else { return };
    let by = |key: [&'static str; 2], cert: [&'static str; 2]| [&CONFIG[..], &key, &cert].concat();
    let small = by(["--pkcs11-key-label", "small"], ["--pkcs11-cert-label", "small"]);
    desk.done(&[&["secret", "set", "note.json", &address], &small[..]].concat());
    // An ID is bytes, which tokens' tools write in hex.
    let big = by(["--pkcs11-key-id", "02"], ["--pkcs11-cert-id", "02"]);
    assert!(desk.done(&[&["secret", "get", "note", &address], &big[..]].concat()).contains("YWJj"));
    let rsa = by(["--pkcs11-key-id", "03"], ["--pkcs11-cert-label", "rsa"]);
    desk.done(&[&["manifest", "update", "apply", "raise.json", &address], &rsa[..]].concat());
    let log = desk.done(&["manifest", "log", &address]);
    assert!(log.contains(r#""user":"small""#) && log.contains(r#""user":"rsa""#), "{log}");
}

#[test]
fn what_is_wrong_with_a_token_is_said_without_its_pin() {
    let Some((desk, _coordinator, address)) = users() else { return };
    let refused = |config: &str, key: [&str; 2], cert: [&str; 2], words: &str| {
        let token = [&["--pkcs11-config", config][..], &key, &cert].concat();
        let call = desk.refused(&[&["secret", "get", "note", &address], &token[..]].concat(), words);
        assert!(!format!("{call:?}").contains("canary"), "{call:?}");
    };
    let (key, cert) = (["--pkcs11-key-label", "small"], ["--pkcs11-cert-label", "small"]);
    refused("token.json", ["--pkcs11-key-label", "big"], cert, "does not fit the certificate");
    refused("token.json", ["--pkcs11-key-label", "rsa"], cert, "token");
    refused("token.json", ["--pkcs11-key-id", "09"], cert, r#"no private key with ID "09""#);
    refused("token.json", key, ["--pkcs11-cert-label", "none"], r#"no certificate with label "none""#);
    import_certificate(&desk, "big.der", "small", "07");
    refused("token.json", key, cert, "give ID and label");
    let config = desk.read("token.json");
    desk.write("pin.json", &config.replace(PIN, "canary0000"));
    refused("pin.json", key, cert, "logging in: the PIN is wrong");
    let mut without: serde_json::Value = serde_json::from_str(&config).unwrap();
    without["Pin"] = serde_json::Value::Null;
    desk.write("no-pin.json", &without.to_string());
    refused("no-pin.json", key, cert, "`Pin` is missing");
    desk.write("elsewhere.json", &config.replace(r#""desk""#, r#""elsewhere""#));
    refused("elsewhere.json", key, cert, "no such token");
    desk.write("module.json", &json!({"Path": "missing.so", "TokenLabel": "desk", "Pin": PIN}).to_string());
    refused("module.json", key, cert, "loading the module missing.so");
}

/// A secret that is encrypted to a key in the token is opened by it, and what it signs is what the file would.
#[test]
fn a_recovery_key_opens_and_signs_in_the_token() {
    let Some(desk) = desk() else { return };
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    desk.write("holder.key", &key.serialize_pem());
    desk.write("holder.pub.pem", &key.public_key_pem());
    import_key(&desk, "holder.key", "holder", "0a");
    let manifest = json!({
        "Packages": {"p": {"UniqueID": "11".repeat(32)}},
        "Marbles": {"m": {"Package": "p"}},
        "RecoveryKeys": {"holder": key.public_key_pem()},
    });
    desk.write("manifest.json", &manifest.to_string());
    let (mut coordinator, address) = coordinator();
    desk.done(&["manifest", "set", "manifest.json", &address, "-i", "-r", "recovery.json"]);
    let secrets: serde_json::Value = serde_json::from_str(&desk.read("recovery.json")).unwrap();
    let sealed = STANDARD.decode(secrets["RecoverySecrets"]["holder"].as_str().unwrap()).unwrap();
    std::fs::write(desk.path("secret.enc"), sealed).unwrap();

    let token = [&CONFIG[..], &["--pkcs11-key-label", "holder"]].concat();
    let sign = |out: &str, by: &[&str]| {
        desk.done(&[&["recover-with-signature", "sign-secret", "secret.enc", "-o", out], by].concat());
        std::fs::read(desk.path(out)).unwrap()
    };
    assert_eq!(sign("by-token", &token), sign("by-file", &["--key", "holder.key"]));

    coordinator.kill().unwrap();
    coordinator.remove_file("sealed_key").unwrap();
    coordinator.start_again().unwrap();
    // Encrypted to another key: the padding does not come out right.
    std::fs::write(desk.path("foreign.enc"), [1; 256]).unwrap();
    let foreign = [&["recover", "foreign.enc", &address, "-i"], &token[..]].concat();
    assert!(!format!("{:?}", desk.refused(&foreign, "not encrypted to this key")).contains("canary"));
    let said = desk.done(&[&["recover", "secret.enc", &address, "-i"], &token[..]].concat());
    assert_eq!(said, "Recovery successful.\n");
}
