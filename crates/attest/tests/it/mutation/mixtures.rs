//! Two cases that are both valid, and every mixture of their parts: another platform's quoting enclave, another's chain of
//! certificates, another's signature. Only what belongs together counts.

use std::collections::HashSet;

use marblerun_attest::{Binding, Genuine};

use super::genuine;
use super::kit::{AZURE, Kit, NVIDIA, Part, QUOTE, SNP};
use crate::recorded::Recorded;

#[test]
fn quotes_of_two_enclaves_do_not_mix() {
    // The first two run on the same kind of platform, at a time when both are valid; the third does not.
    mix("sgx/v3-icx-swhardening", "sgx/v3-occlum-debug-outofdate", &QUOTE);
    mix("sgx/v3-icx-swhardening", "sgx/v3-processor-cfg-swhardening", &QUOTE);
}

#[test]
fn quotes_of_two_trust_domains_do_not_mix() {
    mix("tdx/v4-uptodate", "tdx/v4-uptodate-eval17", &QUOTE);
    mix("tdx/v4-sept-ve-not-disabled", "tdx/v4-debug-td", &QUOTE);
    mix("tdx/v4-uptodate", "tdx/v4-uptodate-2", &QUOTE);
    mix("tdx/v5-td15-uptodate", "tdx/v5-td15-service-td", &QUOTE);
    mix("tdx/v5-td15ex-uptodate", "tdx/v5-td15-uptodate", &QUOTE);
    mix("tdx/v4-uptodate", "tdx/v5-td15ex-uptodate", &QUOTE);
}

#[test]
fn reports_of_two_guests_do_not_mix() {
    mix("snp/milan-v3-vcek", "snp/milan-v3-dstack", &SNP);
    mix("snp/milan-v3-vcek", "snp/milan-v3-vlek", &SNP);
    mix("snp/milan-v2-vcek", "snp/milan-v3-vcek", &SNP);
    mix("snp/genoa-v3-vcek", "snp/milan-v3-vcek", &SNP);
    mix("snp/genoa-v3-vcek", "snp/turin-v5-vcek", &SNP);
}

#[test]
fn evidence_of_two_virtual_tpms_does_not_mix() {
    mix("azure/snp-milan-v1", "azure/snp-milan-userdata", &AZURE);
    mix("azure/snp-genoa", "azure/snp-milan-v1", &AZURE);
    mix("azure/tdx-uptodate", "azure/snp-genoa", &AZURE);
}

#[test]
fn reports_of_two_devices_do_not_mix() {
    mix("nvidia/hopper-h100", "nvidia/hopper-ocsp-hold", &NVIDIA);
    mix("nvidia/hopper-h100", "nvidia/blackwell", &NVIDIA);
}

#[test]
fn other_report_data_is_refused() {
    for (name, kit) in [
        ("sgx/v3-icx-swhardening", &QUOTE),
        ("tdx/v4-uptodate", &QUOTE),
        ("tdx/v5-td15-uptodate", &QUOTE),
        ("tdx/v5-td15ex-uptodate", &QUOTE),
        ("snp/milan-v2-vcek", &SNP),
        ("snp/milan-v3-vlek", &SNP),
        ("snp/milan-v3-dstack", &SNP),
        ("azure/snp-genoa", &AZURE),
        ("azure/tdx-uptodate", &AZURE),
        ("nvidia/hopper-h100", &NVIDIA),
    ] {
        rebind(name, kit);
    }
}

/// Both ways round, so that each mixture is seen with the collateral and at the time of either.
fn mix(one: &str, other: &str, kit: &Kit) {
    mix_into(one, other, kit);
    mix_into(other, one, kit);
}

/// Every mixture of the parts of `name` and `stranger`, with the collateral and at the time of `name`.
fn mix_into(name: &str, stranger: &str, kit: &Kit) {
    let ((mut recorded, before), (other, _)) = (genuine(name), genuine(stranger));
    let (ours, theirs) = ((kit.apart)(&recorded), (kit.apart)(&other));
    let our_binding = recorded.binding.clone();
    assert_eq!(whole(&recorded, kit, &ours), before, "{name}: taken apart and put together");
    // What is the same in both makes the same mixture again.
    let mut seen = HashSet::from([values(&ours), values(&theirs)]);
    for chosen in 0..1_usize << ours.len() {
        let mixture = mixture(&ours, &theirs, chosen);
        if !seen.insert(values(&mixture)) {
            continue;
        }
        let (evidence, collateral) = (kit.together)(&recorded, &mixture);
        // Whichever binding it has is the wanted one.
        for binding in [&other.binding, &our_binding] {
            recorded.binding = binding.clone();
            let outcome = recorded.genuine_with(&evidence, &collateral);
            assert!(outcome.is_err(), "{name} with {:?} of {stranger}", names(&theirs, chosen));
        }
    }
}

fn values(parts: &[Part]) -> Vec<Vec<u8>> {
    parts.iter().map(|(_, bytes)| bytes.clone()).collect()
}

fn whole(recorded: &Recorded, kit: &Kit, parts: &[Part]) -> Genuine {
    let (evidence, collateral) = (kit.together)(recorded, parts);
    recorded.genuine_with(&evidence, &collateral).unwrap()
}

/// The parts whose bits are set are theirs.
fn mixture(ours: &[Part], theirs: &[Part], chosen: usize) -> Vec<Part> {
    let pairs = ours.iter().zip(theirs).enumerate();
    pairs.map(|(at, (our, their))| if chosen >> at & 1 == 1 { their.clone() } else { our.clone() }).collect()
}

fn names(theirs: &[Part], chosen: usize) -> Vec<&'static str> {
    let named = theirs.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1);
    named.map(|(_, (name, _))| *name).collect()
}

/// Writes another binding where the evidence has its own, and wants that one. Cases that are bound to zeros would not show
/// where that is.
fn rebind(name: &str, kit: &Kit) {
    let (mut recorded, _) = genuine(name);
    let Binding::Exactly(bound) = recorded.binding.clone() else { panic!("{name}: another binding") };
    let mut parts = (kit.apart)(&recorded);
    let is_there = |bytes: &[u8]| bytes.windows(bound.len()).position(|window| window == bound);
    let (part, at) =
        parts.iter_mut().find_map(|(_, bytes)| is_there(bytes).map(|at| (bytes, at))).expect("a binding");
    let other: Vec<u8> = bound.iter().map(|byte| !byte).collect();
    part[at..at + other.len()].copy_from_slice(&other);
    recorded.binding = Binding::Exactly(other);
    let (evidence, collateral) = (kit.together)(&recorded, &parts);
    let failure = recorded.genuine_with(&evidence, &collateral).unwrap_err();
    assert!(failure.code().contains("signature"), "{name}: {failure}");
}
