//! An emulator to try things on: vendors made once for all tests, and settings of its own for each.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use marblerun_tee::emulated::{
    Answer, DEFAULT_PLATFORM, Enclave, Guest, PlatformSettings, Settings, TrustDomain, Vendor, answer,
};

/// Vendors are slow to make; none of them ever changes.
pub(crate) static VENDOR: LazyLock<Vendor> = LazyLock::new(|| Vendor::generate(created()).unwrap());

pub(crate) const REPORT_DATA: [u8; 64] = *b"a promise of sixty-four bytes that a verifier has to find again!";

/// 2026-01-01.
pub(crate) fn created() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

/// Some days later.
pub(crate) fn now() -> SystemTime {
    created() + Duration::from_secs(10 * 24 * 60 * 60)
}

pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Settings with the default platform changed.
pub(crate) fn with(change: impl FnOnce(&mut PlatformSettings)) -> Settings {
    let mut settings = Settings::default();
    change(settings.platforms.get_mut(DEFAULT_PLATFORM).unwrap());
    settings
}

/// A GET of something that is there.
pub(crate) fn get(settings: &Settings, path: &str) -> Answer {
    let answer = answer(&VENDOR, settings, path, now()).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer
}

pub(crate) fn enclave() -> Enclave {
    Enclave { isv_prod_id: 7, isv_svn: 3, ..Enclave::new([0x11; 32], [0x22; 32]) }
}

pub(crate) fn domain() -> TrustDomain {
    TrustDomain { rtmr: [[1; 48], [2; 48], [3; 48], [4; 48]], ..TrustDomain::new([0x33; 48]) }
}

pub(crate) fn guest() -> Guest {
    Guest { host_data: [5; 32], guest_svn: 6, ..Guest::new([0x44; 48]) }
}
