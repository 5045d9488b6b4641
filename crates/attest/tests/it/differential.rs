//! Our parsers against dcap-qvl's and sev's, on recorded evidence that is changed at random: where both read, both read
//! the same; where only one does, it is by a rule that we have on purpose; and nothing panics.
//!
//! `MARBLERUN_FUZZ_INPUTS` sets the number of inputs (a release build does a million in a minute).

#[path = "differential/agree.rs"]
mod agree;
#[path = "differential/mutate.rs"]
mod mutate;

use agree::Verdict;
use mutate::Mutator;

use crate::recorded::Recorded;

const INPUTS: usize = 10_000;

#[test]
fn quotes_are_read_as_dcap_qvl_reads_them() {
    let seeds = seeds(&[
        "sgx/v3-icx-swhardening",
        "sgx/v3-certdata-type3-no-chain",
        "tdx/v4-uptodate",
        "tdx/v5-td15-uptodate",
        "tdx/v5-td15ex-uptodate",
    ]);
    run("quotes, dcap-qvl", &seeds, agree::quote);
}

#[test]
fn reports_are_read_as_sev_reads_them() {
    let seeds = seeds(&["snp/milan-v2-vcek", "snp/milan-v3-vlek", "snp/genoa-v3-vcek", "snp/turin-v5-vcek"]);
    run("reports, sev", &seeds, agree::report);
}

#[test]
fn nothing_that_is_changed_makes_a_panic() {
    let seeds = seeds(&["azure/snp-genoa", "azure/tdx-uptodate", "nvidia/hopper-h100", "nvidia/blackwell"]);
    run("others, alone", &seeds, agree::alone);
}

fn seeds(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| Recorded::load(name).evidence).collect()
}

fn run(what: &str, seeds: &[Vec<u8>], verdict: fn(&[u8]) -> Verdict) {
    let mut mutator = Mutator::new(0x5eed);
    let mut counts = [0usize; 3];
    for seed in seeds {
        assert_ne!(verdict(seed), Verdict::NeitherReads, "a recorded one is read");
    }
    for number in 0..inputs() {
        let input = mutator.change(&seeds[number % seeds.len()], seeds);
        counts[verdict(&input) as usize] += 1;
    }
    println!("{what}: both read {}, one reads {}, neither {}", counts[0], counts[1], counts[2]);
    assert!(counts[0] > inputs() / 100, "most inputs must not be refused at once: {counts:?}");
}

fn inputs() -> usize {
    #[allow(clippy::disallowed_methods, reason = "tests read their own environment")]
    let named = std::env::var("MARBLERUN_FUZZ_INPUTS").ok();
    named.map_or(INPUTS, |number| number.parse().expect("a number"))
}
