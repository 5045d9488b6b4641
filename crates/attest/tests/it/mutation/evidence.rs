//! Every byte of evidence of each kind, one bit of it changed.

use super::kit::{AZURE, Kit, NVIDIA, SNP};
use super::{Ignored, check, genuine, nothing};
use crate::recorded::Recorded;

#[test]
fn every_byte_of_an_sgx_quote_counts() {
    every_byte("sgx/v3-icx-swhardening");
}

#[test]
fn every_byte_of_an_open_enclave_report_counts() {
    every_byte_of_form("sgx/oe-report-azure-nondebug", "oe_report.bin");
}

#[test]
fn every_byte_of_a_tdx_quote_of_version_4_counts() {
    every_byte("tdx/v4-uptodate");
}

#[test]
fn every_byte_of_a_tdx_quote_of_version_5_counts() {
    every_byte("tdx/v5-td15-uptodate");
}

#[test]
fn every_byte_of_an_extended_tdx_quote_counts() {
    every_byte("tdx/v5-td15ex-uptodate");
}

#[test]
fn every_byte_of_an_snp_report_and_of_its_certificates_counts() {
    for name in ["snp/milan-v2-vcek", "snp/genoa-v3-vcek", "snp/milan-v3-vlek", "snp/turin-v5-vcek"] {
        every_byte_of_parts(name, &SNP, nothing);
    }
}

#[test]
fn every_byte_of_a_virtual_tpm_over_snp_counts() {
    for name in ["azure/snp-genoa", "azure/snp-milan-userdata"] {
        every_byte_of_parts(name, &AZURE, is_paravisors_header);
    }
}

#[test]
fn every_byte_of_a_virtual_tpm_over_tdx_counts() {
    every_byte_of_parts("azure/tdx-uptodate", &AZURE, |part, position| {
        is_paravisors_header(part, position) || is_local_report(part, position)
    });
}

#[test]
fn every_byte_of_a_device_counts() {
    every_byte_of_parts("nvidia/hopper-h100", &NVIDIA, nothing);
}

/// A certificate that carries a report is an envelope that nobody vouches for: some of its bytes decide nothing, and none
/// of them can change the outcome. What counts is the report inside, and what that is bound to.
#[test]
fn every_byte_of_a_report_in_a_certificate_counts() {
    let name = "sgx/oe-x509-embedded-debug";
    let recorded = Recorded::load_form(name, |file| file == "cert.der");
    let before = recorded.genuine().unwrap();
    let quote = Recorded::load_form(name, |file| file == "quote.bin").evidence;
    let starts = recorded.evidence.windows(quote.len()).position(|window| window == quote).unwrap();
    for position in 0..recorded.evidence.len() {
        let mut evidence = recorded.evidence.clone();
        evidence[position] ^= 1 << (position % 8);
        let is_inside = (starts..starts + quote.len()).contains(&position);
        if let Ok(after) = recorded.genuine_of(&evidence) {
            assert!(!is_inside && after == before, "byte {position}");
        }
    }
}

/// The paravisor's own header and that of its runtime data (versions, sizes, kinds) are described and decide nothing: what
/// counts is the hardware report, and the hash of the runtime data in it.
fn is_paravisors_header(part: &str, position: usize) -> bool {
    part == "hcl_report" && (matches!(position, 4..32) || matches!(position, 1216..1228))
}

/// On TDX the paravisor's report holds a report for this machine only, which proves nothing to others: the quote beside it
/// counts.
fn is_local_report(part: &str, position: usize) -> bool {
    part == "hcl_report" && matches!(position, 32..1216)
}

fn every_byte(name: &str) {
    every_byte_of_form(name, "quote.bin");
}

fn every_byte_of_form(name: &str, form: &str) {
    let recorded = Recorded::load_form(name, |file| file == form);
    let before = recorded.genuine().unwrap();
    for position in 0..recorded.evidence.len() {
        let mut evidence = recorded.evidence.clone();
        evidence[position] ^= 1 << (position % 8);
        let outcome = recorded.genuine_of(&evidence);
        check(outcome, &before, false, || format!("{name}: byte {position}"));
    }
}

fn every_byte_of_parts(name: &str, kit: &Kit, ignored: Ignored) {
    let (recorded, before) = genuine(name);
    let parts = (kit.apart)(&recorded);
    for (number, (part, bytes)) in parts.iter().enumerate() {
        for position in 0..bytes.len() {
            let mut changed = parts.clone();
            changed[number].1[position] ^= 1 << (position % 8);
            let (evidence, collateral) = (kit.together)(&recorded, &changed);
            let outcome = recorded.genuine_with(&evidence, &collateral);
            check(outcome, &before, ignored(part, position), || format!("{name}: {part}, byte {position}"));
        }
    }
}
