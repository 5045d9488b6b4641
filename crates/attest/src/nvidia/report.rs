//! The transcript of one SPDM exchange: the GET_MEASUREMENTS request and the MEASUREMENTS response.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bytes::{Hex, Reader};
use crate::error::Malformed;

const REPORT: &str = "the SPDM report";
const BLOCK: &str = "an SPDM measurement";
const OPAQUE: &str = "the SPDM report's opaque data";

/// Types of the opaque data's fields.
const DRIVER_VERSION: u16 = 3;
const FIRMWARE_VERSION: u16 = 6;
const FWID: u16 = 20;

/// Length of the signature at the end: r and s for P-384.
const SIGNATURE: usize = 96;

/// The fields of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpdmReport {
    /// The nonce of whoever asked: the binding.
    pub nonce: Hex<32>,
    /// The device's own nonce.
    pub responder_nonce: Hex<32>,
    /// Measurements by index.
    pub measurements: BTreeMap<u8, Hex<48>>,
    /// What the device says about its software.
    #[serde(flatten)]
    pub versions: SpdmVersions,
    /// Hash of the device's firmware, as its certificate must have it. Switches do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fwid: Option<Hex<48>>,
}

/// Versions of a device's software.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpdmVersions {
    /// The driver's. Switches have none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver_version: String,
    /// The firmware's, as the device has it, in hexadecimal.
    pub vbios_version_raw: String,
    /// The firmware's, as people write it.
    pub vbios_version: String,
}

impl SpdmReport {
    /// Whether bytes begin like SPDM 1.1 GET_MEASUREMENTS with a signature wanted.
    pub(crate) fn looks_like(bytes: &[u8]) -> bool {
        bytes.starts_with(&[0x11, 0xe0, 0x01])
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, REPORT);
        check_code(&mut reader, 0xe0)?;
        let nonce = reader.hex()?;
        reader.take(1)?;
        check_code(&mut reader, 0x60)?;
        let count = reader.u8()?;
        let [a, b, c] = reader.array()?;
        let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        let measurements = measurements(reader.take(length)?, count)?;
        let responder_nonce = reader.hex()?;
        let opaque = opaque(reader.counted_u16()?)?;
        reader.take(SIGNATURE)?;
        reader.end()?;
        Ok(Self {
            nonce,
            responder_nonce,
            measurements,
            versions: versions(&opaque)?,
            fwid: opaque.get(&FWID).map(|bytes| exactly(FWID, bytes)).transpose()?,
        })
    }

    /// What the device signed, and the signature.
    pub(crate) fn signed_and_signature(raw: &[u8]) -> Option<(&[u8], &[u8])> {
        raw.split_at_checked(raw.len().checked_sub(SIGNATURE)?)
    }
}

/// SPDM version 1.1, the code, and two parameters.
fn check_code(reader: &mut Reader<'_>, code: u8) -> Result<(), Malformed> {
    let [version, seen, _, _] = reader.array()?;
    match (version, seen) {
        (0x11, seen) if seen == code => Ok(()),
        _ => Err(Malformed::field(
            REPORT,
            "version and code",
            format!("{version:#x} {seen:#x}"),
            "SPDM 1.1 (0x11), GET_MEASUREMENTS (0xe0) then MEASUREMENTS (0x60)",
        )),
    }
}

/// Blocks in DMTF's form, each index once.
fn measurements(bytes: &[u8], count: u8) -> Result<BTreeMap<u8, Hex<48>>, Malformed> {
    let mut reader = Reader::new(bytes, BLOCK);
    let mut all = BTreeMap::new();
    for _ in 0..count {
        let (index, specification, size) = (reader.u8()?, reader.u8()?, reader.u16()?);
        let (_, length) = (reader.u8()?, reader.u16()?);
        if (specification, size, length) != (1, 51, 48) {
            let seen = format!("{specification}, {size}, {length}");
            return Err(Malformed::field(
                BLOCK,
                "specification and sizes",
                seen,
                "1 (DMTF), 51, 48 (SHA-384)",
            ));
        }
        if all.insert(index, reader.hex()?).is_some() {
            return Err(Malformed::field(BLOCK, "index", index, "each index once"));
        }
    }
    reader.end()?;
    Ok(all)
}

/// NVIDIA's opaque data: fields of (type, length, value).
fn opaque(bytes: &[u8]) -> Result<BTreeMap<u16, &[u8]>, Malformed> {
    let mut reader = Reader::new(bytes, OPAQUE);
    let mut fields = BTreeMap::new();
    while !reader.rest().is_empty() {
        let kind = reader.u16()?;
        if fields.insert(kind, reader.counted_u16()?).is_some() {
            return Err(Malformed::field(OPAQUE, "type", kind, "each type once"));
        }
    }
    Ok(fields)
}

fn versions(opaque: &BTreeMap<u16, &[u8]>) -> Result<SpdmVersions, Malformed> {
    let driver = opaque.get(&DRIVER_VERSION).copied().unwrap_or_default();
    let driver_version = String::from_utf8_lossy(driver).trim_end_matches('\0').to_owned();
    let raw = opaque.get(&FIRMWARE_VERSION).copied().unwrap_or_default();
    Ok(SpdmVersions {
        driver_version,
        vbios_version_raw: hex::encode(raw),
        vbios_version: firmware_version(raw)?,
    })
}

/// GPUs have it as eight bytes, switches as text.
fn firmware_version(raw: &[u8]) -> Result<String, Malformed> {
    match std::str::from_utf8(raw) {
        Ok(text) if raw.len() > 8 && raw.iter().all(u8::is_ascii_graphic) => Ok(text.to_owned()),
        _ => {
            let [a, b, c, d, e, ..] = exactly::<8>(FIRMWARE_VERSION, raw)?.0;
            Ok(format!("{d:02X}.{c:02X}.{b:02X}.{a:02X}.{e:02X}"))
        }
    }
}

fn exactly<const N: usize>(kind: u16, bytes: &[u8]) -> Result<Hex<N>, Malformed> {
    let wrong = |_| {
        Malformed::field(OPAQUE, "length of a field", format!("{} (type {kind})", bytes.len()), "its own")
    };
    bytes.try_into().map(Hex).map_err(wrong)
}
