//! The whole path of attestation with real processes: a Coordinator in the software TEE that verifies what marbles prove,
//! an update that raises a version, tampered builds, foreign signers, platforms that are out of date or revoked.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use marblerun_testkit::program::{Coordinator, Options, build};
use serde_json::{Value, json};

use crate::lab::Lab;

/// A lab with a Coordinator in it, a signed program that prints its environment, and an owner of the manifest.
pub(crate) struct Mesh {
    pub(crate) lab: Lab,
    pub(crate) coordinator: Coordinator,
    /// What the Coordinator is, as a manifest or an era-config names it.
    pub(crate) package: Value,
    premain: PathBuf,
}

impl Mesh {
    pub(crate) fn new() -> Self {
        Self::with_coordinator(&[])
    }

    /// With a Coordinator that was signed with these flags.
    pub(crate) fn with_coordinator(flags: &[&str]) -> Self {
        let lab = Lab::new();
        let place = |built: PathBuf, name: &str| {
            fs::copy(built, lab.desk.path(name)).unwrap();
            lab.desk.path(name)
        };
        let premain = place(build("marblerun-marble", "marblerun-premain").unwrap(), "premain");
        let program = place(build("marblerun-coordinator", "marblerun-coordinator").unwrap(), "coordinator");
        place("/usr/bin/env".into(), "shown");
        let sign = ["emulator", "sign", "coordinator", "--key", "key.pem", "--product", "1"];
        let package = lab.desk.done(&[&sign[..], flags].concat());
        let package = serde_json::from_str(&package).unwrap();
        let options = Options {
            program: Some(program),
            env: vec![("OE_SIMULATION".into(), None)],
            ..Options::default()
        };
        let options = options
            .env("EDG_EMULATOR", &lab.desk.path("tee/default.sock").display().to_string())
            .env("EDG_PCCS_URL", lab.desk.read("tee/collateral.url").trim())
            .env("EDG_KDS_URL", lab.desk.read("tee/collateral.url").trim());
        Self { coordinator: Coordinator::start(options).unwrap(), package, premain, lab }
    }

    /// Signs the program as a marble of the premain; what a manifest names.
    pub(crate) fn sign(&self, flags: &[&str]) -> Value {
        let sign = ["emulator", "sign", "shown", "--loader", "premain", "--product", "2"];
        let key = if flags.contains(&"--key") { &[][..] } else { &["--key", "key.pem"] };
        serde_json::from_str(&self.lab.desk.done(&[&sign[..], key, flags].concat())).unwrap()
    }

    pub(crate) fn set(&self, manifest: &Value) {
        self.lab.desk.write("manifest.json", &manifest.to_string());
        let address = self.coordinator.client_addr.to_string();
        self.lab.desk.done(&["manifest", "set", "manifest.json", &address, "--insecure"]);
    }

    /// Starts the marble: what it printed, or why there is none.
    fn start(&self) -> Result<String, String> {
        self.start_with(&[])
    }

    /// As [`Mesh::start`], with flags of the premain.
    pub(crate) fn start_with(&self, flags: &[&str]) -> Result<String, String> {
        self.start_at(self.coordinator.mesh_addr, flags)
    }

    /// As [`Mesh::start_with`], at whoever listens there.
    pub(crate) fn start_at(&self, coordinator: SocketAddr, flags: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.premain)
            .args(flags)
            .arg("./shown")
            .current_dir(self.lab.desk.path(""))
            .env_clear()
            .env("EDG_EMULATOR", self.lab.desk.path("tee/default.sock"))
            .env("EDG_MARBLE_TYPE", "web")
            .env("EDG_MARBLE_ACTIVATION_TIMEOUT", "0")
            .env("EDG_MARBLE_COORDINATOR_ADDR", coordinator.to_string())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    #[track_caller]
    pub(crate) fn admitted(&self) {
        let printed = self.start().unwrap_or_else(|why| panic!("{why}\n{}", self.coordinator.log()));
        assert!(printed.contains("GREETING=hello"), "{printed}");
    }

    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) {
        let why = self.start().unwrap_err();
        assert!(words.iter().all(|word| why.contains(word)), "{words:?}:\n{why}");
    }

    pub(crate) fn manifest(&self, package: &Value) -> Value {
        let root = self.lab.desk.done(&["emulator", "root", "tee", "--infrastructure"]);
        json!({
            "Packages": { "p": package },
            "Infrastructures": { "lab": serde_json::from_str::<Value>(&root).unwrap() },
            "Marbles": { "web": { "Package": "p", "Parameters": { "Env": { "GREETING": "hello" } } } },
        })
    }
}

#[test]
fn a_marble_is_admitted_for_what_it_proves_and_for_nothing_else() {
    let mesh = Mesh::new();
    mesh.set(&mesh.manifest(&mesh.sign(&["--svn", "2"])));
    mesh.admitted();
    // Another build of the same signer is the same product; an older one is not wanted.
    mesh.sign(&["--svn", "3"]);
    mesh.admitted();
    mesh.sign(&["--svn", "1"]);
    mesh.refused(&["Packages.p.SecurityVersion", "seen 1", "at least 2"]);
    mesh.lab.desk.done(&["emulator", "key", "other.pem"]);
    mesh.sign(&["--svn", "2", "--key", "other.pem"]);
    mesh.refused(&["Packages.p.SignerID"]);
    mesh.sign(&["--svn", "2", "--debug"]);
    mesh.refused(&["Packages.p.Debug", "debug enclave"]);
    // One byte more at its end: it runs as before, and proves nothing.
    mesh.sign(&["--svn", "2"]);
    let mut program = fs::OpenOptions::new().append(true).open(mesh.lab.desk.path("shown")).unwrap();
    program.write_all(b"!").unwrap();
    drop(program);
    mesh.refused(&["not the one that was signed"]);
    mesh.sign(&["--svn", "2"]);
    mesh.admitted();
}

#[test]
fn a_platform_counts_as_long_as_its_vendor_says_so() {
    let mesh = Mesh::new();
    mesh.set(&mesh.manifest(&mesh.sign(&[])));
    mesh.admitted();
    mesh.lab.desk.done(&["emulator", "set", "tee", "--tcb", "OutOfDate"]);
    mesh.refused(&["Packages.p.AcceptedTCBStatuses", "OutOfDate"]);
    mesh.lab.desk.done(&["emulator", "set", "tee", "--tcb", "Revoked"]);
    mesh.refused(&["Revoked"]);
    mesh.lab.desk.done(&["emulator", "set", "tee", "--tcb", "UpToDate"]);
    mesh.admitted();
}

/// The root of a software TEE counts where a manifest names it, and nowhere else.
#[test]
fn nobody_trusts_the_software_tee_by_itself() {
    let mesh = Mesh::new();
    let mut manifest = mesh.manifest(&mesh.sign(&[]));
    manifest.as_object_mut().unwrap().remove("Infrastructures");
    mesh.set(&manifest);
    mesh.refused(&["no trusted root"]);
}

/// An infrastructure that names no root means hardware: it does not let in what another one, which names the software TEE,
/// keeps out.
#[test]
fn an_infrastructure_without_a_root_means_hardware() {
    let mesh = Mesh::new();
    let mut manifest = mesh.manifest(&mesh.sign(&[]));
    manifest["Infrastructures"]["lab"]["FMSPCs"] = json!(["000000000000"]);
    manifest["Infrastructures"]["any"] = json!({});
    mesh.set(&manifest);
    mesh.refused(&["Infrastructures.lab.FMSPCs", "Infrastructures.any.RootCA", "a hardware vendor's root"]);
}

/// The same software as a trust domain and as an SNP guest, by the manifest's own blocks.
#[test]
fn every_tee_is_admitted_by_its_own_block() {
    for tee in ["tdx", "snp"] {
        let mesh = Mesh::new();
        mesh.lab.desk.done(&["emulator", "set", "tee", "--tee", tee]);
        let package = mesh.sign(&["--tee", tee]);
        let mut manifest = mesh.manifest(&package);
        let amd = mesh.lab.desk.done(&["emulator", "root", "tee", "--infrastructure", "--amd", "genoa"]);
        manifest["Infrastructures"]["amd"] = serde_json::from_str(&amd).unwrap();
        mesh.set(&manifest);
        mesh.admitted();
        let other = "00".repeat(48);
        let key = if tee == "tdx" { "MRTD" } else { "Measurement" };
        assert_ne!(package[tee.to_uppercase()][key], other, "it is named");
    }
}
