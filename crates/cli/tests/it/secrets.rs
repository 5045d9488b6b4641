//! `marblerun secret`: what is wrong with a file is said with its name and without its content.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::desk::{Desk, coordinator};

/// A desk with the files of `alice`, who may read and write `note` and `door`, and of a stranger.
pub(crate) fn desk() -> (Desk, marblerun_testkit::program::Coordinator, String) {
    let (coordinator, address) = coordinator();
    let desk = Desk::new();
    let people = ["alice", "stranger"].map(|name| {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem();
        desk.write(&format!("{name}.pem"), &certificate);
        desk.write(&format!("{name}.key"), &key.serialize_pem());
        certificate
    });
    let names = json!(["note", "door"]);
    let manifest = json!({
        "Packages": {"p": {"UniqueID": "11".repeat(32)}},
        "Marbles": {"m": {"Package": "p"}},
        "Secrets": {
            "note": {"Type": "plain", "UserDefined": true},
            "door": {"Type": "cert-ecdsa", "Size": 256, "UserDefined": true},
        },
        "Users": {"alice": {"Certificate": people[0], "Roles": ["all"]}},
        "Roles": {"all": {
            "ResourceType": "Secrets", "ResourceNames": names, "Actions": ["ReadSecret", "WriteSecret"],
        }},
    });
    desk.write("manifest.json", &manifest.to_string());
    desk.done(&["manifest", "set", "manifest.json", &address, "-i"]);
    (desk, coordinator, address)
}

pub(crate) const ALICE: [&str; 4] = ["--cert", "alice.pem", "--key", "alice.key"];

#[test]
fn a_value_goes_in_and_comes_out() {
    let (desk, _coordinator, address) = desk();
    let set = |file: &str, more: &[&str]| {
        desk.done(&[&["secret", "set", file, &address], &ALICE[..], more].concat());
    };
    desk.write("note.json", r#"{"note":{"Key":"YWJj"}}"#);
    set("note.json", &[]);
    desk.write("door.pem", &(desk.read("alice.key") + &desk.read("alice.pem")));
    set("door.pem", &["--from-pem", "door"]);
    let printed = desk.done(&[&["secret", "get", "note", "door", &address], &ALICE[..]].concat());
    assert!(printed.contains("note:\n\tType:          plain\n") && printed.contains("YWJj"), "{printed}");
    desk.done(&[&["secret", "get", "door", &address, "-o", "got.json"], &ALICE[..]].concat());
    assert_eq!(std::fs::metadata(desk.path("got.json")).unwrap().permissions().mode() & 0o777, 0o600);
    let got: serde_json::Value = serde_json::from_str(&desk.read("got.json")).unwrap();
    assert_eq!(got["door"]["Type"], "cert-ecdsa");
}

#[test]
fn what_is_wrong_is_said_with_the_files_name() {
    let (desk, _coordinator, address) = desk();
    let refused = |file: &str, more: &[&str], words: &str| {
        let call = desk.refused(&[&["secret", "set", file, &address], more].concat(), words);
        assert!(!format!("{call:?}").contains("canary"), "{call:?}");
    };
    desk.write("twice.json", r#"{"note":{"Key":"YWJj"},"note":{"Key":"canary"}}"#);
    desk.write("field.json", r#"{"note":{"Key":"YWJj","canary":1}}"#);
    desk.write("text.json", r#"{"note":"canary"}"#);
    desk.write("good.json", r#"{"note":{"Key":"YWJj"}}"#);
    desk.write("key.json", r#"{"door":{"Key":"YWJj"}}"#);
    for file in ["twice.json", "field.json", "text.json", "alice.pem"] {
        refused(file, &ALICE, &format!("{file}: line 1, column"));
    }
    refused("missing.json", &ALICE, "missing.json");
    refused("key.json", &ALICE, "a cert-ecdsa secret: has no `Key`");
    refused("good.json", &[&ALICE[..], &["--from-pem", "door"]].concat(), "no readable PEM block");
    refused("alice.pem", &[&ALICE[..], &["--from-pem", "door"]].concat(), "needs its private key");
    refused("good.json", &["--cert", "no.pem", "--key", "alice.key"], "no.pem");
    refused("good.json", &["--cert", "alice.pem", "--key", "no.key"], "no.key");
    refused(
        "good.json",
        &["--cert", "good.json", "--key", "alice.key"],
        "good.json: it holds no readable PEM",
    );
    refused("good.json", &["--cert", "alice.pem", "--key", "stranger.key"], "TLS");
    refused("good.json", &["--cert", "stranger.pem", "--key", "stranger.key"], "not authorised");
    let token = ["--pkcs11-config", "p", "--pkcs11-key-id", "1", "--pkcs11-cert-id", "1"];
    refused("good.json", &token, "reading the PKCS#11 configuration from p");
    let unset = desk.done(&[&["secret", "get", "note", &address], &ALICE[..]].concat());
    assert!(unset.contains("(not set)"), "{unset}");
}
