//! YAML documents against the JSON that Go made of them.

use std::path::Path;

use marblerun_cli::yaml;
use serde_json::Value;

#[test]
fn documents_become_the_json_that_go_makes_of_them() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/yaml/go.json");
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(recorded).unwrap()).unwrap();
    assert!(cases.len() > 200);
    for case in cases {
        let document = case["yaml"].as_str().unwrap();
        match yaml::parse(document).and_then(|document| yaml::to_json(&document)) {
            Ok(json) => {
                assert_ne!(case["refused"], true, "{document:?} was accepted");
                assert_eq!(String::from_utf8(json).unwrap(), case["json"].as_str().unwrap(), "{document:?}");
            }
            Err(error) => assert_eq!(case["refused"], true, "{document:?}: {error}"),
        }
    }
}
