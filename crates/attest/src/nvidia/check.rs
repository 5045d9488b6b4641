//! Whether a device's report is genuine: its chain, its signature, and the firmware that its certificate is for.

use der::oid::ObjectIdentifier;

use super::NvidiaCollateral;
use super::evidence::NvidiaEvidence;
use super::report::SpdmReport;
use crate::binding::Binding;
use crate::error::{DEVICE_CHAIN, Failure};
use crate::roots::{Roots, Vendor};
use crate::x509::{Certificate, Chain, ChainFault, certificates_of_pem};

const REPORT: &str = "SPDM report";

/// Where certificates say which firmware their key belongs to: the composite device identity of DICE on Hopper, its
/// TcbInfo since Blackwell (TCG DICE Attestation Architecture).
const FIRMWARE: [ObjectIdentifier; 2] =
    [ObjectIdentifier::new_unwrap("2.23.133.5.4.1"), ObjectIdentifier::new_unwrap("2.23.133.5.4.1.1")];

/// DER of a FWID up to its digest: a sequence of the algorithm SHA-384 and an OCTET STRING of 48 bytes.
const SHA384_FWID: [u8; 15] =
    [0x30, 0x3d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x04, 0x30];

/// A device that was proved.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) root: Certificate,
    /// Subjects of its certificates, the leaf first.
    pub(crate) subjects: Vec<String>,
    pub(crate) window: (u64, u64),
    /// A certificate that the OCSP responder does not vouch for, if there is one.
    pub(crate) on_hold: Option<String>,
}

pub(crate) fn check(
    evidence: &NvidiaEvidence,
    binding: &Binding,
    collateral: Option<&NvidiaCollateral>,
    roots: &Roots,
    now: u64,
) -> Result<Device, Failure> {
    let chain = chain(evidence, collateral, roots, now)?;
    let signed = SpdmReport::signed_and_signature(&evidence.raw);
    if !signed.is_some_and(|(signed, signature)| chain.leaf().has_signed(signed, signature)) {
        return Err(Failure::ReportSignature(REPORT));
    }
    check_firmware(chain.leaf(), &evidence.report)?;
    binding.check_nonce(&evidence.report.nonce.0)?;
    let revoked = collateral.map(|collateral| &collateral.revoked_serials[..]).unwrap_or_default();
    let is_revoked = |certificate: &&Certificate| {
        let serial = number(&hex::encode(certificate.serial()));
        revoked.iter().any(|listed| number(listed) == serial)
    };
    Ok(Device {
        root: chain.root().clone(),
        subjects: chain.all().map(Certificate::subject).collect(),
        window: chain.window(),
        on_hold: chain.all().find(is_revoked).map(Certificate::subject),
    })
}

/// A serial number as digits that can be compared: tools write leading zeros or not, and in either case.
fn number(hexadecimal: &str) -> String {
    hexadecimal.trim_start_matches('0').to_ascii_lowercase()
}

fn chain(
    evidence: &NvidiaEvidence,
    collateral: Option<&NvidiaCollateral>,
    roots: &Roots,
    now: u64,
) -> Result<Chain, Failure> {
    let pem = match (&evidence.chain, collateral) {
        (Some(carried), _) => carried,
        (None, Some(collateral)) => collateral.certificate_chain.as_bytes(),
        (None, None) => return Err(Failure::MissingCollateral("the device's certificate chain")),
    };
    let fault = |why: String| Failure::Chain { chain: DEVICE_CHAIN, why };
    let certificates = certificates_of_pem(DEVICE_CHAIN, pem).map_err(|error| fault(error.to_string()))?;
    Chain::verified(certificates, roots.of(Vendor::Nvidia), now).map_err(|why| match why {
        ChainFault::UntrustedRoot { subject } => Failure::UntrustedRoot { chain: DEVICE_CHAIN, subject },
        other => fault(other.to_string()),
    })
}

/// The certificate names the firmware that its key belongs to. A switch's report does not repeat it; what its key signed
/// says all the same that it is this firmware.
fn check_firmware(leaf: &Certificate, report: &SpdmReport) -> Result<(), Failure> {
    let Some(fwid) = report.fwid else { return Ok(()) };
    let wanted = [&SHA384_FWID[..], &fwid.0].concat();
    let mut certified = Vec::new();
    for id in FIRMWARE {
        certified.extend_from_slice(leaf.extension(id)?.unwrap_or_default());
    }
    if certified.windows(wanted.len()).any(|window| window == wanted) {
        return Ok(());
    }
    let (seen, certified) = (fwid.to_string(), hex::encode(certified));
    Err(Failure::CertifiedField { field: "firmware", seen, certified })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::bytes::Hex;

    #[test]
    fn a_key_signs_for_the_firmware_of_its_certificate() {
        for case in ["hopper-h100", "blackwell"] {
            let folder =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors/nvidia").join(case);
            let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
            let leaf = certificates_of_pem(DEVICE_CHAIN, &read("cert_chain.pem")).unwrap().remove(0);
            let mut report = SpdmReport::parse(&read("report.bin")).unwrap();
            assert_eq!(check_firmware(&leaf, &report), Ok(()));
            report.fwid = report.fwid.map(|Hex(mut fwid)| {
                fwid[47] ^= 1;
                Hex(fwid)
            });
            assert_eq!(
                check_firmware(&leaf, &report).unwrap_err().code(),
                "certified_field_mismatch",
                "{case}"
            );
        }
    }

    #[test]
    fn serial_numbers_are_compared_as_numbers() {
        assert_eq!(number("00ABcd"), number("abcd"));
        assert_ne!(number("abcd00"), number("abcd"));
    }
}
