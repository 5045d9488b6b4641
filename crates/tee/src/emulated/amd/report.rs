//! Attestation reports, 1184 bytes, of versions 2, 3 and 5 (AMD 56860, "SEV Secure Nested Paging firmware ABI
//! specification", table "ATTESTATION_REPORT").

use super::Vcek;
use crate::emulated::settings::{PlatformSettings, Product, SnpTcb};
use crate::emulated::{EmulatorError, Guest, REPORT_DATA_BYTES};

const BYTES: usize = 0x4a0;
/// Where the signature starts; it covers all before it.
const SIGNED: usize = 0x2a0;
/// r and s have room for 72 bytes each.
const NUMBER_BYTES: usize = 72;
/// ECDSA P-384 with SHA-384.
const ALGORITHM: u32 = 1;
/// PLATFORM_INFO: SMT enabled, memory scrambled (TSME).
const PLATFORM_INFO: u64 = 0b11;

/// A report over a guest that the chip's key signs.
pub(in crate::emulated) fn report(
    vcek: &Vcek,
    settings: &PlatformSettings,
    chip: &[u8; 64],
    guest: &Guest,
    report_data: &[u8; REPORT_DATA_BYTES],
) -> Result<Vec<u8>, EmulatorError> {
    let mut report = Report(vec![0; BYTES]);
    report.guest(guest, report_data);
    report.platform(settings, chip)?;
    report.sign(vcek)?;
    Ok(report.0)
}

/// TCB_VERSION as 8 bytes; Turin orders them differently.
pub(in crate::emulated) fn tcb_bytes(tcb: SnpTcb, product: Product) -> [u8; 8] {
    match product {
        Product::Turin => [tcb.fmc, tcb.boot_loader, tcb.tee, tcb.snp, 0, 0, 0, tcb.microcode],
        Product::Milan | Product::Genoa => [tcb.boot_loader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode],
    }
}

struct Report(Vec<u8>);

impl Report {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn guest(&mut self, guest: &Guest, report_data: &[u8; REPORT_DATA_BYTES]) {
        self.put(0x04, &guest.guest_svn.to_le_bytes());
        self.put(0x08, &guest.policy.to_le_bytes());
        self.put(0x10, &guest.family_id);
        self.put(0x20, &guest.image_id);
        self.put(0x30, &guest.vmpl.to_le_bytes());
        // AUTHOR_KEY_EN; SIGNING_KEY 0 is the VCEK.
        self.put(0x48, &u32::from(guest.author_key_digest != [0; 48]).to_le_bytes());
        self.put(0x50, report_data);
        self.put(0x90, &guest.measurement);
        self.put(0xc0, &guest.host_data);
        self.put(0xe0, &guest.id_key_digest);
        self.put(0x110, &guest.author_key_digest);
        self.put(0x140, &guest.report_id);
        // No migration agent.
        self.put(0x160, &[0xff; 32]);
    }

    fn platform(&mut self, settings: &PlatformSettings, chip: &[u8; 64]) -> Result<(), EmulatorError> {
        let version = settings.snp_report;
        let tcb = tcb_bytes(settings.snp_tcb, settings.product);
        self.put(0x00, &version.to_le_bytes());
        self.put(0x34, &ALGORITHM.to_le_bytes());
        self.put(0x40, &PLATFORM_INFO.to_le_bytes());
        self.put(0x1a0, chip);
        // CURRENT, REPORTED, COMMITTED and LAUNCH_TCB.
        for at in [0x38, 0x180, 0x1e0, 0x1f0] {
            self.put(at, &tcb);
        }
        // Build, minor and major of the current and the committed firmware.
        for at in [0x1e8, 0x1ec] {
            self.put(at, &[29, 55, 1]);
        }
        match version {
            2 => {}
            3 | 5 => self.put(0x188, &cpuid(settings.product)),
            _ => {
                return Err(EmulatorError::Unsupported(format!(
                    "SNP reports of version {version}; use 2, 3 or 5"
                )));
            }
        }
        Ok(())
    }

    fn sign(&mut self, vcek: &Vcek) -> Result<(), EmulatorError> {
        let signature = vcek.0.sign_fixed(&self.0[..SIGNED])?;
        for (index, number) in signature.chunks_exact(signature.len() / 2).enumerate() {
            let little_endian: Vec<u8> = number.iter().rev().copied().collect();
            self.put(SIGNED + index * NUMBER_BYTES, &little_endian);
        }
        Ok(())
    }
}

/// CPUID family, model and stepping.
fn cpuid(product: Product) -> [u8; 3] {
    match product {
        Product::Milan => [0x19, 0x01, 1],
        Product::Genoa => [0x19, 0x11, 1],
        Product::Turin => [0x1a, 0x02, 1],
    }
}
