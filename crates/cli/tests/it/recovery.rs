//! Recovery secrets come once: they are never lost to a file.

use std::os::unix::fs::PermissionsExt as _;

use marblerun_testkit::golden::folder;
use serde_json::Value;

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
