//! Quotes: version 3 for enclaves, 4 and 5 for trust domains (Intel SGX ECDSA quote library API, Intel TDX DCAP quoting
//! library API), with the PCK certificate chain inside (certification data type 5).

use aws_lc_rs::digest::{self, SHA256};

use super::{EcKey, Pck, QeKind, tcb};
use crate::emulated::keys::{Curve, Seed};
use crate::emulated::settings::PlatformSettings;
use crate::emulated::{EmulatorError, Enclave, REPORT_DATA_BYTES, TrustDomain};

/// The QE vendor that quotes of Intel's quoting enclaves name.
const INTEL_QE: [u8; 16] =
    [0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07];

/// ECDSA-256-with-P-256.
const KEY_TYPE: u16 = 2;
const TEE_SGX: u32 = 0;
const TEE_TDX: u32 = 0x81;
/// Body types of version 5.
const TD_REPORT_1_5: u16 = 3;
/// Certification data types.
const PCK_CHAIN: u16 = 5;
const QE_REPORT: u16 = 6;
/// What Intel's quoting enclave puts beside its key: bytes 0 to 31.
const QE_AUTH_BYTES: u8 = 32;

/// Who signs a quote.
pub(in crate::emulated) struct Signing<'a> {
    pub(in crate::emulated) seed: &'a Seed,
    pub(in crate::emulated) settings: &'a PlatformSettings,
    pub(in crate::emulated) pck: &'a Pck,
    /// PEM: leaf, authority, root.
    pub(in crate::emulated) chain: &'a str,
}

/// A quote of version 3 over an enclave.
pub(in crate::emulated) fn sgx(
    signing: &Signing<'_>,
    enclave: &Enclave,
    report_data: &[u8; REPORT_DATA_BYTES],
) -> Result<Vec<u8>, EmulatorError> {
    let mut quote = header(3, TEE_SGX, signing.settings.qe_svn, tcb::PCE_SVN);
    quote.extend(enclave_report(enclave, tcb::cpu_svn(signing.settings), report_data));
    let quoting = Quoting::of(signing, QeKind::Sgx)?;
    let mut authentication = quoting.key_and_signature(&quote)?;
    authentication.extend(quoting.certified(signing)?);
    quote.extend(sized(&authentication));
    Ok(quote)
}

/// A quote of version 4 or 5 over a trust domain.
pub(in crate::emulated) fn tdx(
    signing: &Signing<'_>,
    domain: &TrustDomain,
    report_data: &[u8; REPORT_DATA_BYTES],
) -> Result<Vec<u8>, EmulatorError> {
    let version = signing.settings.tdx_quote;
    let mut quote = header(version, TEE_TDX, 0, 0);
    match version {
        4 => quote.extend(td_report(domain, signing.settings, report_data)),
        5 => quote.extend(typed(TD_REPORT_1_5, &td_report_1_5(domain, signing.settings, report_data))),
        _ => return Err(EmulatorError::Unsupported(format!("TDX quotes of version {version}; use 4 or 5"))),
    }
    let quoting = Quoting::of(signing, QeKind::Tdx)?;
    let mut authentication = quoting.key_and_signature(&quote)?;
    authentication.extend(typed(QE_REPORT, &quoting.certified(signing)?));
    quote.extend(sized(&authentication));
    Ok(quote)
}

/// A quoting enclave with its attestation key.
struct Quoting {
    enclave: Enclave,
    key: EcKey,
}

impl Quoting {
    fn of(signing: &Signing<'_>, kind: QeKind) -> Result<Self, EmulatorError> {
        let enclave = kind.enclave(signing.settings.qe_svn);
        let own = signing.seed.child("attestation key", &enclave.mrenclave)?;
        Ok(Self { enclave, key: EcKey::derive(&own, "attestation key", Curve::P256)? })
    }

    /// The signature over what was quoted, and the key that made it.
    fn key_and_signature(&self, quoted: &[u8]) -> Result<Vec<u8>, EmulatorError> {
        Ok([&self.key.sign_fixed(quoted)?, self.key.point()].concat())
    }

    /// The quoting enclave's own report, which names the attestation key and is signed by the PCK, and the chain.
    fn certified(&self, signing: &Signing<'_>) -> Result<Vec<u8>, EmulatorError> {
        let beside: Vec<u8> = (0..QE_AUTH_BYTES).collect();
        let named = digest::digest(&SHA256, &[self.key.point(), &beside].concat());
        let mut report_data = [0; REPORT_DATA_BYTES];
        report_data[..32].copy_from_slice(named.as_ref());
        let report = enclave_report(&self.enclave, tcb::cpu_svn(signing.settings), &report_data);
        let mut all = report.clone();
        all.extend(signing.pck.key.sign_fixed(&report)?);
        all.extend(u16::from(QE_AUTH_BYTES).to_le_bytes());
        all.extend(beside);
        // As Intel's library writes it: text that ends with a zero.
        all.extend(typed(PCK_CHAIN, &[signing.chain.as_bytes(), &[0]].concat()));
        Ok(all)
    }
}

fn header(version: u16, tee: u32, qe_svn: u16, pce_svn: u16) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(version.to_le_bytes());
    header.extend(KEY_TYPE.to_le_bytes());
    header.extend(tee.to_le_bytes());
    header.extend(qe_svn.to_le_bytes());
    header.extend(pce_svn.to_le_bytes());
    header.extend(INTEL_QE);
    header.extend([0; 20]);
    header
}

/// REPORTBODY, 384 bytes (Intel SDM volume 3D, table "REPORT").
fn enclave_report(enclave: &Enclave, cpu_svn: [u8; 16], report_data: &[u8; REPORT_DATA_BYTES]) -> Vec<u8> {
    let mut report = Vec::new();
    report.extend(cpu_svn);
    report.extend(enclave.misc_select.to_le_bytes());
    report.extend([0; 28]);
    report.extend(enclave.attributes);
    report.extend(enclave.mrenclave);
    report.extend([0; 32]);
    report.extend(enclave.mrsigner);
    report.extend([0; 96]);
    report.extend(enclave.isv_prod_id.to_le_bytes());
    report.extend(enclave.isv_svn.to_le_bytes());
    report.extend([0; 60]);
    report.extend(report_data);
    report
}

/// TD report of TDX 1.0, 584 bytes. The module's signer is Intel, written as zeros.
fn td_report(
    domain: &TrustDomain,
    settings: &PlatformSettings,
    report_data: &[u8; REPORT_DATA_BYTES],
) -> Vec<u8> {
    let mut report = Vec::new();
    report.extend(tcb::tee_tcb_svn(settings));
    report.extend(domain.mr_seam);
    report.extend([0; 48 + 8]);
    report.extend(domain.attributes.to_le_bytes());
    report.extend(domain.xfam.to_le_bytes());
    report.extend(domain.mr_td);
    report.extend(domain.mr_config_id);
    report.extend(domain.mr_owner);
    report.extend(domain.mr_owner_config);
    report.extend(domain.rtmr.concat());
    report.extend(report_data);
    report
}

/// TD report of TDX 1.5, 648 bytes: the current TCB, which is that of the launch, and the service TD.
fn td_report_1_5(
    domain: &TrustDomain,
    settings: &PlatformSettings,
    report_data: &[u8; REPORT_DATA_BYTES],
) -> Vec<u8> {
    let mut report = td_report(domain, settings, report_data);
    report.extend(tcb::tee_tcb_svn(settings));
    report.extend(domain.mr_service_td);
    report
}

/// A type (16 bits), a length (32 bits), and the content.
fn typed(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &sized(content)].concat()
}

/// A length (32 bits) and the content. Nothing here comes near 4 GiB.
#[allow(clippy::cast_possible_truncation, reason = "a few kilobytes")]
fn sized(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_le_bytes()[..], content].concat()
}
