//! What holds for every text: no panic, the same answer each time, and no content in an error.

use marblerun_manifest::Manifest;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{now, patched, pem};

/// What must never show up in a finding.
const CANARY: &str = "CANARY";

fn full() -> String {
    patched(&json!({
        "Marbles": {"press": {
            "MaxActivations": 3,
            "TLS": ["t"],
            "Parameters": {
                "Argv": ["press", CANARY],
                "Env": {"LABEL": CANARY, "HEX": {"Data": "4341", "Encoding": "hex"}},
                "Files": {"/etc/press.conf": format!("x = {CANARY}")},
            },
        }},
        "Infrastructures": {"barn": {"QESVN": 2, "CPUSVN": [0, 1, 2]}},
        "TLS": {"t": {"Incoming": [{"Port": "1", "Cert": "crate", "DisableClientAuth": true}]}},
        "Users": {"alice": {"Certificate": pem("alice", "cert"), "Roles": ["picker"]}},
        "Roles": {"picker": {"ResourceType": "Secrets", "ResourceNames": ["note"], "Actions": ["WriteSecret"]}},
        "RecoveryKeys": {"safe": pem("safe-one", "public")},
        "Config": {"SealMode": "UniqueKey", "FeatureGates": ["MonotonicCounter"]},
    }))
}

/// Parses twice; gives every finding as text.
fn findings(raw: &[u8]) -> String {
    let parse = || match Manifest::parse(raw, now()) {
        Ok(checked) => checked.warnings,
        Err(errors) => errors.0,
    };
    let first = parse();
    assert_eq!(first, parse(), "the same text, another answer");
    first.iter().map(|finding| format!("{finding}\n")).collect()
}

fn content() -> impl Strategy<Value = Value> {
    let data =
        prop_oneof![Just(CANARY.to_owned()), Just(format!("{CANARY}\0")), Just(format!("\u{1}{CANARY}é"))];
    let encoding = prop_oneof![Just("string"), Just("base64"), Just("HEX"), Just("none")];
    prop_oneof![
        data.clone().prop_map(Value::String),
        (data.clone(), encoding, any::<bool>())
            .prop_map(|(d, e, n)| json!({"Data": d, "Encoding": e, "NoTemplates": n})),
        data.clone().prop_map(|d| json!([d])),
        data.prop_map(|d| json!({"Dat": d, "Data": [d, {"x": d}]})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
        findings(&raw);
    }

    #[test]
    fn arbitrary_json_like_text(text in r#"[\[\]{}":,\\a-c0-9. ntu-]{0,80}"#) {
        findings(text.as_bytes());
        findings(format!("{{\"Marbles\":{{\"a\":{text}").as_bytes());
    }

    #[test]
    fn one_byte_changed(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut raw = full().into_bytes();
        let at = at.index(raw.len());
        raw[at] = byte;
        let said = findings(&raw);
        prop_assert!(!said.contains(CANARY), "{said}");
    }

    #[test]
    fn cut_off(at in any::<prop::sample::Index>()) {
        let text = full();
        let said = findings(&text.as_bytes()[..at.index(text.len())]);
        prop_assert!(said.contains("not JSON") && !said.contains(CANARY), "{said}");
    }

    #[test]
    fn contents_and_keys_stay_out_of_findings(
        file in content(), env in content(), arg in content(), key in content(), private in content()
    ) {
        let said = findings(patched(&json!({
            "Marbles": {"press": {"Parameters": {"Files": {"/f": file}, "Env": {"E": env}, "Argv": [arg]}}},
            "Users": {"alice": {"Certificate": key}},
            "RecoveryKeys": {"safe": key},
            "Secrets": {"x": {"Type": "symmetric-key", "Size": 128, "Private": private, "Public": private}},
        })).as_bytes());
        prop_assert!(!said.contains(CANARY), "{said}");
    }
}

#[test]
fn the_whole_is_accepted() {
    assert!(Manifest::parse(full().as_bytes(), now()).is_ok(), "{}", findings(full().as_bytes()));
}
