//! ARCHITECTURE.md says which room may know which, and what must hold everywhere. This test reads the workspace and
//! holds it against that.
#![allow(clippy::unwrap_used, reason = "a test: what is not as expected fails it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Who may know whom. The same table stands in ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("manifest", &[]),
    ("attest", &[]),
    ("store", &[]),
    ("api", &[]),
    ("tee", &["attest"]),
    ("core", &["attest", "manifest"]),
    ("coordinator", &["api", "attest", "core", "manifest", "store", "tee"]),
    ("marble", &["api", "attest", "tee"]),
    ("cli", &["api", "attest", "manifest", "tee"]),
    ("bench", &["api"]),
    ("testkit", &["api"]),
    ("demo-notes", &["marble"]),
];

/// Rooms that never touch sockets, threads of a runtime, or a terminal.
const PURE: &[&str] = &["manifest", "attest", "core", "store", "tee"];
const IMPURE: &[&str] =
    &["tokio", "hyper", "hyper-util", "rustls", "tokio-rustls", "clap", "tracing-subscriber", "tonic"];

struct Package {
    name: String,
    manifest: String,
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

#[test]
fn rooms_know_only_whom_they_may_know() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for package in packages() {
        let room =
            room(&package.name).unwrap_or_else(|| panic!("{} is not named marblerun-ROOM", package.name));
        let allowed = allowed.get(room).unwrap_or_else(|| panic!("{room} is missing in the table of arrows"));
        for known in package.normal.iter().filter_map(|name| self::room(name)) {
            assert!(allowed.contains(&known), "{room} depends on {known}, which the table does not allow");
        }
        for known in package.dev.iter().filter_map(|name| self::room(name)) {
            assert!(known == "testkit" || allowed.contains(&known), "the tests of {room} depend on {known}");
        }
    }
}

#[test]
fn pure_rooms_have_no_sockets_and_no_runtime() {
    for package in packages().iter().filter(|package| PURE.contains(&room(&package.name).unwrap_or_default()))
    {
        let impure: Vec<_> = package.normal.iter().filter(|name| IMPURE.contains(&name.as_str())).collect();
        assert!(impure.is_empty(), "{} depends on {impure:?}", package.name);
    }
}

#[test]
fn every_room_has_the_workspace_lints_and_no_unsafe_code() {
    for package in packages() {
        let manifest = std::fs::read_to_string(&package.manifest).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package.manifest);
    }
    let root = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(root.contains("unsafe_code = \"forbid\""));
}

#[test]
fn one_crypto_stack() {
    // Cargo.lock also lists optional crates that nothing enables; the tree shows what is built.
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--prefix", "none", "--offline", "--edges", "all"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.lines().any(|line| line.starts_with("aws-lc-rs ")), "{tree}");
    for other in ["ring ", "openssl ", "openssl-sys ", "native-tls ", "rsa "] {
        assert!(!tree.lines().any(|line| line.starts_with(other)), "{other} is built");
    }
}

#[test]
fn architecture_md_shows_the_same_arrows() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (room, known) in ARROWS {
        let known = if known.is_empty() { "nothing of ours".to_owned() } else { known.join(", ") };
        let row = format!("| `{room}` | {known} |");
        assert!(text.contains(&row), "ARCHITECTURE.md lacks the row {row}");
    }
}

fn room(package: &str) -> Option<&str> {
    package.strip_prefix("marblerun-")
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(package).collect()
}

fn package(json: &serde_json::Value) -> Package {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let of_kind = |kind: Option<&str>| {
        let dependencies = json["dependencies"].as_array().unwrap().iter();
        dependencies.filter(|d| d["kind"].as_str() == kind).map(|d| text(&d["name"])).collect()
    };
    Package {
        name: text(&json["name"]),
        manifest: text(&json["manifest_path"]),
        normal: of_kind(None),
        dev: of_kind(Some("dev")),
    }
}
