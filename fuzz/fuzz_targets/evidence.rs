//! Any bytes as evidence: no panic, and what dcap-qvl or sev also read, they read alike. Good seeds: evidence below
//! `testdata/vectors/`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/attest/tests/it/differential/agree.rs"]
mod agree;

fuzz_target!(|bytes: &[u8]| {
    agree::quote(bytes);
    agree::report(bytes);
    agree::alone(bytes);
});
