//! The format of quotes: SGX version 3, TDX versions 4 and 5 (Intel DCAP Quoting Library API, appendix A).

use crate::bytes::{Hex, Reader};
use crate::error::{Failure, Malformed};
use crate::sgx::EnclaveReport;
use crate::tdx::TdReport;

const QUOTE: &str = "the quote";
const AUTHENTICATION: &str = "the quote's authentication data";

/// ECDSA with P-256: the only type of attestation key in use.
const ECDSA_P256: u16 = 2;
const SGX: u32 = 0;
const TDX: u32 = 0x81;
/// Authentication data of versions 4 and 5: the quoting enclave's report with its certification data inside.
const QE_REPORT: u16 = 6;
/// The PCK certificate chain in PEM.
const PCK_CHAIN: u16 = 5;

/// Intel's vendor identity of quoting enclaves.
const INTEL_QE: [u8; 16] =
    [0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07];

/// A quote, read and not checked.
#[derive(Debug, Clone)]
pub(crate) struct Quote {
    /// The bytes of the quote and nothing after it.
    pub(crate) raw: Vec<u8>,
    pub(crate) version: u16,
    pub(crate) body: Body,
    /// The first so many bytes are what the attestation key signed.
    pub(crate) signed: usize,
    pub(crate) authentication: Authentication,
}

/// What is quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// An enclave.
    Sgx(EnclaveReport),
    /// A trust domain.
    Tdx(Box<TdReport>),
}

/// Who vouches for the quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authentication {
    pub(crate) signature: Hex<64>,
    pub(crate) attestation_key: Hex<64>,
    /// The report of the quoting enclave.
    pub(crate) qe_report: EnclaveReport,
    pub(crate) certification_type: u16,
    pub(crate) certification: Vec<u8>,
}

impl Quote {
    /// Reads a quote. Zeros may follow it, since Linux hands out buffers of a fixed size; other bytes may not.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, QUOTE);
        let (version, tee) = header(&mut reader)?;
        let body = body(&mut reader, version, tee)?;
        let signed = bytes.len() - reader.rest().len();
        let authentication = authentication(reader.counted_u32()?, version)?;
        let padding = reader.rest();
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Malformed::Trailing { of: QUOTE, left: padding.len() });
        }
        let raw = bytes[..bytes.len() - padding.len()].to_vec();
        Ok(Self { raw, version, body, signed, authentication })
    }

    /// Whether bytes begin like a quote: no other evidence has this type of key in its third and fourth byte.
    pub(crate) fn looks_like(bytes: &[u8]) -> bool {
        matches!(bytes, [3..=5, 0, 2, 0, ..])
    }

    /// Everything after the attestation key's signature: who vouches for that key. It is the same for all quotes of a
    /// platform until its quoting enclave makes a new key.
    pub(crate) fn vouchers(&self) -> &[u8] {
        self.raw.get(self.signed + size_of::<u32>() + 64..).unwrap_or_default()
    }

    /// What the attestation key signed.
    pub(crate) fn signed_bytes(&self) -> &[u8] {
        &self.raw[..self.signed]
    }

    pub(crate) fn report_data(&self) -> &Hex<64> {
        match &self.body {
            Body::Sgx(report) => &report.report_data,
            Body::Tdx(report) => &report.report_data,
        }
    }

    /// The PCK certificate chain in PEM that the quote carries.
    pub(crate) fn pck_chain(&self) -> Result<&[u8], Failure> {
        match self.authentication.certification_type {
            PCK_CHAIN => Ok(&self.authentication.certification),
            other => Err(Failure::UnsupportedCertificationData(other)),
        }
    }
}

/// Version and TEE type. The security versions of QE and PCE in here are the host's word; the certificate counts.
fn header(reader: &mut Reader<'_>) -> Result<(u16, u32), Malformed> {
    let (version, key, tee) = (reader.u16()?, reader.u16()?, reader.u32()?);
    reader.take(4)?;
    let vendor: Hex<16> = reader.hex()?;
    reader.take(20)?;
    if key != ECDSA_P256 {
        return Err(Malformed::field(QUOTE, "attestation key type", key, "2 (ECDSA with P-256)"));
    }
    if vendor.0 != INTEL_QE {
        return Err(Malformed::field(QUOTE, "QE vendor", vendor, "Intel's"));
    }
    Ok((version, tee))
}

fn body(reader: &mut Reader<'_>, version: u16, tee: u32) -> Result<Body, Malformed> {
    match (version, tee) {
        (3, SGX) => EnclaveReport::read(reader).map(Body::Sgx),
        (4, TDX) => TdReport::read_10(reader).map(td),
        (5, TDX) => typed_body(reader),
        _ => Err(Malformed::field(
            QUOTE,
            "version and TEE type",
            format!("{version} and {tee:#x}"),
            "3 for SGX (0x0), 4 or 5 for TDX (0x81)",
        )),
    }
}

type ReadTd = fn(&mut Reader<'_>) -> Result<TdReport, Malformed>;

/// Version 5 says type and size of its body.
fn typed_body(reader: &mut Reader<'_>) -> Result<Body, Malformed> {
    let (kind, size) = (reader.u16()?, reader.u32()?);
    let (length, read): (usize, ReadTd) = match kind {
        2 => (TdReport::LENGTH_10, TdReport::read_10),
        3 => (TdReport::LENGTH_15, TdReport::read_15),
        4 => (TdReport::LENGTH_15_EXTENDED, TdReport::read_15_extended),
        other => return Err(Malformed::field(QUOTE, "body type", other, "2, 3 or 4 (a TD report)")),
    };
    if usize::try_from(size) != Ok(length) {
        return Err(Malformed::field(QUOTE, "body size", size, "the length of its type"));
    }
    read(reader).map(td)
}

fn td(report: TdReport) -> Body {
    Body::Tdx(Box::new(report))
}

fn authentication(bytes: &[u8], version: u16) -> Result<Authentication, Malformed> {
    let mut reader = Reader::new(bytes, AUTHENTICATION);
    let (signature, attestation_key) = (reader.hex()?, reader.hex()?);
    let mut inner = if version == 3 { reader } else { nested(reader)? };
    let qe_report = EnclaveReport::read(&mut inner)?;
    inner.take(64)?;
    inner.counted_u16()?;
    let certification_type = inner.u16()?;
    let certification = inner.counted_u32()?.to_vec();
    inner.end()?;
    Ok(Authentication { signature, attestation_key, qe_report, certification_type, certification })
}

/// Versions 4 and 5 put the quoting enclave's report into certification data of a type of its own.
fn nested(mut reader: Reader<'_>) -> Result<Reader<'_>, Malformed> {
    let kind = reader.u16()?;
    if kind != QE_REPORT {
        return Err(Malformed::field(AUTHENTICATION, "certification data type", kind, "6 (a QE report)"));
    }
    let inside = reader.counted_u32()?;
    reader.end()?;
    Ok(Reader::new(inside, AUTHENTICATION))
}
