//! Our parsers against dcap-qvl's and sev's, on recorded evidence that is changed at random: where both read, both read
//! the same; where only one does, it is by a rule that we have on purpose; and nothing panics.
//!
//! `MARBLERUN_FUZZ_INPUTS` sets the number of inputs of each kind, `MARBLERUN_FUZZ_SEED` what they are made of; the same two
//! make the same inputs.

#[path = "differential/agree.rs"]
mod agree;
#[path = "differential/mutate.rs"]
mod mutate;

use agree::Verdict;
use mutate::Mutator;

use crate::recorded::Recorded;

const INPUTS: u64 = 5_000;
const SEED: u64 = 0x5eed;

#[test]
fn quotes_are_read_as_dcap_qvl_reads_them() {
    let sgx = [
        "sgx/v3-icx-swhardening",
        "sgx/v3-processor-cfg-swhardening",
        "sgx/v3-certdata-type3-no-chain",
        "sgx/ego-report-debug",
    ];
    run("SGX quotes of version 3, dcap-qvl", &sgx, agree::quote);
    run("TDX quotes of version 4, dcap-qvl", &["tdx/v4-uptodate", "tdx/v4-gcp-uptodate"], agree::quote);
    let tdx = ["tdx/v5-td15-uptodate", "tdx/v5-td15ex-uptodate", "tdx/v5-td15-service-td"];
    run("TDX quotes of version 5, dcap-qvl", &tdx, agree::quote);
}

#[test]
fn reports_are_read_as_sev_reads_them() {
    run("SNP reports of version 2, sev", &["snp/milan-v2-vcek", "snp/milan-v2-vcek-trustee"], agree::report);
    let third = ["snp/milan-v3-vlek", "snp/milan-v3-dstack", "snp/genoa-v3-vcek"];
    run("SNP reports of version 3, sev", &third, agree::report);
    run("SNP reports of version 5, sev", &["snp/turin-v5-vcek"], agree::report);
}

#[test]
fn nothing_that_is_changed_makes_a_panic() {
    run("Azure, alone", &["azure/snp-genoa", "azure/snp-milan-userdata", "azure/tdx-uptodate"], agree::alone);
    run("NVIDIA, alone", &["nvidia/hopper-h100", "nvidia/blackwell"], agree::alone);
}

fn run(what: &str, names: &[&str], verdict: fn(&[u8]) -> Verdict) {
    let seeds: Vec<_> = names.iter().map(|name| Recorded::load(name).evidence).collect();
    for seed in &seeds {
        assert_ne!(verdict(seed), Verdict::NeitherReads, "a recorded one is read");
    }
    let (inputs, seed) = (setting("MARBLERUN_FUZZ_INPUTS", INPUTS), setting("MARBLERUN_FUZZ_SEED", SEED));
    println!("{what}: {inputs} inputs of seed {seed}");
    let mut mutator = Mutator::new(seed);
    let mut counts = [0; 3];
    for _ in 0..inputs {
        let input = mutator.any(&seeds);
        counts[verdict(&input) as usize] += 1;
    }
    println!("{what}: both read {}, one reads {}, neither {}", counts[0], counts[1], counts[2]);
    assert!(counts[0] > inputs / 100, "most inputs must not be refused at once: {counts:?}");
}

fn setting(name: &str, usual: u64) -> u64 {
    #[allow(clippy::disallowed_methods, reason = "tests read their own environment")]
    let named = std::env::var(name).ok();
    named.map_or(usual, |number| number.parse().unwrap_or_else(|_| panic!("{name}: `{number}` is no number")))
}
