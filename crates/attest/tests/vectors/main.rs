//! Recorded evidence of real machines, against the expected results that other verifiers established.
//!
//! `cargo test -p marblerun-attest --test vectors -- sgx` runs those whose name contains `sgx`. The environment variable
//! `MARBLERUN_VECTORS` names another folder of the same form; every case that is found there is run, and a folder without
//! any is a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test program: what fails, fails the test"
)]

mod case;
mod fields;
mod judge;
mod reasons;
mod vendor;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use marblerun_testkit::golden::Report;

fn main() -> ExitCode {
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut report = Report::default();
    let cases = cases(&folder());
    if cases.is_empty() {
        report.case("(all)", Err(format!("there is no expected.json below {}", folder().display())));
    }
    for folder in cases {
        let name = name(&folder);
        if filters.is_empty() || filters.iter().any(|filter| name.contains(filter)) {
            report.case(&name, judged(&folder));
        }
    }
    report.finish()
}

/// A panic fails its case, and not those after it.
fn judged(folder: &Path) -> Result<(), String> {
    let judged = catch_unwind(|| judge::judge(&case::Case::load(folder)?));
    judged.unwrap_or_else(|panic| Err(format!("a panic: {:?}", panic.downcast_ref::<String>())))
}

fn folder() -> PathBuf {
    #[allow(clippy::disallowed_methods, reason = "tests read their own environment")]
    let named = std::env::var_os("MARBLERUN_VECTORS").unwrap_or_else(|| "testdata/vectors".into());
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(named)
}

/// All folders below `folder` that hold an `expected.json`, in order.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut folders: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let is_case = |path: &PathBuf| path.join("expected.json").is_file();
    folders.into_iter().flat_map(|path| if is_case(&path) { vec![path] } else { cases(&path) }).collect()
}

/// `sgx/v3-corrupted-chain`
fn name(folder: &Path) -> String {
    let last_two: Vec<_> = folder.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
    last_two.into_iter().rev().collect::<Vec<_>>().join("/")
}
