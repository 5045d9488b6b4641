//! T18: collateral that is stale, of somebody else, for something else, or damaged.

use std::time::Duration;

use marblerun_attest::{Failure, IntelCollateral};

use crate::recorded::Recorded;

const SGX: &str = "sgx/v3-icx-swhardening";

fn changed(change: fn(&mut IntelCollateral)) -> &'static str {
    let mut recorded = Recorded::load(SGX);
    assert_eq!(recorded.code(), "ok");
    change(recorded.collateral.intel.as_mut().unwrap());
    let warm = recorded.code();
    assert_eq!(warm, recorded.cold().code(), "what is remembered changes nothing");
    warm
}

#[test]
fn each_part_must_be_there_and_signed() {
    assert_eq!(changed(|c| c.root_ca_crl.clear()), "crl_invalid");
    assert_eq!(changed(|c| c.pck_crl.clear()), "crl_invalid");
    assert_eq!(changed(|c| c.pck_crl = c.root_ca_crl.clone()), "crl_invalid");
    assert_eq!(changed(|c| c.tcb_info_signature.clear()), "collateral_invalid");
    assert_eq!(changed(|c| c.tcb_info_signature[5] ^= 1), "collateral_invalid");
    assert_eq!(changed(|c| c.qe_identity_signature[5] ^= 1), "collateral_invalid");
    assert_eq!(changed(|c| c.tcb_info_issuer_chain.clear()), "collateral_invalid");
    assert_eq!(
        changed(|c| c.tcb_info = c.tcb_info.replace("SWHardeningNeeded", "UpToDate")),
        "collateral_invalid"
    );
    assert_eq!(changed(|c| c.tcb_info = c.tcb_info.replace("OutOfDate", "UpToDate")), "collateral_invalid");
    assert_eq!(changed(|c| c.qe_identity = c.tcb_info.clone()), "collateral_invalid");
    assert_eq!(
        changed(|c| c.tcb_info = c.tcb_info.replace("\"version\":3", "\"version\":2")),
        "collateral_unsupported"
    );
}

#[test]
fn another_kind_of_platform_is_named() {
    let mut recorded = Recorded::load(SGX);
    recorded.collateral = Recorded::load("sgx/v3-processor-cfg-swhardening").collateral;
    assert!(matches!(recorded.genuine(), Err(Failure::FmspcMismatch { .. })));
    // TCB Info of TDX for the same platform is not for enclaves.
    let (mut sgx, tdx) = (Recorded::load("sgx/v3-icx-eval17-swhardening"), Recorded::load("tdx/v4-uptodate"));
    let theirs = tdx.collateral.intel.unwrap();
    let ours = sgx.collateral.intel.as_mut().unwrap();
    (ours.qe_identity, ours.qe_identity_signature) = (theirs.qe_identity, theirs.qe_identity_signature);
    assert_eq!(sgx.code(), "collateral_invalid");
}

#[test]
fn it_counts_only_within_its_validity_warm_or_cold() {
    for name in [SGX, "tdx/v4-uptodate", "snp/genoa-v3-vcek"] {
        let mut recorded = Recorded::load(name);
        let until = recorded.genuine().unwrap().valid_until();
        recorded.now = until;
        assert_eq!(recorded.code(), "ok", "{name} at its last second");
        recorded.now = until + Duration::from_secs(1);
        assert_ne!(recorded.code(), "ok", "{name} a second later");
        recorded.now = std::time::SystemTime::UNIX_EPOCH;
        assert_ne!(recorded.code(), "ok", "{name} in 1970");
    }
}

#[test]
fn a_list_from_the_future_is_refused() {
    // dcap-qvl does not look at thisUpdate, and everything else of this case is valid then.
    let mut recorded = Recorded::load("sgx/ego-report-debug");
    assert_eq!(recorded.code(), "ok");
    recorded.now = crate::case::time("2025-06-18T10:23:18Z").unwrap();
    assert_eq!(recorded.code(), "crl_not_yet_valid");
}

#[test]
fn nobody_goes_back_to_older_rules() {
    let mut newer = Recorded::load("sgx/v3-icx-eval19-outofdate");
    assert_eq!(newer.code(), "ok");
    newer.collateral = Recorded::load("sgx/v3-icx-eval17-swhardening").collateral;
    assert_eq!(newer.code(), "collateral_invalid", "both are valid at this time");
    assert_eq!(newer.cold().code(), "ok");
}

#[test]
fn the_quotes_own_chain_counts_and_no_other() {
    // The collateral of this case carries the right chain beside a quote whose own is damaged.
    let recorded = Recorded::load("sgx/v3-corrupted-chain");
    assert_eq!(recorded.code(), "pck_chain_invalid");
}
