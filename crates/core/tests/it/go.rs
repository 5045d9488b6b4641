//! Go's `crypto/x509` as the judge: it is what most marbles and clients are written with.

use std::path::Path;
use std::process::Command;

use marblerun_core::keys::{FreshKeys, KeyKind, KeySource as _};
use marblerun_core::pki::Pki;
use marblerun_manifest::Curve;

use crate::certificates::{now, pki, public, request, template};
use crate::openssl::KINDS;

#[test]
fn reads_keys_and_accepts_chains() {
    if Command::new("go").arg("version").output().is_err() {
        crate::say("SKIPPED: there is no go");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    put_everything(folder.path(), &pki());
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/verify.go");
    // Its own tool chain and module rules: nothing is downloaded for a program without modules.
    let output = Command::new("go")
        .args(["run", program])
        .arg(folder.path())
        .env("GOTOOLCHAIN", "local")
        .env("GO111MODULE", "off")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, format!("{} certificates\n", KINDS.len() + 1));
}

fn put_everything(folder: &Path, pki: &Pki) {
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    put("root.cer", &pki.root);
    put("intermediate.cer", &pki.intermediate);
    put("marbleroot.cer", &pki.marble_root);
    for (number, kind) in KINDS.into_iter().enumerate() {
        let pair = FreshKeys.key_pair(kind).unwrap();
        put(&format!("{number}.key"), &pair.private);
        let leaf = pki.issue_secret(&template(), &pair.public, &FreshKeys, now()).unwrap();
        put(&format!("leaf-{number}.cer"), &leaf);
    }
    let key = public(KeyKind::Ecdsa(Curve::P384));
    let asked = request(&["localhost"], &[]);
    put("leaf-marble.cer", &pki.issue_marble(&asked, "press", "uuid", &key, &FreshKeys, now()).unwrap());
}
