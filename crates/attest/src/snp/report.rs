//! The attestation report, versions 2, 3 and 5 (1184 bytes), read and not checked.

use serde::{Deserialize, Serialize, Serializer};

use super::tcb::Product;
use crate::bytes::{Hex, Reader};
use crate::error::Malformed;

const REPORT: &str = "the SNP report";

/// ECDSA with P-384 and SHA-384: the only algorithm that AMD defines.
const ECDSA_P384_SHA384: u32 = 1;

/// A report with the bytes that were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) raw: [u8; Self::LENGTH],
    pub(crate) fields: SnpReport,
}

/// The fields of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnpReport {
    /// Version of the format.
    pub version: u32,
    /// Security version of the guest, from its identity block.
    pub guest_svn: u32,
    /// What the host may do to the guest.
    pub policy: GuestPolicy,
    /// From the guest's identity block.
    pub family_id: Hex<16>,
    /// From the guest's identity block.
    pub image_id: Hex<16>,
    /// The privilege level that asked for the report.
    pub vmpl: u32,
    /// How the report is signed.
    pub signature_algo: u32,
    /// TCB in force.
    pub current_tcb: Hex<8>,
    /// Features of the platform (bit 0: SMT is on).
    #[serde(serialize_with = "short_hexadecimal")]
    pub platform_info: u64,
    /// Whether the author's key digest is there.
    pub author_key_en: bool,
    /// Whether the chip's identity is left out.
    pub mask_chip_key: bool,
    /// Which key signed.
    pub signing_key: SigningKey,
    /// What the guest said: the binding.
    pub report_data: Hex<64>,
    /// Measurement of what the guest was launched with.
    pub measurement: Hex<48>,
    /// What the host said at launch.
    pub host_data: Hex<32>,
    /// Who signed the guest's identity block.
    pub id_key_digest: Hex<48>,
    /// Who vouches for that key.
    pub author_key_digest: Hex<48>,
    /// Identity of this instance of the guest.
    pub report_id: Hex<32>,
    /// Identity of its migration agent.
    pub report_id_ma: Hex<32>,
    /// TCB by which the signing key was derived: the one that counts.
    pub reported_tcb: Hex<8>,
    /// Family, model and stepping of the processor; from version 3 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuid: Option<[u8; 3]>,
    /// Identity of the chip.
    pub chip_id: Hex<64>,
    /// The lowest TCB that the platform can still go back to.
    pub committed_tcb: Hex<8>,
    /// Firmware in force: build, minor, major.
    pub current_version: Hex<3>,
    /// Firmware that the platform can still go back to: build, minor, major.
    pub committed_version: Hex<3>,
    /// TCB when the guest was launched.
    pub launch_tcb: Hex<8>,
    /// Mitigations at launch and now; from version 5 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mitigations: Option<[u64; 2]>,
}

/// Which key signed a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SigningKey {
    /// Of the chip (Versioned Chip Endorsement Key).
    Vcek,
    /// Of the cloud provider (Versioned Loaded Endorsement Key).
    Vlek,
}

/// The guest's policy (AMD SEV-SNP ABI 56860, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestPolicy(pub u64);

impl GuestPolicy {
    /// The least minor version of the ABI that the guest wants.
    pub fn abi_minor(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    /// The least major version of the ABI that the guest wants.
    pub fn abi_major(self) -> u8 {
        self.0.to_le_bytes()[1]
    }

    /// The guest may run where SMT is on.
    pub fn allows_smt(self) -> bool {
        self.0 & 1 << 16 != 0
    }

    /// The guest may be bound to a migration agent, which can then move it.
    pub fn allows_migration(self) -> bool {
        self.0 & 1 << 18 != 0
    }

    /// The host can read and change the guest.
    pub fn allows_debug(self) -> bool {
        self.0 & 1 << 19 != 0
    }

    /// The guest may run on one socket only.
    pub fn is_single_socket(self) -> bool {
        self.0 & 1 << 20 != 0
    }
}

impl Serialize for GuestPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#018x}", self.0))
    }
}

fn short_hexadecimal<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:#x}"))
}

impl SnpReport {
    /// The product line that the report names, from version 3 on.
    pub fn product(&self) -> Option<Product> {
        self.cpuid.and_then(|[family, model, _]| Product::of_processor(family, model))
    }
}

impl Report {
    pub(crate) const LENGTH: usize = 0x4a0;
    /// The signature covers the bytes before it.
    const SIGNED: usize = 0x2a0;

    /// Whether bytes begin like a report, and have its length.
    pub(crate) fn looks_like(bytes: &[u8]) -> bool {
        bytes.len() == Self::LENGTH && matches!(bytes, [2..=5, 0, 0, 0, ..])
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, REPORT);
        let raw = reader.array()?;
        reader.end()?;
        Ok(Self { raw, fields: fields(&raw)? })
    }

    /// What the signature covers: the raw bytes.
    pub(crate) fn signed(&self) -> &[u8] {
        &self.raw[..Self::SIGNED]
    }

    /// r and s, each 48 bytes, the most significant first. On the wire they are the other way round and in 72 bytes
    /// each; the bytes beyond must be zero, as they are under no signature.
    pub(crate) fn signature(&self) -> Result<[u8; 96], Malformed> {
        let mut reader = Reader::new(&self.raw[Self::SIGNED..], "the SNP report's signature");
        let mut value = [0; 96];
        for half in value.chunks_mut(48) {
            half.copy_from_slice(reader.take(48)?);
            half.reverse();
            check_zero("signature", reader.take(24)?)?;
        }
        check_zero("after the signature", reader.rest())?;
        Ok(value)
    }
}

fn check_zero(field: &'static str, bytes: &[u8]) -> Result<(), Malformed> {
    match bytes.iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => Err(Malformed::field(REPORT, field, "not zero", "zeros")),
    }
}

fn fields(raw: &[u8]) -> Result<SnpReport, Malformed> {
    let mut r = Reader::new(raw, REPORT);
    let version = version(r.u32()?)?;
    let (guest_svn, policy) = (r.u32()?, GuestPolicy(r.u64()?));
    let (family_id, image_id, vmpl) = (r.hex()?, r.hex()?, r.u32()?);
    let signature_algo = signature_algorithm(r.u32()?)?;
    let (current_tcb, platform_info, flags) = (r.hex()?, r.u64()?, r.u32()?);
    r.take(4)?;
    let (report_data, measurement, host_data) = (r.hex()?, r.hex()?, r.hex()?);
    let (id_key_digest, author_key_digest) = (r.hex()?, r.hex()?);
    let (report_id, report_id_ma, reported_tcb) = (r.hex()?, r.hex()?, r.hex()?);
    let cpuid = r.array()?;
    r.take(21)?;
    let (chip_id, committed_tcb) = (r.hex()?, r.hex()?);
    let current_version = r.hex()?;
    r.take(1)?;
    let committed_version = r.hex()?;
    r.take(1)?;
    let launch_tcb = r.hex()?;
    let mitigations = [r.u64()?, r.u64()?];
    Ok(SnpReport {
        version,
        guest_svn,
        policy,
        family_id,
        image_id,
        vmpl,
        signature_algo,
        current_tcb,
        platform_info,
        author_key_en: flags & 1 != 0,
        mask_chip_key: flags & 2 != 0,
        signing_key: signing_key(flags)?,
        report_data,
        measurement,
        host_data,
        id_key_digest,
        author_key_digest,
        report_id,
        report_id_ma,
        reported_tcb,
        cpuid: (version >= 3).then_some(cpuid),
        chip_id,
        committed_tcb,
        current_version,
        committed_version,
        launch_tcb,
        mitigations: (version >= 5).then_some(mitigations),
    })
}

fn version(version: u32) -> Result<u32, Malformed> {
    match version {
        2..=5 => Ok(version),
        other => Err(Malformed::field(REPORT, "version", other, "2 to 5")),
    }
}

fn signature_algorithm(algorithm: u32) -> Result<u32, Malformed> {
    match algorithm {
        ECDSA_P384_SHA384 => Ok(algorithm),
        other => Err(Malformed::field(REPORT, "signature algorithm", other, "1 (ECDSA P-384 with SHA-384)")),
    }
}

fn signing_key(flags: u32) -> Result<SigningKey, Malformed> {
    match flags >> 2 & 7 {
        0 => Ok(SigningKey::Vcek),
        1 => Ok(SigningKey::Vlek),
        other => Err(Malformed::field(REPORT, "signing key", other, "0 (VCEK) or 1 (VLEK)")),
    }
}
