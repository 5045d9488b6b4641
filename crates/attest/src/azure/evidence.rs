//! Evidence from Azure's VMs in the JSON of Confidential Containers' attester, versions 0 to 2, read and not checked.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::hcl::HclReport;
use super::tpm::TpmQuote;
use crate::bytes::Hex;
use crate::dcap::Quote;
use crate::error::Malformed;
use crate::snp::Report;
use crate::x509::certificates_of_pem;

const EVIDENCE: &str = "Azure vTPM evidence";

/// A TPM has 24 PCRs in a bank.
const PCRS: usize = 24;

/// The alphabet of addresses, padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an Azure VM sends, read.
#[derive(Debug, Clone)]
pub(crate) struct AzureEvidence {
    pub(crate) hcl: HclReport,
    pub(crate) hardware: Hardware,
    pub(crate) quote: TpmQuote,
    pub(crate) quote_bytes: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// The values that the quote is about, in the SHA-256 bank.
    pub(crate) pcrs: Vec<Hex<32>>,
}

/// The hardware report that vouches for the virtual TPM.
#[derive(Debug, Clone)]
pub(crate) enum Hardware {
    /// SEV-SNP, with the certificate of the signing key in DER.
    Snp { report: Box<Report>, vek: Vec<u8> },
    /// TDX.
    Tdx(Box<Quote>),
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    version: u32,
    #[serde(alias = "quote")]
    tpm_quote: WireQuote,
    #[serde(alias = "report")]
    hcl_report: Bytes,
    vcek: Option<String>,
    td_quote: Option<String>,
}

#[derive(Deserialize)]
struct WireQuote {
    message: Bytes,
    signature: Bytes,
    pcrs: Vec<Bytes>,
}

/// Version 0 wrote bytes as lists of numbers, later ones as text: hexadecimal in the quote, base64 elsewhere.
#[derive(Deserialize)]
#[serde(untagged)]
enum Bytes {
    List(Vec<u8>),
    Text(String),
}

impl AzureEvidence {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Malformed> {
        let wire: Wire = serde_json::from_slice(json).map_err(unreadable)?;
        if wire.version > 2 {
            return Err(Malformed::field(EVIDENCE, "version", wire.version, "0 to 2"));
        }
        let hcl = HclReport::parse(&wire.hcl_report.base64()?)?;
        let hardware = hardware(&hcl, wire.vcek.as_deref(), wire.td_quote.as_deref())?;
        let quote_bytes = wire.tpm_quote.message.hexadecimal()?;
        let pcrs: Result<Vec<_>, _> = wire.tpm_quote.pcrs.into_iter().map(pcr).collect();
        Ok(Self {
            hcl,
            hardware,
            quote: TpmQuote::parse(&quote_bytes)?,
            quote_bytes,
            signature: wire.tpm_quote.signature.hexadecimal()?,
            pcrs: all(pcrs?)?,
        })
    }
}

fn hardware(hcl: &HclReport, vcek: Option<&str>, td_quote: Option<&str>) -> Result<Hardware, Malformed> {
    match (vcek, td_quote) {
        (Some(vcek), None) => {
            let report = Box::new(Report::parse(&hcl.hardware_report)?);
            Ok(Hardware::Snp { report, vek: certificate(vcek)? })
        }
        (None, Some(quote)) => Ok(Hardware::Tdx(Box::new(Quote::parse(&base64(quote)?)?))),
        _ => Err(Malformed::encoding(EVIDENCE, "it needs either `vcek` (SNP) or `td_quote` (TDX)")),
    }
}

/// A certificate as PEM (version 0) or as DER in base64.
fn certificate(text: &str) -> Result<Vec<u8>, Malformed> {
    if !text.starts_with("-----") {
        return base64(text);
    }
    let certificates = certificates_of_pem(EVIDENCE, text.as_bytes())?;
    Ok(certificates.first().map(|certificate| certificate.der().to_vec()).unwrap_or_default())
}

fn pcr(bytes: Bytes) -> Result<Hex<32>, Malformed> {
    let bytes = bytes.hexadecimal()?;
    let length = bytes.len();
    let wrong = |_| Malformed::field(EVIDENCE, "PCR value's length", length, "32 (SHA-256)");
    <[u8; 32]>::try_from(bytes).map(Hex).map_err(wrong)
}

fn all(pcrs: Vec<Hex<32>>) -> Result<Vec<Hex<32>>, Malformed> {
    match pcrs.len() {
        PCRS => Ok(pcrs),
        other => Err(Malformed::field(EVIDENCE, "number of PCRs", other, "24")),
    }
}

fn base64(text: &str) -> Result<Vec<u8>, Malformed> {
    BASE64.decode(text).map_err(unreadable)
}

fn unreadable(error: impl ToString) -> Malformed {
    Malformed::encoding(EVIDENCE, error)
}

impl Bytes {
    fn hexadecimal(self) -> Result<Vec<u8>, Malformed> {
        match self {
            Self::List(bytes) => Ok(bytes),
            Self::Text(text) => hex::decode(text).map_err(unreadable),
        }
    }

    fn base64(self) -> Result<Vec<u8>, Malformed> {
        match self {
            Self::List(bytes) => Ok(bytes),
            Self::Text(text) => base64(&text),
        }
    }
}
