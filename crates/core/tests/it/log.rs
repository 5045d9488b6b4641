//! The log as outsiders see it: checkpoints and proofs that another implementation of the formats verifies, and
//! vectors for those who write one.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marblerun_attest::log::{Checkpoint, LogError};
use marblerun_core::journal::Head;
use marblerun_core::pki::Pki;
use marblerun_core::{Deployment, LogKey, decode_snapshot, encode_snapshot};
use serde_json::{Value, json};

use crate::lifecycle::{accepting, manifest, set};

fn deployment() -> Deployment {
    set(&accepting(), &manifest("", "")).unwrap().deployment().unwrap().clone()
}

/// The deployment when its log had `size` lines.
fn at(deployment: &Deployment, size: u64) -> Deployment {
    let log = (0..size).map(|n| line(n).into()).collect();
    let head = Some(Head { sequence: size + 1, hash: [size as u8; 32] });
    Deployment { log, head, ..deployment.clone() }
}

fn line(n: u64) -> String {
    format!(r#"{{"time":"2027-01-15T08:00:00Z","update":"Secret set","n":{n}}}"#)
}

/// Everything that there is to verify about these sizes.
fn vectors(deployment: &Deployment, sizes: &[u64]) -> Value {
    let most = at(deployment, *sizes.last().unwrap());
    let encoded = |proof: Vec<[u8; 32]>| proof.iter().map(|hash| STANDARD.encode(hash)).collect::<Vec<_>>();
    let (mut inclusion, mut consistency) = (Vec::new(), Vec::new());
    for &size in sizes {
        for index in [0, size / 2, size - 1] {
            let proof = encoded(most.log.inclusion(index, size).unwrap());
            inclusion.push(json!({"index": index, "size": size, "proof": proof}));
        }
        for &from in sizes.iter().filter(|from| **from <= size) {
            let proof = encoded(most.log.consistency(from, size).unwrap());
            consistency.push(json!({"from": from, "to": size, "proof": proof}));
        }
    }
    json!({
        "key": deployment.log_verifier().to_string(),
        "entries": most.log.iter().collect::<Vec<_>>(),
        "checkpoints": sizes.iter().map(|size| at(deployment, *size).checkpoint().unwrap()).collect::<Vec<_>>(),
        "inclusion": inclusion,
        "consistency": consistency,
    })
}

#[test]
fn go_verifies_checkpoints_and_proofs() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = build(folder.path()) else { return };
    let sizes = [1, 2, 3, 7, 8, 9, 255, 256, 257, 511, 512, 513, 700];
    let vectors = vectors(&deployment(), &sizes);
    let said = verify(&program, &vectors).unwrap();
    assert_eq!(said, "13 checkpoints, 39 inclusions, 91 consistencies\n");
    // It can say no: one change at a time.
    for (place, other) in [
        ("/key", json!(deployment().log_verifier().to_string())),
        ("/entries/5", json!("another line")),
        ("/inclusion/9/index", json!(1)),
        ("/consistency/10/proof/0", json!(STANDARD.encode([0; 32]))),
    ] {
        let mut wrong = vectors.clone();
        *wrong.pointer_mut(place).unwrap() = other;
        assert!(verify(&program, &wrong).is_err(), "{place}");
    }
}

/// After a change that is meant: `WRITE_V3=1 cargo test -p marblerun-core --test it log`.
#[test]
fn the_published_vectors_are_current() {
    let current = vectors(&fixed(), &[1, 2, 3, 6, 7]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/v3/log.json");
    #[allow(clippy::disallowed_methods, reason = "a test reads its own environment")]
    if std::env::var_os("WRITE_V3").is_some() {
        std::fs::write(file, serde_json::to_string_pretty(&current).unwrap() + "\n").unwrap();
    }
    // As values: the order of keys depends on what else is built.
    let published = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        serde_json::from_str::<Value>(&published).unwrap_or_default() == current,
        "testdata/v3/log.json is not current"
    );
}

/// A deployment whose log key and root certificate are not random.
fn fixed() -> Deployment {
    // PKCS#8 (RFC 8410) of the private key of 32 sevens.
    let prefix = hex::decode("302e020100300506032b657004220420").unwrap();
    let log_key = LogKey::from_pkcs8(&[&prefix[..], &[7; 32]].concat()).unwrap();
    let deployment = deployment();
    let pki = Pki { root: b"root certificate".to_vec(), ..(*deployment.pki).clone() };
    Deployment { log_key, pki: Arc::new(pki), ..deployment }
}

#[test]
fn the_root_vouches_for_the_log_key_and_both_stay() {
    let deployment = deployment();
    let (root, root_key) = (&deployment.pki.root, &deployment.pki.root_key.bytes().public);
    let signature = deployment.log_key_signature().unwrap();
    let key = deployment.log_verifier();
    assert_eq!(key.check_root(root, root_key, &signature), Ok(()));
    let other = self::deployment();
    let wrong_root = key.check_root(&other.pki.root, root_key, &signature);
    assert!(matches!(wrong_root, Err(LogError::OtherLog { .. })));
    let stranger = &other.pki.root_key.bytes().public;
    assert_eq!(key.check_root(root, stranger, &signature), Err(LogError::KeyNotSigned));
    let forged = other.log_key_signature().unwrap();
    assert_eq!(key.check_root(root, root_key, &forged), Err(LogError::KeyNotSigned));
    // A signature over a manifest is none over a key.
    let manifest = deployment.manifest_signature.to_vec();
    assert_eq!(key.check_root(root, root_key, &manifest), Err(LogError::KeyNotSigned));

    let again = decode_snapshot(&encode_snapshot(&deployment).unwrap()).unwrap();
    assert_eq!(again.log_verifier(), key);
    assert!(again.log == deployment.log && again.head.is_none());
    let opened = Checkpoint::open(&again.checkpoint().unwrap(), &key).unwrap();
    assert_eq!((opened.size, opened.journal), (1, None));
}

/// What the program says about the vectors, or why it refuses them.
fn verify(program: &Path, vectors: &Value) -> Result<String, String> {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(vectors.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
}

/// The Go program in `folder`; `None`, said aloud, where Go or its module cannot be had.
fn build(folder: &Path) -> Option<std::path::PathBuf> {
    if let Err(why) = go(&["mod", "download", "golang.org/x/mod"]) {
        let why = why.lines().last().unwrap_or_default().to_owned();
        // Past the capturing of tests, so that it is read.
        let _ = writeln!(std::io::stderr(), "SKIPPED: the log is not verified by Go: {why}");
        return None;
    }
    let program = folder.join("verify-log");
    go(&["build", "-o", program.to_str().unwrap(), "."]).unwrap();
    Some(program)
}

fn go(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("go")
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go"))
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .output()
        .map_err(|error| format!("go does not start: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
