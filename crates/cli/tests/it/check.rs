//! `marblerun manifest check`.

use serde_json::Value;

use crate::desk::{Desk, MANIFEST};

/// The findings of a document: (line, column, severity, path), as both outputs tell them.
fn check(document: &str, flags: &[&str], code: i32, expected: &[(u64, u64, &str, &str)]) {
    let desk = Desk::new();
    desk.write("m", document);
    let line = |extra: &[&'static str]| -> Vec<String> {
        ["manifest", "check", "m"].iter().chain(extra).chain(flags).map(ToString::to_string).collect()
    };
    let call = |line: Vec<String>| desk.call(&line.iter().map(String::as_str).collect::<Vec<_>>());
    let (text, json) = (call(line(&[])), call(line(&["--format", "json"])));
    assert_eq!((text.code, json.code), (code, code), "{document}: {text:?}");
    let told: Value = serde_json::from_str(&json.stdout).unwrap();
    let findings = told["findings"].as_array().unwrap();
    assert_eq!(findings.len(), expected.len(), "{document}: {text:?}");
    for (finding, (line, column, severity, path)) in findings.iter().zip(expected) {
        assert_eq!(
            (&finding["line"], &finding["column"]),
            (&Value::from(*line), &Value::from(*column)),
            "{finding}"
        );
        assert_eq!((&finding["severity"], &finding["path"]), (&Value::from(*severity), &Value::from(*path)));
        let start = format!("m:{line}:{column}: {severity}: {path}");
        assert!(text.stdout.contains(&start), "{start}: {}", text.stdout);
    }
}

const WRONG_JSON: &str =
    "{\n  \"Packages\": {\"p\": {\"UniqueID\": \"zz\"}},\n  \"Marbles\": {\"m\": {\"Package\": \"q\"}}\n}\n";
const WRONG_YAML: &str = "# a remark\nMarbles:\n  m:\n    Package: q\nPackages:\n  p: {UniqueID: zz}\n";
const UNKNOWN: &str = "{\"Packages\": {\"p\": {\"UniqueID\": \"1111111111111111111111111111111111111111111111111111111111111111\"}},\n\"Marbles\": {\"m\": {\"Package\": \"p\"}},\n\"Clients\": {}}";

#[test]
fn findings_stand_where_the_file_has_them() {
    check(MANIFEST, &[], 0, &[]);
    check(
        WRONG_JSON,
        &[],
        1,
        &[(2, 22, "error", "Packages.p.UniqueID"), (3, 21, "error", "Marbles.m.Package")],
    );
    check(
        WRONG_YAML,
        &[],
        1,
        &[(4, 5, "error", "Marbles.m.Package"), (6, 7, "error", "Packages.p.UniqueID")],
    );
    check(UNKNOWN, &[], 0, &[(3, 1, "warning", "Clients")]);
    check(UNKNOWN, &["--deny-warnings"], 1, &[(3, 1, "warning", "Clients")]);
}

#[test]
fn what_is_no_document_is_one_finding() {
    check("Packages: {}\nPackages: {}\n", &[], 1, &[(2, 1, "error", "")]);
    check("a: 1.10\n", &[], 1, &[(1, 4, "error", "")]);
    check("a: [1\n", &[], 1, &[(2, 1, "error", "")]);
}

#[test]
fn a_file_that_is_not_there_is_a_failure_of_another_kind() {
    let desk = Desk::new();
    desk.refused(&["manifest", "check", "nowhere.json"], "nowhere.json");
    desk.write("large.json", &" ".repeat((8 << 20) + 1));
    desk.refused(&["manifest", "check", "large.json"], "at most");
}

#[test]
fn the_signature_is_the_one_of_the_other_commands() {
    let desk = Desk::new();
    let checked: Value =
        serde_json::from_str(&desk.done(&["manifest", "check", "manifest.json", "--format=json"])).unwrap();
    assert_eq!(checked["signature"], desk.done(&["manifest", "signature", "manifest.json"]).trim());
    assert_eq!(checked["valid"], true);
}
