//! What `evidence inspect`, `collateral` and `doctor` say, with recorded evidence of real machines at the time that it was
//! recorded for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use marblerun_attest::{Collateral, needs};
use marblerun_cli::{Surroundings, run};
use marblerun_collateral::{Bundle, Entry};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::lab::Lab;

const CASE: &str = "tdx/v4-uptodate";
/// 2025-07-04T10:16:00Z, for which the case was recorded.
const THEN: Duration = Duration::from_secs(1_751_624_160);

fn vector(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors").join(CASE).join(file)
}

fn report_data() -> String {
    let expected: Value = serde_json::from_slice(&std::fs::read(vector("expected.json")).unwrap()).unwrap();
    expected["expected"]["report_data"].as_str().unwrap().to_owned()
}

/// A desk with a quote and a bundle that has its collateral.
fn desk() -> Desk {
    let desk = Desk::new();
    let evidence = std::fs::read(vector("quote.bin")).unwrap();
    let intel = std::fs::read(vector("collateral/collateral.json")).unwrap();
    let collateral =
        Collateral { intel: Some(serde_json::from_slice(&intel).unwrap()), ..Collateral::default() };
    let bundle = Bundle::new(vec![Entry::new(needs(&evidence).unwrap(), collateral)]);
    std::fs::write(desk.path("quote.bin"), evidence).unwrap();
    std::fs::write(desk.path("bundle.json"), bundle.to_json()).unwrap();
    desk
}

/// A call at another time, in this process.
fn at(time: Duration, desk: &Desk, args: &[&str]) -> bool {
    let surroundings = Surroundings {
        now: SystemTime::UNIX_EPOCH + time,
        config_home: None,
        home: None,
        cache_home: Some(desk.path("cache")),
        // Nobody answers there.
        pccs_url: Some("http://127.0.0.1:1".to_owned()),
        kds_url: Some("http://127.0.0.1:1".to_owned()),
        collateral_ca: None,
        emulator: None,
        simulation: false,
        root: desk.path("machine"),
    };
    let file = |arg: &&str| match arg.contains('.') {
        true => desk.path(arg).into_os_string(),
        false => OsString::from(arg),
    };
    let args: Vec<OsString> = ["marblerun"].iter().chain(args).map(file).collect();
    run(args, surroundings) == ExitCode::SUCCESS
}

#[test]
fn what_was_not_verified_says_so() {
    let desk = desk();
    let text = desk.done(&["evidence", "inspect", "quote.bin"]);
    assert!(text.starts_with("NOTHING OF THIS WAS VERIFIED"), "{text}");
    assert!(text.contains("tee: tdx") && text.contains(&format!("report_data: {}", report_data())), "{text}");
    let json: Value =
        serde_json::from_str(&desk.done(&["evidence", "inspect", "quote.bin", "--format", "json"])).unwrap();
    assert_eq!(
        (&json["verification"], &json["claims"]["report_data"]),
        (&json!("none"), &json!(report_data()))
    );
    assert_eq!(json["needs"]["vendor"], "intel");
    desk.write("garbage.bin", "garbage");
    desk.refused(&["evidence", "inspect", "garbage.bin"], "no known format");
    desk.refused(&["evidence", "inspect", "missing.bin"], "missing.bin");
}

#[test]
fn files_without_an_end_are_refused_by_name_and_bound() {
    let desk = desk();
    std::fs::write(desk.path("large.bin"), vec![7; (1 << 20) + 1]).unwrap();
    desk.refused(&["evidence", "inspect", "large.bin"], "large.bin: it has more than 1048576 bytes");
    let seen = desk.done(&["doctor", "--offline", "--collateral", "/dev/zero"]);
    assert!(seen.contains("[TROUBLE] collateral: reading /dev/zero: it has more than"), "{seen}");
    let endless = |args: &[&str]| desk.refused(args, "/dev/zero: it has more than");
    endless(&["evidence", "inspect", "/dev/zero"]);
    endless(&["evidence", "inspect", "quote.bin", "--verify", "--collateral-ca", "/dev/zero"]);
    endless(&["evidence", "inspect", "quote.bin", "--verify", "--collateral", "/dev/zero"]);
    endless(&["evidence", "inspect", "quote.bin", "--verify", "--era-config", "/dev/zero"]);
    endless(&["secret", "set", "a", "localhost:1", "--cert", "/dev/zero", "--key", "b"]);
    endless(&["status", "localhost:1", "--coordinator-cert", "/dev/zero"]);
    // Nothing else that it could be is tried in its place.
    desk.write("empty.pem", "");
    let empty = ["evidence", "inspect", "quote.bin", "--verify", "--collateral-ca", "empty.pem"];
    desk.refused(&empty, "there is no certificate in it");
}

#[test]
fn genuine_evidence_is_told_from_other() {
    let (desk, data) = (desk(), report_data());
    let inspect = |time, more: &[&str]| {
        let args = ["evidence", "inspect", "quote.bin", "--verify", "--collateral", "bundle.json"];
        at(time, &desk, &[&args[..], more].concat())
    };
    assert!(inspect(THEN, &[]) && inspect(THEN, &["--report-data", &data, "--format", "json"]));
    assert!(!inspect(THEN, &["--report-data", &data.replace('0', "1")]), "another binding");
    assert!(!inspect(THEN + Duration::from_secs(60 * 24 * 60 * 60), &[]), "collateral that has ended");
    let mut quote = std::fs::read(desk.path("quote.bin")).unwrap();
    quote[300] ^= 1;
    std::fs::write(desk.path("quote.bin"), quote).unwrap();
    assert!(!inspect(THEN, &[]), "a changed quote");
}

#[test]
fn a_bundle_is_imported_once_and_exported_again() {
    let desk = desk();
    let verify = |desk: &Desk| at(THEN, desk, &["evidence", "inspect", "quote.bin", "--verify"]);
    assert!(!verify(&desk), "nothing is kept and nobody answers");
    assert!(at(THEN, &desk, &["collateral", "import", "bundle.json"]));
    assert!(verify(&desk), "what was imported is kept");
    assert!(at(THEN, &desk, &["collateral", "export", "again.json", "--for", "quote.bin"]));
    let bundle = |name: &str| Bundle::from_json(&std::fs::read(desk.path(name)).unwrap()).unwrap();
    assert_eq!(bundle("again.json"), bundle("bundle.json"));
    // What no vendor signed is not taken, and said.
    let forged = desk.read("bundle.json").replace("UpToDate", "OutOfDate");
    desk.write("forged.json", &forged);
    assert!(!at(THEN, &desk, &["collateral", "import", "forged.json"]));
    desk.refused(&["collateral", "import", "bundle.json"], "XDG_CACHE_HOME");
}

#[test]
fn the_doctor_says_what_is_there_and_what_to_change() {
    let desk = desk();
    let report = desk.done(&["doctor", "--offline", "--pccs-url", "http://127.0.0.1:1", "--format", "json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let seen = |words: &str| findings.iter().any(|finding| finding["seen"].as_str().unwrap().contains(words));
    assert!(seen("/dev/sev-guest") && seen("named by --pccs-url"), "{report:#}");
    assert!(
        findings.iter().all(|finding| finding["state"] == "ok" || finding["change"].is_string()),
        "{report:#}"
    );
    let report =
        desk.done(&["doctor", "--pccs-url", "http://127.0.0.1:1", "--kds-url", "http://127.0.0.1:1"]);
    assert!(
        report.contains("[TROUBLE] AMD's service at http://127.0.0.1:1") && report.contains("carry a bundle"),
        "{report}"
    );
    desk.done(&["doctor", "--offline", "--pccs-url", "nonsense"]);
}

/// What the doctor says in an environment, as JSON.
fn doctor(desk: &Desk, environment: &[(&str, &str)], args: &[&str]) -> Vec<Value> {
    let call = desk.call_in(environment, &[&["doctor", "--format", "json"], args].concat());
    assert_eq!(call.code, 0, "{call:?}");
    let report: Value = serde_json::from_str(&call.stdout).unwrap();
    report["findings"].as_array().unwrap().clone()
}

#[track_caller]
fn finds(findings: &[Value], state: &str, words: &str) {
    let there = findings.iter().any(|one| one["state"] == state && one.to_string().contains(words));
    assert!(there, "{state} {words:?}: {findings:#?}");
}

#[test]
fn the_doctor_says_what_would_run_in_this_environment() {
    let desk = Desk::new();
    let offline = ["--offline"];
    finds(&doctor(&desk, &[], &offline), "absent", "no trusted execution environment");
    finds(&doctor(&desk, &[("OE_SIMULATION", "1")], &offline), "trouble", "NOTHING IS PROTECTED");
    let both = [("OE_SIMULATION", "1"), ("EDG_EMULATOR", "nowhere.sock")];
    finds(&doctor(&desk, &both, &offline), "trouble", "are both set");
    finds(&doctor(&desk, &both[1..], &offline), "trouble", "nowhere.sock");
}

#[test]
fn the_doctor_knows_a_software_tee_and_what_is_missing_for_it() {
    let lab = Lab::new();
    let (url, desk) = (lab.url(), &lab.desk);
    let socket = desk.path("tee/default.sock").display().to_string();
    let emulator = [("EDG_EMULATOR", &*socket)];
    let findings = doctor(desk, &emulator, &["--offline"]);
    finds(
        &findings,
        "ok",
        "would run in the software TEE (EDG_EMULATOR, emulated-sgx), which protects nothing",
    );
    finds(&findings, "trouble", &format!("set EDG_PCCS_URL and EDG_KDS_URL to {url}"));
    let named = [emulator[0], ("EDG_PCCS_URL", &url), ("EDG_KDS_URL", &url)];
    let findings = doctor(desk, &named, &[]);
    finds(&findings, "ok", "is asked for where it is served");
    finds(&findings, "ok", &format!("{url} (named by EDG_KDS_URL)"));
    finds(&findings, "ok", "answers");
    assert!(findings.iter().all(|finding| finding["state"] != "trouble"), "{findings:#?}");
}
