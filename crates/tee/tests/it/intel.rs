//! Quotes of the emulator, verified by dcap-qvl.

use dcap_qvl::quote::Report;
use marblerun_tee::emulated::{Kind, PckCa, Settings, TcbStatus, Vendor};

use crate::qvl::{collateral, verify, verify_with};
use crate::world::{REPORT_DATA, VENDOR, created, domain, enclave, with};

fn sgx(settings: &Settings) -> Vec<u8> {
    VENDOR.platform("default", settings).unwrap().sgx_quote(&enclave(), &REPORT_DATA).unwrap()
}

fn tdx(settings: &Settings) -> Vec<u8> {
    VENDOR.platform("default", settings).unwrap().tdx_quote(&domain(), &REPORT_DATA).unwrap()
}

#[test]
fn an_sgx_quote_verifies_and_says_what_the_enclave_is() {
    for pck_ca in [PckCa::Platform, PckCa::Processor] {
        let settings = with(|platform| platform.pck_ca = pck_ca);
        let verified = verify(&sgx(&settings), &settings).unwrap();
        let Report::SgxEnclave(report) = verified.report else { panic!("{verified:?}") };
        assert_eq!((verified.status.as_str(), verified.advisory_ids.len()), ("UpToDate", 0));
        assert_eq!((report.mr_enclave, report.mr_signer), ([0x11; 32], [0x22; 32]));
        assert_eq!((report.isv_prod_id, report.isv_svn), (7, 3));
        assert_eq!(report.report_data, REPORT_DATA);
    }
}

#[test]
fn tdx_quotes_of_both_versions_verify() {
    for version in [4, 5] {
        let settings = with(|platform| {
            platform.tdx_quote = version;
            platform.tee = Kind::Tdx;
        });
        let verified = verify(&tdx(&settings), &settings).unwrap();
        assert_eq!(verified.status, "UpToDate");
        assert_eq!(verified.report.as_td15().is_some(), version == 5);
        let report = verified.report.as_td10().unwrap();
        assert_eq!((report.mr_td, report.rt_mr3), ([0x33; 48], [4; 48]));
        assert_eq!(report.report_data, REPORT_DATA);
    }
}

#[test]
fn each_status_of_the_platform_is_what_a_verifier_finds() {
    for status in TcbStatus::ALL {
        let settings = with(|platform| platform.tcb = status);
        for quote in [sgx(&settings), tdx(&settings)] {
            if status == TcbStatus::Revoked {
                // This verifier gives no report at all then.
                assert!(verify(&quote, &settings).unwrap_err().ends_with("Revoked"));
                continue;
            }
            let verified = verify(&quote, &settings).unwrap();
            assert_eq!(verified.status, status.name());
            assert_eq!(verified.advisory_ids.is_empty(), status == TcbStatus::UpToDate);
        }
    }
}

#[test]
fn a_quoting_enclave_or_a_module_can_be_out_of_date() {
    let settings = with(|platform| platform.qe_svn = 6);
    assert_eq!(verify(&sgx(&settings), &settings).unwrap().status, "OutOfDate");
    let settings = with(|platform| platform.module_svn = 3);
    assert_eq!(verify(&tdx(&settings), &settings).unwrap().status, "OutOfDate");
}

#[test]
fn debug_is_seen() {
    let settings = Settings::default();
    let platform = VENDOR.platform("default", &settings).unwrap();
    let quote = platform.sgx_quote(&enclave().with_debug(true), &REPORT_DATA).unwrap();
    let why = verify(&quote, &settings).unwrap_err();
    assert!(why.to_lowercase().contains("debug"), "{why}");
    let quote = platform.tdx_quote(&domain().with_debug(true), &REPORT_DATA).unwrap();
    let why = verify(&quote, &settings).unwrap_err();
    assert!(why.to_lowercase().contains("debug"), "{why}");
}

#[test]
fn every_changed_byte_of_what_is_signed_is_found() {
    let settings = Settings::default();
    let collateral = collateral(&settings, false);
    let quote = sgx(&settings);
    // Header, report, length, two numbers of the signature, the key, and the quoting enclave's report.
    for at in (48..48 + 384).step_by(31).chain([436, 470, 500, 540, 600, 700, 950]) {
        let mut changed = quote.clone();
        changed[at] ^= 1;
        assert!(verify_with(&changed, &collateral).is_err(), "byte {at}");
    }
    verify_with(&quote, &collateral).unwrap();
}

#[test]
fn nobody_elses_root_counts() {
    let settings = Settings::default();
    let other = Vendor::generate(created()).unwrap();
    let quote = other.platform("default", &settings).unwrap().sgx_quote(&enclave(), &REPORT_DATA).unwrap();
    assert!(verify(&quote, &settings).is_err());
}

#[test]
fn vendors_and_platforms_are_the_same_after_a_restart() {
    let settings = Settings::default();
    let again = Vendor::from_json(&VENDOR.to_json().unwrap()).unwrap();
    assert_eq!(again.intel_root(), VENDOR.intel_root());
    let quote = again.platform("default", &settings).unwrap().sgx_quote(&enclave(), &REPORT_DATA).unwrap();
    let verified = verify(&quote, &settings).unwrap();
    assert_eq!(verified.ppid, verify(&sgx(&settings), &settings).unwrap().ppid);
}
