//! Any bytes uploaded as a manifest: no panic, the same answer twice, a bounded answer, and places that exist.
//! Good seeds: `testdata/manifests/`.

#![no_main]

use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use marblerun_manifest::{Finding, Manifest};

fuzz_target!(|raw: &[u8]| {
    let findings = findings(raw);
    assert!(findings.len() <= 101, "the list of findings is bounded");
    assert_eq!(findings, self::findings(raw), "the same bytes, another answer");
    let lines = raw.split(|byte| *byte == b'\n').count();
    for place in findings.iter().filter_map(|finding| finding.position) {
        assert!((1..=lines).contains(&place.line) && place.column >= 1, "a place outside of the text");
    }
});

fn findings(raw: &[u8]) -> Vec<Finding> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    match Manifest::parse(raw, now) {
        Ok(checked) => checked.warnings,
        Err(errors) => {
            assert!(!errors.0.is_empty(), "a refusal without a reason");
            errors.0
        }
    }
}
