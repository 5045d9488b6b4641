//! What is printed for programs, and the files for shells and readers.

use std::process::Command;

use serde_json::{Value, json};

use crate::desk::{Desk, coordinator};

#[test]
fn status_verify_and_log_speak_json() {
    let (_coordinator, address) = coordinator();
    let desk = Desk::new();
    let status: Value =
        serde_json::from_str(&desk.done(&["status", &address, "-i", "--format", "json"])).unwrap();
    assert_eq!(status["code"], 2);
    desk.done(&["manifest", "set", "manifest.json", &address, "-i"]);

    let hash = desk.done(&["manifest", "signature", "manifest.json"]).trim().to_owned();
    let verify = |expected: &str| {
        let call = desk.call(&["manifest", "verify", expected, &address, "-i", "--format", "json"]);
        (call.code, serde_json::from_str::<Value>(&call.stdout).unwrap())
    };
    let other = "00".repeat(32);
    let good = json!({ "matches": true, "expected": hash, "found": hash, "verified": false });
    let bad = json!({ "matches": false, "expected": other, "found": hash, "verified": false });
    assert_eq!(verify("manifest.json"), (0, good));
    assert_eq!(verify(&other), (1, bad));

    let log: Value = serde_json::from_str(&desk.done(&["manifest", "log", &address])).unwrap();
    assert_eq!(log["update"], "Initial manifest set");
    assert_eq!(desk.done(&["manifest", "log", &address, "-o", "log.txt"]), "");
    assert_eq!(serde_json::from_str::<Value>(&desk.read("log.txt")).unwrap(), log);
}

#[test]
fn switches_take_values_as_in_go() {
    let (_coordinator, address) = coordinator();
    let desk = Desk::new();
    for on in ["-i", "--insecure", "--insecure=true", "--insecure=1", "-i=T"] {
        desk.done(&["status", &address, on]);
        desk.done(&[on, "status", &address]);
    }
    for off in ["--insecure=false", "--insecure=0", "-i=F"] {
        desk.refused(&["status", &address, off], "coordinator-cert.pem");
    }
    desk.done(&["manifest", "set", "manifest.json", &address, "-i"]);
    let merged: Value = serde_json::from_str(&desk.done(&["manifest", "get", &address, "-usi"])).unwrap();
    assert!(merged["ManifestSignature"].is_string() && merged["Manifest"]["Packages"].is_object());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_marblerun"))
        .args(["completion", "zsh"])
        .current_dir(desk.path(""))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn manual_pages_and_completions() {
    let desk = Desk::new();
    desk.done(&["man", "pages"]);
    assert!(desk.read("pages/marblerun-manifest-check.1").contains("deny\\-warnings"));
    let script = desk.done(&["completion", "bash"]);
    desk.write("script", &script);
    assert!(Command::new("bash").arg("-n").arg(desk.path("script")).status().unwrap().success());
    let (full, short) =
        (desk.done(&["completion", "fish"]), desk.done(&["completion", "fish", "--no-descriptions"]));
    assert!(full.contains("Set the Coordinator") && !short.contains("Set the Coordinator"));
}
