//! Intel SGX: the report of an enclave, the wrappings in which quotes of enclaves travel, and what signers state.
//!
//! No evidence is checked here; [`crate::dcap`] does that.

pub(crate) mod open_enclave;
mod sigstruct;

use serde::Serialize;

use crate::bytes::{Hex, Reader};
use crate::error::Malformed;

pub use sigstruct::{DebugMode, EnclaveSignature, Sigstruct};

/// The body of an enclave's report (Intel SGX SDM, `REPORT` body, 384 bytes).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnclaveReport {
    /// Security version of the processor (TCB components).
    pub cpusvn: Hex<16>,
    /// Extended features of the state that an exception saves.
    pub miscselect: Hex<4>,
    /// Flags (8 bytes, little endian) and the extended features in force (XFRM).
    pub attributes: Hex<16>,
    /// Identity of the code (UniqueID).
    pub mrenclave: Hex<32>,
    /// Identity of who signed it (SignerID).
    pub mrsigner: Hex<32>,
    /// ProductID.
    pub isvprodid: u16,
    /// SecurityVersion.
    pub isvsvn: u16,
    /// What the enclave said: the binding.
    pub report_data: Hex<64>,
}

impl EnclaveReport {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let cpusvn = reader.hex()?;
        let miscselect = reader.hex()?;
        reader.take(28)?;
        let attributes = reader.hex()?;
        let mrenclave = reader.hex()?;
        reader.take(32)?;
        let mrsigner = reader.hex()?;
        reader.take(96)?;
        let (isvprodid, isvsvn) = (reader.u16()?, reader.u16()?);
        reader.take(60)?;
        let report_data = reader.hex()?;
        Ok(Self { cpusvn, miscselect, attributes, mrenclave, mrsigner, isvprodid, isvsvn, report_data })
    }

    /// Whether the host can read the enclave's memory.
    pub fn is_debug(&self) -> bool {
        self.attributes.0[0] & 0x02 != 0
    }
}
