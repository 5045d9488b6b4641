//! What changes while everything runs: revocation, TCB recovery, time.

use std::time::Duration;

use marblerun_tee::emulated::{PlatformSettings, Settings, TcbStatus, answer};

use crate::qvl::verify;
use crate::world::{REPORT_DATA, VENDOR, enclave, now, with};

fn quote(platform: &str, settings: &Settings) -> Vec<u8> {
    VENDOR.platform(platform, settings).unwrap().sgx_quote(&enclave(), &REPORT_DATA).unwrap()
}

#[test]
fn a_revoked_platform_is_refused_in_every_state_and_others_are_not() {
    let mut settings = Settings::default();
    settings.platforms.insert("other".into(), PlatformSettings::default());
    let before = quote("default", &settings);
    verify(&before, &settings).unwrap();
    settings.published.revoked_platforms.insert("default".into());
    let why = verify(&before, &settings).unwrap_err();
    assert!(why.contains("Revoked"), "{why}");
    for tcb in TcbStatus::ALL {
        let mut moved = settings.clone();
        moved.platforms.get_mut("default").unwrap().tcb = tcb;
        assert!(verify(&quote("default", &moved), &moved).is_err(), "{tcb}");
    }
    verify(&quote("other", &settings), &settings).unwrap();
}

#[test]
fn a_tcb_recovery_makes_platforms_out_of_date_until_they_are_updated() {
    let mut settings = Settings::default();
    let before = quote("default", &settings);
    settings.published.generation += 1;
    settings.published.tcb_evaluation += 1;
    assert_eq!(verify(&before, &settings).unwrap().status, "OutOfDate");
    settings.platforms.get_mut("default").unwrap().generation += 1;
    assert_eq!(verify(&quote("default", &settings), &settings).unwrap().status, "UpToDate");
}

#[test]
fn a_platform_shows_the_same_certificate_each_time() {
    let settings = with(|platform| platform.fmspc = [1, 2, 3, 4, 5, 6]);
    let chain = |quote: Vec<u8>| quote[48 + 384 + 4 + 128 + 384 + 64 + 2 + 32 + 6..].to_vec();
    let first = chain(quote("default", &settings));
    assert!(first.starts_with(b"-----BEGIN CERTIFICATE-----"));
    assert_eq!(first, chain(quote("default", &settings)));
}

#[test]
fn what_is_published_holds_for_as_long_as_it_says() {
    let mut settings = Settings::default();
    settings.published.valid_days = 2;
    let body =
        answer(&VENDOR, &settings, "/sgx/certification/v4/tcb?fmspc=00806f050000", now()).unwrap().body;
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let next = humantime::parse_rfc3339(json["tcbInfo"]["nextUpdate"].as_str().unwrap()).unwrap();
    assert_eq!(next.duration_since(now()).unwrap(), Duration::from_secs(2 * 24 * 60 * 60));
}
