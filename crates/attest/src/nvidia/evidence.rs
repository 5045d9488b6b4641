//! Evidence of NVIDIA devices: the report alone, or in JSON together with the device's certificates as NVIDIA's
//! attestation SDK writes it. Read and not checked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::report::SpdmReport;
use crate::error::Malformed;

const EVIDENCE: &str = "NVIDIA evidence";

/// What a device sends, read.
#[derive(Debug, Clone)]
pub(crate) struct NvidiaEvidence {
    pub(crate) raw: Vec<u8>,
    pub(crate) report: SpdmReport,
    /// The device's certificates in PEM, if they came along.
    pub(crate) chain: Option<Vec<u8>>,
}

/// The SDK writes a list with an entry for each device; one piece of evidence is one device.
#[derive(Deserialize)]
#[serde(untagged)]
enum Devices {
    Alone(Wire),
    Listed([Wire; 1]),
}

#[derive(Deserialize)]
struct Wire {
    evidence: String,
    certificate: String,
}

impl NvidiaEvidence {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Malformed> {
        let (Devices::Alone(wire) | Devices::Listed([wire])) =
            serde_json::from_slice(json).map_err(|_| unreadable(SHAPE))?;
        let decode = |text: String| STANDARD.decode(text).map_err(unreadable);
        Ok(Self { chain: Some(decode(wire.certificate)?), ..Self::of_report(decode(wire.evidence)?)? })
    }

    pub(crate) fn of_report(raw: Vec<u8>) -> Result<Self, Malformed> {
        let report = SpdmReport::parse(&raw)?;
        Ok(Self { raw, report, chain: None })
    }
}

/// What the SDK writes; a parser's own words would name our types.
const SHAPE: &str =
    "wanted {\"evidence\": base64, \"certificate\": base64}, alone or as a list of one device";

fn unreadable(error: impl ToString) -> Malformed {
    Malformed::encoding(EVIDENCE, error)
}
