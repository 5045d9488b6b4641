//! The software TEE: evidence in the real formats of Intel SGX, Intel TDX and AMD SEV-SNP, under vendors of its own.
//!
//! It protects nothing: whoever reads the emulator's folder can sign anything. It is there so that the whole path of
//! attestation runs on any machine, with platforms whose TCB is out of date or revoked and programs that were tampered
//! with. Nothing trusts its vendors unless a manifest or an era-config names their roots.
//!
//! [`Emulated`] is what a program uses; the rest is the emulator itself, behind the feature `emulator`, which only the
//! command line turns on.

#[cfg(feature = "emulator")]
mod amd;
mod client;
#[cfg(feature = "emulator")]
mod collateral;
#[cfg(feature = "emulator")]
mod error;
#[cfg(feature = "emulator")]
mod folder;
mod identity;
#[cfg(feature = "emulator")]
mod intel;
#[cfg(feature = "emulator")]
mod keys;
#[cfg(feature = "emulator")]
mod platform;
#[cfg(feature = "emulator")]
mod program;
mod sealed;
#[cfg(feature = "emulator")]
mod service;
#[cfg(feature = "emulator")]
mod settings;
#[cfg(feature = "emulator")]
mod signature;
#[cfg(feature = "emulator")]
mod vendor;
mod wire;
#[cfg(feature = "emulator")]
mod x509;

pub use client::Emulated;
pub use identity::{Enclave, Guest, Kind, TrustDomain};
pub use wire::{KeyId, MAX_MESSAGE_BYTES};

#[cfg(feature = "emulator")]
pub use {
    collateral::{Answer, answer},
    error::EmulatorError,
    folder::Folder,
    platform::Platform,
    program::{Program, measure, signature_path},
    service::{Emulator, answer_process},
    settings::{DEFAULT_PLATFORM, PckCa, PlatformSettings, Product, Published, Settings, SnpTcb, TcbStatus},
    signature::{Signature, SigningKey, Statement},
    vendor::Vendor,
    x509::certificate_pem,
};

/// How much a program can have evidence say.
pub const REPORT_DATA_BYTES: usize = 64;

/// What certificates of the emulated vendors name as their organization, so that nobody takes them for real ones.
#[cfg(feature = "emulator")]
const ORGANIZATION: &str = "MarbleRun software TEE, protects nothing";

/// `days` after `time`.
#[cfg(feature = "emulator")]
fn later(time: std::time::SystemTime, days: u32) -> Result<std::time::SystemTime, EmulatorError> {
    const SECONDS_PER_DAY: u64 = 24 * 60 * 60;
    let span = std::time::Duration::from_secs(u64::from(days) * SECONDS_PER_DAY);
    time.checked_add(span).ok_or(EmulatorError::Time)
}

/// As Intel's JSON writes times: `2025-05-14T00:00:00Z`.
#[cfg(feature = "emulator")]
fn timestamp(time: std::time::SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
