//! The software TEE as an operator runs it: real processes, measured by the emulator through the kernel.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use marblerun_testkit::program::{Coordinator, Options, build};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::lab::{Lab, SOON};

fn fetch_from(lab: &Lab, path: &str) -> (u16, String) {
    fetch(lab.url().strip_prefix("http://").unwrap(), path)
}

/// One GET, without a client library.
fn fetch(address: &str, path: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_signed_program_proves_itself_and_a_tampered_one_does_not() {
    let lab = Lab::new();
    assert!(lab.ask().stderr.contains("sign it with `marblerun emulator sign`"));
    let build = lab.sign(&["--unique"]);
    let package = lab.sign(&["--svn", "3"]);
    let quote = lab.evidence();
    assert_eq!(hex::encode(&quote[112..144]), build["UniqueID"].as_str().unwrap());
    assert_eq!(hex::encode(&quote[176..208]), package["SignerID"].as_str().unwrap());
    assert_eq!((package["SecurityVersion"].as_u64(), quote[306]), (Some(3), 3));
    assert_eq!(quote[368..371], [0xc0, 0xff, 0xee]);
    // One more byte at its end: the program runs as before, but it is another one.
    fs::OpenOptions::new().append(true).open(&lab.program).unwrap().write_all(b"!").unwrap();
    let refused = lab.ask();
    assert!(refused.code == 1 && refused.stderr.contains("not the one that was signed"), "{refused:?}");
    assert_ne!(lab.sign(&["--unique"]), build);
    lab.evidence();
}

#[test]
fn platforms_and_collateral_change_while_it_runs() {
    let lab = Lab::new();
    lab.sign(&[]);
    let svn = |quote: Vec<u8>| quote[48];
    let best = svn(lab.evidence());
    lab.desk.done(&["emulator", "set", "tee", "--tcb", "Revoked"]);
    assert!(svn(lab.evidence()) < best);
    lab.desk.done(&["emulator", "set", "tee", "--tcb", "UpToDate", "--tee", "tdx"]);
    assert_eq!(lab.evidence()[4], 0x81);
    let (status, before) = fetch_from(&lab, "/sgx/certification/v4/tcb?fmspc=00806f050000");
    assert!(status == 200 && before.contains("\"tcbEvaluationDataNumber\":20"), "{before}");
    assert!(before.to_lowercase().contains("tcb-info-issuer-chain: -----begin%20certificate"), "{before}");
    lab.desk.done(&["emulator", "set", "tee", "--tcb-recovery"]);
    let (_, after) = fetch_from(&lab, "/sgx/certification/v4/tcb?fmspc=00806f050000");
    assert!(after.contains("\"tcbEvaluationDataNumber\":21"), "{after}");
    assert_eq!(fetch_from(&lab, "/elsewhere").0, 404);
}

#[test]
fn what_is_secret_is_readable_by_its_owner_only_and_survives_a_restart() {
    let mut lab = Lab::new();
    assert_eq!(mode(&lab.desk.path("tee")), 0o700);
    assert_eq!(mode(&lab.desk.path("tee/vendor.json")), 0o600);
    assert_eq!(mode(&lab.desk.path("key.pem")), 0o600);
    let root = lab.desk.done(&["emulator", "root", "tee"]);
    assert!(root.starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(lab.desk.done(&["emulator", "root", "tee", "--amd", "milan"]).starts_with("-----BEGIN"));
    assert!(lab.emulator.terminate(SOON).unwrap().success());
    assert!(!lab.desk.path("tee/default.sock").exists());
    assert_eq!(lab.desk.done(&["emulator", "root", "tee"]), root);
    let shown: Value = serde_json::from_str(&lab.desk.done(&["emulator", "show", "tee"])).unwrap();
    assert_eq!((shown["TCBStatus"].as_str(), shown["Revoked"].as_bool()), (Some("UpToDate"), Some(false)));
}

#[test]
fn what_is_printed_is_what_a_manifest_names() {
    let lab = Lab::new();
    for flags in [&["--unique"][..], &["--tee", "sgx"], &["--tee", "tdx"], &["--tee", "snp"]] {
        let package = lab.sign(flags);
        let root = lab.desk.done(&["emulator", "root", "tee", "--infrastructure"]);
        let manifest = json!({
            "Packages": { "p": package },
            "Marbles": { "m": { "Package": "p" } },
            "Infrastructures": { "emulator": serde_json::from_str::<Value>(&root).unwrap() },
        });
        lab.desk.write("manifest.json", &manifest.to_string());
        lab.desk.done(&["manifest", "check", "manifest.json", "--deny-warnings"]);
    }
}

#[test]
fn a_coordinator_keeps_its_state_until_it_is_tampered_with() {
    let lab = Lab::new();
    let built = build("marblerun-coordinator", "marblerun-coordinator").unwrap();
    let program = lab.desk.path("coordinator");
    fs::copy(built, &program).unwrap();
    let sign = ["emulator", "sign", "coordinator", "--key", "key.pem"];
    let options = Options { program: Some(program.clone()), ..Options::default() };
    let socket = lab.desk.path("tee/default.sock").display().to_string();
    let options =
        Options { env: vec![("OE_SIMULATION".into(), None)], ..options }.env("EDG_EMULATOR", &socket);
    lab.desk.done(&sign);
    let mut coordinator = Coordinator::start(options).unwrap();
    let address = coordinator.client_addr.to_string();
    let status = || lab.desk.done(&["status", &address, "--insecure"]);
    lab.desk.done(&["manifest", "set", "manifest.json", &address, "--insecure"]);
    coordinator.stop().unwrap();
    coordinator.start_again().unwrap();
    assert!(status().starts_with("3: ") && status().contains("software TEE; nothing is protected"));
    coordinator.stop().unwrap();
    fs::OpenOptions::new().append(true).open(&program).unwrap().write_all(b"!").unwrap();
    coordinator.start_again().unwrap();
    assert!(status().starts_with("1: "), "{}", status());
    coordinator.stop().unwrap();
    lab.desk.done(&sign);
    coordinator.start_again().unwrap();
    assert!(status().starts_with("3: "), "{}", status());
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let desk = Desk::new();
    desk.refused(&["emulator", "run", "tee", "--listen", "0.0.0.0:0"], "loopback");
    desk.refused(&["emulator", "root", "tee"], "vendor.json");
    desk.refused(&["emulator", "set", "tee"], "emulator.json");
    desk.refused(&["emulator", "set", "tee", "--tcb", "Fine"], "UpToDate");
    desk.refused(&["emulator", "sign", "manifest.json"], "--key");
    desk.write("tee/vendor.json", "{}");
    desk.write("tee/emulator.json", "{}");
    desk.refused(&["emulator", "run", "tee", "--listen", "127.0.0.1:0"], "these are no vendors");
    assert_eq!(desk.read("tee/vendor.json"), "{}");
}

#[test]
fn two_emulators_do_not_share_a_folder() {
    let lab = Lab::new();
    lab.desk
        .refused(&["emulator", "run", "tee", "--listen", "127.0.0.1:0"], "another emulator answers there");
    lab.desk.refused(&["emulator", "set", "tee", "--platform", "typo", "--tcb", "Revoked"], "no platform");
    lab.sign(&[]);
    lab.evidence();
}
