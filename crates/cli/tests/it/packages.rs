//! Identities of signed enclaves: from every place where build tools leave one, and as manifests take them.

use std::fs;
use std::path::Path;

use marblerun_cli::era;
use marblerun_testkit::golden::folder;
use serde_json::{Value, json};

use crate::desk::Desk;

const OCCLUM: &str = "build/lib/libocclum-libos.signed.so";

/// An enclave of the recordings, if they are there, at this place of the desk.
fn place(desk: &Desk, input: &str, name: &str) -> Option<()> {
    copy(desk, &folder("cli")?.join("inputs").join(input), name);
    Some(())
}

/// The one of testdata/sigstruct, whose signature is genuine.
fn place_genuine(desk: &Desk, name: &str) {
    copy(desk, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/sigstruct/signed.sig")), name);
}

fn copy(desk: &Desk, from: &Path, name: &str) {
    desk.write(name, "");
    fs::copy(from, desk.path(name)).unwrap();
}

fn package(desk: &Desk, args: &[&str]) -> Value {
    let command = ["package-info", "--format", "json"];
    serde_json::from_str(&desk.done(&[&command[..], args].concat())).unwrap()
}

#[test]
fn what_is_printed_is_what_manifests_and_era_configs_name() {
    let desk = Desk::new();
    place_genuine(&desk, "app.sig");
    for flags in [&["app.sig"][..], &["app.sig", "--unique"]] {
        let package = package(&desk, flags);
        let manifest = json!({ "Packages": { "p": package }, "Marbles": { "m": { "Package": "p" } } });
        desk.write("manifest.json", &manifest.to_string());
        desk.done(&["manifest", "check", "manifest.json", "--deny-warnings"]);
        desk.write("era.json", &package.to_string());
        era::read(Some(&desk.path("era.json"))).unwrap();
    }
    desk.refused(&["package-info", "app.sig", "--unique"], "--format json");
}

#[test]
fn a_program_of_the_software_tee_is_named_as_its_signing_named_it() {
    let desk = Desk::new();
    desk.write("program", "#!/bin/true");
    desk.done(&["emulator", "key", "key.pem"]);
    for flags in [&["--svn", "3"][..], &["--debug"]] {
        let sign = [&["emulator", "sign", "program", "--key", "key.pem"][..], flags].concat();
        let signed: Value = serde_json::from_str(&desk.done(&sign)).unwrap();
        assert_eq!(package(&desk, &["program.sig"]), signed);
        let signed: Value = serde_json::from_str(&desk.done(&[&sign[..], &["--unique"]].concat())).unwrap();
        assert_eq!(package(&desk, &["program.sig", "--unique"]), signed);
    }
    let call = desk.call(&["package-info", "program.sig"]);
    assert!(call.stderr.contains("software TEE") && call.stderr.contains("debug mode"), "{call:?}");
}

#[test]
fn what_nobody_signed_is_printed_with_a_warning() {
    let desk = Desk::new();
    place_genuine(&desk, "app.sig");
    assert_eq!(desk.call(&["package-info", "app.sig"]).stderr, "");
    let mut forged = fs::read(desk.path("app.sig")).unwrap();
    forged[960] ^= 1; // ENCLAVEHASH
    fs::write(desk.path("app.sig"), forged).unwrap();
    let call = desk.call(&["package-info", "app.sig"]);
    assert!(call.code == 0 && call.stderr.contains("not genuine"), "{call:?}");
}

#[test]
fn the_enclave_of_a_folder_is_found() {
    let desk = Desk::new();
    place_genuine(&desk, "gramine/app.sig");
    desk.write("gramine/app.manifest.sgx", "");
    let text = desk.done(&["package-info", "gramine"]);
    assert!(
        text.starts_with("Detected Gramine instance.\nPackageProperties for 'gramine/app.sig':"),
        "{text}"
    );
    if place(&desk, "enclave-sdk.so", &format!("occlum/{OCCLUM}")).is_none() {
        return;
    }
    desk.write("occlum/Occlum.json", "{}");
    let text = desk.done(&["package-info", "occlum"]);
    assert!(text.starts_with("Detected Occlum instance.\n") && text.contains(": 513"), "{text}");
    place_genuine(&desk, "occlum/app.sig");
    desk.refused(&["package-info", "occlum"], &format!("several signed enclaves: {OCCLUM}, app.sig"));
}

#[test]
fn a_folder_without_an_enclave_says_what_was_looked_for() {
    let desk = Desk::new();
    desk.write("other/manifest.json", "{}");
    desk.refused(&["package-info", "other"], &format!("neither {OCCLUM} (Occlum) nor a .sig file (Gramine)"));
    desk.write("occlum/Occlum.json", "{}");
    desk.refused(&["package-info", "occlum"], "`occlum build`");
    desk.write("gramine/app.manifest.sgx", "");
    desk.refused(&["package-info", "gramine"], "`gramine-sgx-sign`");
    desk.refused(&["package-info", "/dev/null"], "neither a file nor a folder");
}

#[test]
fn an_enclave_that_is_not_signed_or_damaged_says_so() {
    let desk = Desk::new();
    let Some(()) = place(&desk, "enclave-oe", "enclave") else { return };
    let signed = fs::read(desk.path("enclave")).unwrap();
    let mut unsigned = signed.clone();
    unsigned[68..1876].fill(0); // the SIGSTRUCT in .oeinfo
    fs::write(desk.path("enclave"), unsigned).unwrap();
    desk.refused(&["package-info", "enclave"], "section .oeinfo holds no SIGSTRUCT");
    fs::write(desk.path("enclave"), &signed[..2000]).unwrap();
    desk.refused(&["package-info", "enclave"], "section header table lies beyond the end");
    fs::write(desk.path("enclave"), [&signed[68..1876], b"more"].concat()).unwrap();
    desk.refused(&["package-info", "enclave"], "followed by 1 bytes");
}
