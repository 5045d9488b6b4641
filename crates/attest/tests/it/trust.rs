//! T23 and T1: nobody to trust, the wrong one to trust, no evidence, no collateral.

use marblerun_attest::{Collateral, Failure, Roots, RootsError, Vendor, needs};

use crate::recorded::Recorded;

const NVIDIA_ROOT: &[u8] = include_bytes!("../../src/roots/nvidia-device-identity-ca.der");
const INTEL_ROOT: &[u8] = include_bytes!("../../src/roots/intel-sgx-root-ca.der");

#[test]
fn an_empty_set_of_roots_cannot_be_made() {
    assert_eq!(Roots::new::<&[u8]>([]).unwrap_err(), RootsError::Empty);
}

#[test]
fn a_root_counts_for_its_vendor_only() {
    for (name, other) in [
        ("sgx/v3-icx-swhardening", (Vendor::Nvidia, NVIDIA_ROOT)),
        ("sgx/v3-icx-swhardening", (Vendor::Amd, INTEL_ROOT)),
        ("sgx/v3-icx-swhardening", (Vendor::Intel, NVIDIA_ROOT)),
        ("tdx/v4-uptodate", (Vendor::Nvidia, NVIDIA_ROOT)),
        ("snp/genoa-v3-vcek", (Vendor::Intel, INTEL_ROOT)),
        ("nvidia/hopper-h100", (Vendor::Intel, INTEL_ROOT)),
    ] {
        let mut recorded = Recorded::load(name);
        assert_eq!(recorded.code(), "ok", "{name}");
        // What was verified for others is remembered, and still counts only for who trusts the same root.
        recorded.roots = Roots::new([other]).unwrap();
        assert_eq!(recorded.code(), "untrusted_root", "{name}");
    }
}

#[test]
fn nothing_instead_of_evidence_is_refused() {
    let recorded = Recorded::load("sgx/v3-icx-swhardening");
    for evidence in [&b""[..], b"{}", b"[]", b"null", b"garbage", &[0; 1184], &[0; 5000]] {
        assert_eq!(recorded.genuine_of(evidence).unwrap_err().code(), "malformed");
    }
}

#[test]
fn without_collateral_nothing_counts() {
    for name in ["sgx/v3-icx-swhardening", "tdx/v4-uptodate", "snp/genoa-v3-vcek", "azure/snp-genoa"] {
        let mut recorded = Recorded::load(name);
        recorded.collateral = Collateral::default();
        assert_eq!(recorded.code(), "collateral_missing", "{name}");
    }
}

#[test]
fn evidence_tells_what_it_needs() {
    let told = |name| serde_json::to_value(needs(&Recorded::load(name).evidence).unwrap()).unwrap();
    let sgx = told("sgx/v3-icx-swhardening");
    assert_eq!(
        (&sgx["fmspc"], &sgx["ca"], &sgx["tdx"]),
        (&"00606a000000".into(), &"platform".into(), &false.into())
    );
    let tdx = told("azure/tdx-uptodate");
    assert_eq!(
        (&tdx["vendor"], &tdx["fmspc"], &tdx["tdx"]),
        (&"intel".into(), &"90c06f000000".into(), &true.into())
    );
    let snp = told("snp/turin-v5-vcek");
    assert_eq!((&snp["product"], &snp["reported_tcb"]["microcode"]), (&"Turin".into(), &81.into()));
    assert_eq!(snp["has_certificate"], false);
    let no_chain = needs(&Recorded::load("sgx/v3-certdata-type3-no-chain").evidence);
    assert_eq!(no_chain, Err(Failure::UnsupportedCertificationData(3)));
}
