//! Recovery secrets come once and are never lost to a file; they bring a deployment back.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marblerun_api::grpc::ActivationReq;
use marblerun_testkit::client::grpc::activate;
use marblerun_testkit::client::tls::Identity;
use marblerun_testkit::golden::folder;
use marblerun_testkit::program::{Coordinator, Options};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::desk::{Desk, coordinator};

fn desk_with_key() -> Option<Desk> {
    let desk = Desk::new();
    desk.write("one-key.json", &std::fs::read_to_string(folder("cli")?.join("inputs/one-key.json")).unwrap());
    Some(desk)
}

fn is_secret(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|json| json["RecoverySecrets"]["first"].is_string())
}

#[test]
fn a_file_that_cannot_be_written_stops_the_upload() {
    let Some(desk) = desk_with_key() else { return };
    let (_coordinator, address) = coordinator();
    for bad in ["missing/recovery.json", "."] {
        desk.refused(&["manifest", "set", "one-key.json", &address, "-i", "-r", bad], "was not sent");
    }
    assert!(desk.done(&["status", &address, "-i"]).starts_with("2:"));
}

#[test]
fn a_file_that_fails_after_all_leaves_them_on_the_screen() {
    let Some(desk) = desk_with_key() else { return };
    let (_coordinator, address) = coordinator();
    // Opens like a file, and is full when something is written.
    let call =
        desk.refused(&["manifest", "set", "one-key.json", &address, "-i", "-r", "/dev/full"], "keep them");
    assert!(is_secret(&call.stdout), "{call:?}");
    assert!(desk.done(&["status", &address]).starts_with("3:"), "the certificate is cached all the same");
}

#[test]
fn the_file_is_private_and_a_refused_manifest_leaves_it_alone() {
    let Some(desk) = desk_with_key() else { return };
    let (_coordinator, address) = coordinator();
    desk.write("recovery.json", "precious");
    desk.write("bad.json", "{}");
    desk.refused(&["manifest", "set", "bad.json", &address, "-i", "-r", "recovery.json"], "400");
    assert_eq!(desk.read("recovery.json"), "precious");
    desk.done(&["manifest", "set", "one-key.json", &address, "-i", "-r", "recovery.json"]);
    assert!(is_secret(&desk.read("recovery.json")));
    let mode = std::fs::metadata(desk.path("recovery.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

const MINE: &str = "{{ hex .Secrets.mine }}";

/// A manifest with a recovery key that OpenSSL made; `None`, said aloud, without OpenSSL.
fn desk_with_openssl() -> Option<Desk> {
    let desk = Desk::new();
    if !desk.openssl(&["genrsa", "-out", "holder.pem", "2048"]) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: openssl does not run here");
        return None;
    }
    assert!(desk.openssl(&["rsa", "-in", "holder.pem", "-pubout", "-out", "holder.pub.pem"]));
    let manifest = json!({
        "Packages": {"p": {"UniqueID": "11".repeat(32)}},
        "Marbles": {"m": {"Package": "p", "Parameters": {"Env": {"MINE": MINE}}}},
        "Secrets": {"mine": {"Type": "symmetric-key", "Size": 256}},
        "RecoveryKeys": {"holder": desk.read("holder.pub.pem")},
    });
    desk.write("manifest.json", &manifest.to_string());
    Some(desk)
}

/// The per-marble key that a marble gets when it starts with this UUID.
fn marbles_key(coordinator: &Coordinator) -> String {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let csr = params.serialize_request(&key).unwrap().der().to_vec();
    let certificate = params.self_signed(&key).unwrap().pem();
    let identity = Identity::from_pem(certificate.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let uuid = "0d1e2f30-4152-4637-8a9b-acbdcedff001".to_owned();
    let ask = ActivationReq { csr, marble_type: "m".into(), uuid, ..ActivationReq::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(activate(coordinator.mesh_addr, Some(&identity), ask)).unwrap().unwrap();
    String::from_utf8(answer.parameters.unwrap().env["MINE"].clone()).unwrap()
}

/// The walk-through of the documentation: nothing but our CLI and OpenSSL.
#[test]
fn a_lost_key_is_recovered_with_openssl_and_the_marbles_have_their_keys_again() {
    let Some(desk) = desk_with_openssl() else { return };
    let (mut coordinator, address) = coordinator();
    desk.done(&["manifest", "set", "manifest.json", &address, "-i", "-r", "recovery.json"]);
    let before = marbles_key(&coordinator);
    coordinator.kill().unwrap();
    coordinator.remove_file("sealed_key").unwrap();
    coordinator.start_again().unwrap();
    assert!(desk.done(&["status", &address, "-i"]).starts_with("1:"));

    let secrets: Value = serde_json::from_str(&desk.read("recovery.json")).unwrap();
    let sealed = STANDARD.decode(secrets["RecoverySecrets"]["holder"].as_str().unwrap()).unwrap();
    std::fs::write(desk.path("secret.enc"), sealed).unwrap();
    let oaep = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"];
    let files = ["-inkey", "holder.pem", "-in", "secret.enc", "-out", "secret"];
    assert!(desk.openssl(&[&["pkeyutl", "-decrypt"][..], &files[..], &oaep[..]].concat()));
    let said = desk.done(&["recover", "secret", &address, "-i", "--key", "holder.pem"]);
    assert_eq!(said, "Recovery successful.\n");

    // The certificate that was cached when the manifest was set is the Coordinator's again.
    assert!(desk.done(&["status", &address]).starts_with("3:"));
    assert_eq!(marbles_key(&coordinator), before);
    coordinator.restart().unwrap();
    assert_eq!(marbles_key(&coordinator), before);
    desk.refused(&["recover", "secret", &address, "-i", "--key", "holder.pem"], "not in recovery mode");
}

#[test]
fn a_backup_copy_of_the_folder_is_the_deployment() {
    let desk = Desk::new();
    let (mut coordinator, address) = coordinator();
    desk.done(&["manifest", "set", "manifest.json", &address, "-i"]);
    coordinator.stop().unwrap();
    let restored = desk.path("restored");
    std::fs::create_dir(&restored).unwrap();
    for name in ["sealed_data", "sealed_key"] {
        std::fs::copy(coordinator.seal_dir.join(name), restored.join(name)).unwrap();
    }
    drop(coordinator);
    let options = Options { seal_dir: Some(restored), ..Options::default() };
    let address = Coordinator::start(options).map(|c| (c.client_addr.to_string(), c)).unwrap();
    assert!(desk.done(&["status", &address.0]).starts_with("3:"), "under the certificate of before");
    desk.done(&["manifest", "verify", "manifest.json", &address.0, "-i"]);
}

#[test]
fn what_cannot_be_opened_or_signed_is_said_before_anything_is_sent() {
    let Some(desk) = desk_with_openssl() else { return };
    desk.write("encrypted", &"x".repeat(256));
    desk.write("short", "0123456789abcdef0123456789abcdef");
    let nobody = "localhost:1";
    let key = ["--key", "holder.pem"];
    desk.refused(&[&["recover", "encrypted", nobody, "-i"][..], &key].concat(), "which holder");
    desk.refused(&["recover", "short", nobody, "-i", "--key", "holder.pub.pem"], "holder.pub.pem");
    desk.refused(&["recover", "short", nobody, "-i", "--key", "/dev/zero"], "/dev/zero");
    desk.refused(&["recover", "short", nobody, "-i"], "--key");
    let token = ["--pkcs11-config", "c", "--pkcs11-key-id", "1"];
    desk.refused(&[&["recover", "short", nobody, "-i"][..], &token].concat(), "PKCS#11 configuration from c");
    desk.refused(&[&["recover", "short", nobody, "-i"][..], &token[2..]].concat(), "needs --pkcs11-config");
    let encrypt = ["recover-with-signature", "encrypt-secret", "encrypted", "-o", "out"];
    desk.refused(
        &[&encrypt[..], &["--coordinator-pub-key", "holder.pub.pem"]].concat(),
        "name its recovery key with --key",
    );
    let sign = ["recover-with-signature", "sign-secret", "short", "-o", "signature", "--key", "holder.pem"];
    desk.done(&sign);
    desk.refused(&sign, "signature");
    assert!(desk.openssl(&[
        "dgst",
        "-sha256",
        "-prverify",
        "holder.pem",
        "-signature",
        "signature",
        "short"
    ]));
    assert!(!desk.path("out").exists());
}
