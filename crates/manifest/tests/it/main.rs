//! Manifests at the boundary: bytes in, a checked manifest or findings out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a test says what it skipped")]

mod certificates;
mod diff;
mod docs;
mod hostile;
mod property;
mod recorded;
mod rules;
mod schema;
mod tees;

use std::time::{Duration, SystemTime};

use marblerun_manifest::{Checked, Manifest, ManifestErrors};

/// November 2026.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

fn parse(text: &str) -> Result<Checked, ManifestErrors> {
    Manifest::parse(text.as_bytes(), now())
}

/// A manifest that every check accepts without a word, with `patch` merged into it (RFC 7386).
fn patched(patch: &serde_json::Value) -> String {
    let mut manifest = serde_json::json!({
        "Packages": { "cider": { "SignerID": "9c".repeat(32), "ProductID": 12, "SecurityVersion": 5 } },
        "Marbles": { "press": { "Package": "cider" } },
        "Secrets": {
            "yeast": { "Type": "symmetric-key", "Size": 128, "Shared": true },
            "crate": { "Type": "cert-ecdsa", "Size": 256, "Shared": true },
            "note": { "Type": "plain", "UserDefined": true },
            "own": { "Type": "symmetric-key", "Size": 128 },
        },
    });
    merge(&mut manifest, patch);
    manifest.to_string()
}

fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::json!({});
    }
    if let Some(target) = target.as_object_mut() {
        for (key, value) in patch {
            match value {
                serde_json::Value::Null => drop(target.remove(key)),
                _ => merge(target.entry(key.clone()).or_insert(serde_json::Value::Null), value),
            }
        }
    }
}

/// The certificate, public key or key of a recorded scenario.
fn pem(name: &str, kind: &str) -> String {
    let folder = marblerun_testkit::golden::folder("api").expect("recorded keys");
    std::fs::read_to_string(folder.join(format!("keys/{name}.{kind}.pem"))).expect("a recorded key")
}
