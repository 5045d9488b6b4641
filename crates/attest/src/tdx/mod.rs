//! Intel TDX: the report of a trust domain (TD). Nothing here is checked; [`crate::dcap`] does that.

mod attributes;

use serde::Serialize;

pub use attributes::TdAttributes;

use crate::bytes::{Hex, Reader};
use crate::error::Malformed;

/// The body of a TD's report (Intel TDX DCAP Quoting Library API, A.3.2 and A.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TdReport {
    /// Security version of the TDX module when the TD was launched.
    pub tee_tcb_svn: Hex<16>,
    /// Measurement of the TDX module.
    pub mrseam: Hex<48>,
    /// Who signed the TDX module; zero for Intel.
    pub mrsignerseam: Hex<48>,
    /// Attributes of the TDX module.
    pub seam_attributes: Hex<8>,
    /// Attributes of the TD.
    pub td_attributes: Hex<8>,
    /// Extended features that the TD may use.
    pub xfam: Hex<8>,
    /// Measurement of what the TD was launched with.
    pub mrtd: Hex<48>,
    /// Configuration that the host gave at launch.
    pub mrconfigid: Hex<48>,
    /// The TD's owner as the host said at launch.
    pub mrowner: Hex<48>,
    /// The owner's configuration as the host said at launch.
    pub mrownerconfig: Hex<48>,
    /// Measurements made at run time: firmware configuration.
    pub rtmr0: Hex<48>,
    /// Boot loader and kernel.
    pub rtmr1: Hex<48>,
    /// Operating system and command line.
    pub rtmr2: Hex<48>,
    /// Whatever the TD measures later.
    pub rtmr3: Hex<48>,
    /// What the TD said: the binding.
    pub report_data: Hex<64>,
    /// Fields of TDX 1.5 (quote version 5, body type 3).
    #[serde(flatten)]
    pub v15: Option<TdReport15>,
    /// Fields of TDX 1.5 extended (quote version 5, body type 4).
    #[serde(flatten)]
    pub v15_extended: Option<TdReport15Extended>,
}

/// What TDX 1.5 adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TdReport15 {
    /// Security version of the TDX module now, which a TD-preserving update may have raised since launch.
    pub tee_tcb_svn_2: Hex<16>,
    /// Which service TDs are bound.
    pub mrservicetd: Hex<48>,
}

/// What body type 4 adds (`sgx_report2_body_v1_5_ex_t`). Intel's libraries appraise none of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TdReport15Extended {
    /// Which partition of the TD asked.
    pub vmid: u8,
    /// Identity of this instance of the TD.
    pub td_id: Hex<32>,
    /// Hash of the information about assigned devices.
    pub dev_info: Hex<48>,
    /// Service TDs bound at launch.
    pub init_service_td_hash: Hex<48>,
    /// Their attributes.
    pub init_service_td_attributes: Hex<8>,
    /// CPUSVN at launch.
    pub init_cpu_svn: Hex<16>,
    /// TEE_TCB_SVN at launch.
    pub init_tee_tcb_svn: Hex<16>,
    /// Model of the platform at launch.
    pub init_tee_fmspc: Hex<12>,
    /// Service TDs bound now.
    pub cur_service_td_hash: Hex<48>,
    /// Their attributes.
    pub cur_service_td_attributes: Hex<8>,
}

impl TdReport {
    /// Length of the body of TDX 1.0 on the wire.
    pub(crate) const LENGTH_10: usize = 584;
    /// Length of the body of TDX 1.5 on the wire.
    pub(crate) const LENGTH_15: usize = 648;
    /// Length of the extended body of TDX 1.5 on the wire.
    pub(crate) const LENGTH_15_EXTENDED: usize = 885;

    pub(crate) fn read_10(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            tee_tcb_svn: reader.hex()?,
            mrseam: reader.hex()?,
            mrsignerseam: reader.hex()?,
            seam_attributes: reader.hex()?,
            td_attributes: reader.hex()?,
            xfam: reader.hex()?,
            mrtd: reader.hex()?,
            mrconfigid: reader.hex()?,
            mrowner: reader.hex()?,
            mrownerconfig: reader.hex()?,
            rtmr0: reader.hex()?,
            rtmr1: reader.hex()?,
            rtmr2: reader.hex()?,
            rtmr3: reader.hex()?,
            report_data: reader.hex()?,
            v15: None,
            v15_extended: None,
        })
    }

    pub(crate) fn read_15(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let report = Self::read_10(reader)?;
        let v15 = TdReport15 { tee_tcb_svn_2: reader.hex()?, mrservicetd: reader.hex()? };
        Ok(Self { v15: Some(v15), ..report })
    }

    pub(crate) fn read_15_extended(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let report = Self::read_15(reader)?;
        Ok(Self { v15_extended: Some(TdReport15Extended::read(reader)?), ..report })
    }

    /// The attributes as flags.
    pub fn attributes(&self) -> TdAttributes {
        TdAttributes(u64::from_le_bytes(self.td_attributes.0))
    }

    /// Whether another TD can change this one (a service TD, such as one for migration).
    pub fn has_service_td(&self) -> bool {
        let bound = self.v15.as_ref().is_some_and(|v15| !v15.mrservicetd.is_zero());
        let now = self.v15_extended.as_ref().is_some_and(|extended| !extended.cur_service_td_hash.is_zero());
        bound || now || self.attributes().has_service_td_extension()
    }
}

impl TdReport15Extended {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            vmid: reader.u8()?,
            td_id: reader.hex()?,
            dev_info: reader.hex()?,
            init_service_td_hash: reader.hex()?,
            init_service_td_attributes: reader.hex()?,
            init_cpu_svn: reader.hex()?,
            init_tee_tcb_svn: reader.hex()?,
            init_tee_fmspc: reader.hex()?,
            cur_service_td_hash: reader.hex()?,
            cur_service_td_attributes: reader.hex()?,
        })
    }
}
