//! How long a check takes, cold and warm: `cargo run --release -p marblerun-attest --example speed`.
//!
//! Cold: nothing is remembered. Warm: the same platform with the same collateral was seen before. The median of many, on
//! one thread.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement, run by hand"
)]

#[path = "../tests/vectors/case.rs"]
mod case;
#[path = "../tests/vectors/vendor.rs"]
mod vendor;

use std::path::Path;
use std::time::{Duration, Instant};

use marblerun_attest::{Appraisal, Memory, Roots};

use case::Case;

const ROUNDS: usize = 400;

const CASES: [&str; 6] = [
    "sgx/v3-icx-swhardening",
    "sgx/v3-processor-cfg-swhardening",
    "tdx/v4-uptodate",
    "tdx/v5-td15ex-uptodate",
    "snp/genoa-v3-vcek",
    "azure/snp-genoa",
];

fn main() {
    let roots = Roots::of_hardware_vendors().unwrap();
    println!("{:36} {:>12} {:>12}", "evidence", "cold, us", "warm, us");
    for name in CASES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors").join(name);
        let case = Case::load(&folder).unwrap();
        let memory = Memory::default();
        let cold = median(|| check(&case, &roots, &Memory::default()));
        let warm = median(|| check(&case, &roots, &memory));
        println!("{name:36} {:>12} {:>12}", cold.as_micros(), warm.as_micros());
    }
}

fn check(case: &Case, roots: &Roots, memory: &Memory) {
    let (collateral, now) = (&case.collateral[0].1, case.evaluate_at().unwrap());
    let appraisal = Appraisal { roots, collateral, memory, now };
    appraisal.genuine(&case.evidence[0].1, &case.binding).unwrap();
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}
