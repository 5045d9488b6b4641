//! Evidence of each kind cut at every length, and with something after it.

use super::kit::{AZURE, Kit, NVIDIA, QUOTE};
use super::{check, genuine};
use crate::recorded::Recorded;

/// Bytes that somebody could add: padding, anything, and all of it again.
fn additions(of: &[u8]) -> [Vec<u8>; 4] {
    [vec![0], vec![0; 1000], vec![1], [of, &[1]].concat()]
}

#[test]
fn binary_evidence_of_another_length_is_refused() {
    for name in [
        "sgx/v3-icx-swhardening",
        "tdx/v4-uptodate",
        "tdx/v5-td15-uptodate",
        "tdx/v5-td15ex-uptodate",
        "snp/milan-v2-vcek",
        "snp/genoa-v3-vcek",
        "snp/milan-v3-vlek",
        "snp/turin-v5-vcek",
        "nvidia/blackwell",
    ] {
        every_length_of(&Recorded::load(name), name);
    }
    every_length_of(
        &Recorded::load_form("sgx/ego-report-debug", |file| file == "oe_report.bin"),
        "in a wrapping",
    );
}

fn every_length_of(recorded: &Recorded, name: &str) {
    let before = recorded.genuine().unwrap();
    for length in 0..recorded.evidence.len() {
        let outcome = recorded.genuine_of(&recorded.evidence[..length]);
        check(outcome, &before, false, || format!("{name}: {length} bytes"));
    }
    for addition in additions(&recorded.evidence) {
        let outcome = recorded.genuine_of(&[&recorded.evidence[..], &addition].concat());
        let says_nothing = says_nothing(&recorded.evidence, &addition);
        check(outcome, &before, says_nothing, || format!("{name}: {} bytes more", addition.len()));
    }
}

/// Zeros may follow a quote that stands alone, since Linux hands out buffers of a fixed size. A host's table may follow a
/// report of SNP: what is in there beside the right certificate counts for nothing, and these long additions read as one
/// without any (a report begins with what looks like an entry of an unknown kind, and zeros).
fn says_nothing(evidence: &[u8], addition: &[u8]) -> bool {
    let is_quote = matches!(evidence, [3..=5, 0, 2, 0, ..]);
    let is_table = evidence.len() == 1184 && addition.len() >= 1000;
    is_table || (is_quote && addition.iter().all(|byte| *byte == 0))
}

/// JSON that is cut is none, and white space around it means nothing.
#[test]
fn json_of_another_length_is_refused() {
    for name in ["azure/snp-genoa", "azure/tdx-uptodate", "nvidia/hopper-h100"] {
        let (recorded, before) = genuine(name);
        let json = recorded.evidence.trim_ascii_end();
        for length in (0..json.len()).step_by(7).chain([json.len() - 1]) {
            check(recorded.genuine_of(&json[..length]), &before, false, || format!("{name}: {length} bytes"));
        }
        for addition in additions(json).iter().chain([&b" \n".to_vec()]) {
            let outcome = recorded.genuine_of(&[json, addition].concat());
            let is_space = addition.iter().all(u8::is_ascii_whitespace);
            check(outcome, &before, is_space, || format!("{name}: {} bytes more", addition.len()));
        }
    }
}

#[test]
fn parts_of_another_length_are_refused() {
    every_length("sgx/v3-icx-swhardening", &QUOTE);
    every_length("tdx/v5-td15-uptodate", &QUOTE);
    every_length("azure/snp-genoa", &AZURE);
    every_length("azure/tdx-uptodate", &AZURE);
    every_length("nvidia/hopper-h100", &NVIDIA);
}

/// Each part alone: cut at every length, and longer, with the lengths around it made to fit.
fn every_length(name: &str, kit: &Kit) {
    let (recorded, before) = genuine(name);
    let parts = (kit.apart)(&recorded);
    for (number, (part, bytes)) in parts.iter().enumerate() {
        let shorter = (0..bytes.len()).map(|length| bytes[..length].to_vec());
        let longer = additions(bytes).map(|addition| [&bytes[..], &addition].concat());
        // The first byte of a header says how the rest is put together.
        for changed in shorter.chain(longer).filter(|changed| *part != "header" || !changed.is_empty()) {
            let mut parts = parts.clone();
            let ignored = is_ignored(part, bytes, &changed);
            let what = || format!("{name}: {part}, {} bytes instead of {}", changed.len(), bytes.len());
            parts[number].1.clone_from(&changed);
            let (evidence, collateral) = (kit.together)(&recorded, &parts);
            check(recorded.genuine_with(&evidence, &collateral), &before, ignored, what);
        }
    }
}

/// Zeros fill the paravisor's report and follow a quote; ends of lines and one NUL follow certificates as text, and the root
/// at their end may be left out.
fn is_ignored(part: &str, original: &[u8], changed: &[u8]) -> bool {
    let added = changed.strip_prefix(original).or(original.strip_prefix(changed)).unwrap_or_default();
    let is_zeros = added.iter().all(|byte| *byte == 0);
    match part {
        "hcl_report" => is_zeros,
        // The text of its certificates ends with a NUL of its own.
        "td_quote" => is_zeros && changed.ends_with(&[0]),
        "PCK chain" | "chain" => {
            let (all, changed) = (certificates(original), certificates(changed));
            changed == all || changed == all[..all.len() - 1]
        }
        _ => false,
    }
}

/// Text up to the end of each certificate; a rest that is none is one more.
fn certificates(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8(text.strip_suffix(&[0]).unwrap_or(text).to_vec()).unwrap();
    let blocks = text.split_inclusive("-----END CERTIFICATE-----");
    let blocks = blocks.map(|block| block.trim_matches(['\r', '\n']).to_owned());
    blocks.filter(|block| !block.is_empty()).collect()
}
