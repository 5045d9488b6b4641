//! What AMD certifies in a VCEK or VLEK certificate (AMD VCEK Certificate and KDS Interface Specification 57230, table
//! 8), and that the report agrees with it.

use der::Decode;
use der::asn1::Ia5StringRef;
use der::oid::ObjectIdentifier;
use serde::Serialize;

use super::report::{SigningKey, SnpReport};
use super::tcb::{Product, SnpTcb};
use crate::bytes::Hex;
use crate::error::{Failure, VEK_CHAIN};
use crate::x509::Certificate;

const PRODUCT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.2");
const BOOTLOADER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.1");
const TEE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.2");
const SNP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.3");
const MICROCODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.8");
const FMC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.9");
const HWID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.4");
const CSP_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.5");

/// Whom and what the certificate of a signing key names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VekIdentity {
    /// Product line and stepping, as written.
    pub product_name: String,
    /// The TCB that the key was derived for.
    #[serde(flatten)]
    pub tcb: SnpTcb,
    /// The chip, for a VCEK (8 bytes on Turin, 64 before), in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hwid: Option<String>,
    /// The cloud provider, for a VLEK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csp_id: Option<String>,
}

impl VekIdentity {
    /// What a certificate (X.509 in DER) claims, without following its chain. For people who inspect it.
    ///
    /// # Errors
    /// If it is no certificate of a signing key.
    pub fn unverified(der: &[u8]) -> Result<Self, Failure> {
        Self::of(&Certificate::from_der(der)?)
    }

    pub(crate) fn of(certificate: &Certificate) -> Result<Self, Failure> {
        let fmc = certificate.extension(FMC)?.is_some();
        Ok(Self {
            product_name: text(certificate, PRODUCT)?.ok_or_else(|| missing("product name"))?,
            tcb: SnpTcb {
                fmc: if fmc { Some(number(certificate, FMC)?) } else { None },
                bootloader: number(certificate, BOOTLOADER)?,
                tee: number(certificate, TEE)?,
                snp: number(certificate, SNP)?,
                microcode: number(certificate, MICROCODE)?,
            },
            hwid: certificate.extension(HWID)?.map(hex::encode),
            csp_id: text(certificate, CSP_ID)?,
        })
    }

    /// The product line.
    pub(crate) fn product(&self) -> Result<Product, Failure> {
        self.product_name.parse().map_err(chain)
    }

    /// Holds the report against this: product line, reported TCB, and the chip or the kind of key.
    pub(crate) fn check(&self, report: &SnpReport) -> Result<(), Failure> {
        let product = self.product()?;
        if report.version >= 3 && report.product() != Some(product) {
            let seen = report.product().map_or_else(|| "unknown".to_owned(), |p| p.to_string());
            return Err(mismatch("product line", seen, product.to_string()));
        }
        let reported = SnpTcb::of(report.reported_tcb, product);
        if reported != self.tcb {
            return Err(mismatch("reported TCB", reported.to_string(), self.tcb.to_string()));
        }
        match report.signing_key {
            SigningKey::Vcek => self.check_chip(report),
            SigningKey::Vlek => self.check_provider(),
        }
    }

    /// A chip's key names the chip. A platform may be told to hide it in reports, which then show zeros; the signature
    /// still is the chip's.
    fn check_chip(&self, report: &SnpReport) -> Result<(), Failure> {
        let seen = report.chip_id.to_string();
        match &self.hwid {
            None => Err(mismatch("signing key", "a VCEK".to_owned(), "no chip".to_owned())),
            Some(_) if report.chip_id.is_zero() => Ok(()),
            Some(hwid) if is_chip(&report.chip_id, hwid) => Ok(()),
            Some(hwid) => Err(mismatch("chip ID", seen, hwid.clone())),
        }
    }

    fn check_provider(&self) -> Result<(), Failure> {
        match (&self.csp_id, &self.hwid) {
            (Some(provider), None) if !provider.is_empty() => Ok(()),
            _ => Err(mismatch("signing key", "a VLEK".to_owned(), "no cloud provider".to_owned())),
        }
    }
}

/// Turin's identities have 8 bytes, and zeros follow in the report; others have 64.
pub(super) fn is_chip(chip_id: &Hex<64>, hwid: &str) -> bool {
    let seen = chip_id.to_string();
    matches!(hwid.len(), 16 | 128)
        && seen.strip_prefix(hwid).is_some_and(|rest| rest.bytes().all(|digit| digit == b'0'))
}

/// A small number, as a DER INTEGER.
fn number(certificate: &Certificate, id: ObjectIdentifier) -> Result<u8, Failure> {
    let value = certificate.extension(id)?.ok_or_else(|| missing("security version"))?;
    u8::from_der(value).map_err(|error| chain(format!("the extension {id} is no security version: {error}")))
}

fn text(certificate: &Certificate, id: ObjectIdentifier) -> Result<Option<String>, Failure> {
    let decode = |value| Ia5StringRef::from_der(value).map(|text| text.as_str().to_owned());
    let text = certificate.extension(id)?.map(decode).transpose();
    text.map_err(|error| chain(format!("the extension {id} is no text: {error}")))
}

fn missing(what: &str) -> Failure {
    chain(format!("the certificate of the signing key has no {what}"))
}

fn chain(why: String) -> Failure {
    Failure::Chain { chain: VEK_CHAIN, why }
}

fn mismatch(field: &'static str, seen: String, certified: String) -> Failure {
    Failure::CertifiedField { field, seen, certified }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Report;
    use super::*;

    /// A recorded report and what the certificate of its key says.
    fn recorded(case: &str, certificate: &str) -> (SnpReport, VekIdentity) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors/snp").join(case);
        let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
        let report = Report::parse(&read("report.bin")).unwrap().fields;
        (report, VekIdentity::unverified(&read(certificate)).unwrap())
    }

    #[track_caller]
    fn refused(key: &VekIdentity, report: &SnpReport, wanted: &str) {
        match key.check(report).unwrap_err() {
            Failure::CertifiedField { field, .. } => assert_eq!(field, wanted),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_chips_key_signs_for_its_chip_its_line_and_its_firmware() {
        for case in ["milan-v2-vcek", "milan-v3-vcek", "genoa-v3-vcek", "turin-v5-vcek"] {
            let (report, key) = recorded(case, "vcek.der");
            assert_eq!(key.check(&report), Ok(()), "{case}");
            for at in 0..8 {
                let mut other = report.clone();
                other.reported_tcb.0[at] ^= 1;
                let is_reserved = key.check(&other).is_ok();
                assert_eq!(
                    is_reserved,
                    (if case.contains("turin") { 4..7 } else { 2..6 }).contains(&at),
                    "{at}"
                );
            }
            for at in [0, 7, 8, 63] {
                let mut other = report.clone();
                other.chip_id.0[at] ^= 1;
                refused(&key, &other, "chip ID");
            }
            let hidden = SnpReport { chip_id: Hex([0; 64]), ..report.clone() };
            assert_eq!(key.check(&hidden), Ok(()), "the signature is the chip's all the same");
            refused(&VekIdentity { hwid: None, ..key.clone() }, &report, "signing key");
            refused(&key, &SnpReport { signing_key: SigningKey::Vlek, ..report }, "signing key");
        }
        let (report, key) = recorded("genoa-v3-vcek", "vcek.der");
        for cpuid in [[0x19, 0x01, 1], [0x1a, 0x02, 1], [0x20, 0x11, 1]] {
            refused(&key, &SnpReport { cpuid: Some(cpuid), ..report.clone() }, "product line");
        }
    }

    #[test]
    fn a_providers_key_names_the_provider_and_no_chip() {
        let (report, key) = recorded("milan-v3-vlek", "vlek.der");
        assert_eq!(key.check(&report), Ok(()));
        refused(&VekIdentity { csp_id: None, ..key.clone() }, &report, "signing key");
        refused(&VekIdentity { csp_id: Some(String::new()), ..key.clone() }, &report, "signing key");
        refused(&VekIdentity { hwid: Some("00".repeat(64)), ..key.clone() }, &report, "signing key");
        refused(&key, &SnpReport { signing_key: SigningKey::Vcek, ..report }, "signing key");
    }
}
