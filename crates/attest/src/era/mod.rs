//! The expected identity of the Coordinator (an "era-config"): what a user names on the command line, or what is part of
//! a marble's image. A description of the form is in `docs/cli.md`.

mod expectation;
mod infrastructure;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::bytes::Hex;
use crate::dcap::TcbStatus;
use crate::policy::{SgxIdentity, SnpIdentity, TdxIdentity};
use crate::roots::RootsError;
use crate::snp::{Product, SnpTcb};
pub use expectation::{Expectation, Tolerance};
use infrastructure::Written;

/// The identity that the Coordinator must have, in the terms of a manifest's package: as an SGX enclave, and as the same
/// software in other TEEs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct EraConfig {
    #[serde(rename = "UniqueID", default, deserialize_with = "optional_id")]
    unique_id: Option<Hex<32>>,
    #[serde(rename = "SignerID", default, deserialize_with = "optional_id")]
    signer_id: Option<Hex<32>>,
    #[serde(rename = "ProductID", default)]
    product_id: Option<u16>,
    #[serde(default)]
    security_version: Option<u16>,
    #[serde(default)]
    debug: bool,
    #[serde(rename = "AcceptedTCBStatuses", default)]
    accepted_tcb_statuses: Option<Vec<TcbStatus>>,
    #[serde(default)]
    accepted_advisories: Option<Vec<String>>,
    #[serde(rename = "TDX", default)]
    tdx: Option<Tdx>,
    #[serde(rename = "SNP", default)]
    snp: Option<Snp>,
    #[serde(rename = "PCRs", default)]
    pcrs: BTreeMap<u8, Hex<32>>,
    /// Where it may run, as in a manifest. A root that is no hardware vendor's counts only if it stands here.
    #[serde(default)]
    infrastructures: BTreeMap<String, Written>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Tdx {
    #[serde(rename = "MRTD")]
    mrtd: Hex<48>,
    #[serde(rename = "RTMR0", default)]
    rtmr0: Option<Hex<48>>,
    #[serde(rename = "RTMR1", default)]
    rtmr1: Option<Hex<48>>,
    #[serde(rename = "RTMR2", default)]
    rtmr2: Option<Hex<48>>,
    #[serde(rename = "RTMR3", default)]
    rtmr3: Option<Hex<48>>,
    #[serde(rename = "MRCONFIGID", default)]
    mrconfigid: Option<Hex<48>>,
    #[serde(rename = "MRSEAM", default)]
    mrseam: Option<Hex<48>>,
    #[serde(rename = "TDAttributes", default)]
    td_attributes: Option<Hex<8>>,
    #[serde(default)]
    allow_sept_ve: bool,
    #[serde(default)]
    allow_migration: bool,
    #[serde(rename = "AllowServiceTD", default)]
    allow_service_td: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Snp {
    measurement: Hex<48>,
    #[serde(default)]
    host_data: Option<Hex<32>>,
    #[serde(rename = "FamilyID", default)]
    family_id: Option<Hex<16>>,
    #[serde(rename = "ImageID", default)]
    image_id: Option<Hex<16>>,
    #[serde(rename = "GuestSVN", default)]
    guest_svn: Option<u32>,
    #[serde(rename = "MinimumTCB", default)]
    minimum_tcb: Option<MinimumTcb>,
    #[serde(default)]
    policy: Option<u64>,
    #[serde(rename = "VMPL", default)]
    vmpl: Option<u32>,
    #[serde(default)]
    product_lines: Vec<Product>,
    #[serde(default)]
    allow_migration: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct MinimumTcb {
    #[serde(rename = "FMC", default)]
    fmc: Option<u8>,
    #[serde(default)]
    bootloader: u8,
    #[serde(rename = "TEE", default)]
    tee: u8,
    #[serde(rename = "SNP", default)]
    snp: u8,
    #[serde(default)]
    microcode: u8,
}

impl EraConfig {
    /// Reads and checks the text of an era-config.
    ///
    /// # Errors
    /// [`EraError`], also for one that expects nothing in particular.
    pub fn from_json(text: &[u8]) -> Result<Self, EraError> {
        let config: Self =
            serde_json::from_slice(text).map_err(|error| EraError::Unreadable(error.to_string()))?;
        config.check().map_err(EraError::Meaningless)?;
        Ok(config)
    }

    /// An expectation that anybody meets is a mistake, never a policy.
    fn check(&self) -> Result<(), String> {
        let product =
            self.signer_id.is_some() && self.product_id.is_some() && self.security_version.is_some();
        let other = self.tdx.is_some() || self.snp.is_some();
        let some_of_product =
            self.signer_id.is_some() || self.product_id.is_some() || self.security_version.is_some();
        if self.unique_id.is_none() && !product && (some_of_product || !other) {
            return Err("it needs UniqueID, or all of SignerID, ProductID and SecurityVersion, or one of the blocks TDX and SNP".into());
        }
        self.infrastructures.iter().try_for_each(|(name, infrastructure)| {
            infrastructure.check().map_err(|why| format!("Infrastructures.{name}.{why}"))
        })
    }

    fn sgx(&self) -> Option<SgxIdentity> {
        let named = self.unique_id.is_some() || self.signer_id.is_some();
        named.then_some(SgxIdentity {
            unique_id: self.unique_id,
            signer_id: self.signer_id,
            product_id: self.product_id,
            security_version: self.security_version,
        })
    }
}

impl From<&Tdx> for TdxIdentity {
    fn from(written: &Tdx) -> Self {
        Self {
            mrtd: Some(written.mrtd),
            rtmrs: [written.rtmr0, written.rtmr1, written.rtmr2, written.rtmr3],
            mrconfigid: written.mrconfigid,
            mrseam: written.mrseam,
            td_attributes: written.td_attributes,
            allow_sept_ve: written.allow_sept_ve,
            allow_migration: written.allow_migration,
            allow_service_td: written.allow_service_td,
        }
    }
}

impl From<&Snp> for SnpIdentity {
    fn from(written: &Snp) -> Self {
        Self {
            measurement: Some(written.measurement),
            host_data: written.host_data,
            family_id: written.family_id,
            image_id: written.image_id,
            guest_svn: written.guest_svn,
            minimum_tcb: written.minimum_tcb.map(SnpTcb::from),
            policy: written.policy,
            vmpl: written.vmpl,
            product_lines: written.product_lines.clone(),
            allow_migration: written.allow_migration,
        }
    }
}

impl From<MinimumTcb> for SnpTcb {
    fn from(written: MinimumTcb) -> Self {
        let MinimumTcb { fmc, bootloader, tee, snp, microcode } = written;
        Self { fmc, bootloader, tee, snp, microcode }
    }
}

/// Go writes an identity that is not named as an empty text.
fn optional_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Hex<32>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    let read = |text: String| serde_json::from_value(text.into()).map_err(serde::de::Error::custom);
    text.map(read).transpose()
}

/// What is written says nothing that could be held against evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EraError {
    /// No JSON of this form.
    #[error("{0}")]
    Unreadable(String),
    /// Nobody in particular is expected, or nobody can match.
    #[error("{0}")]
    Meaningless(String),
    /// A root that is named is none.
    #[error("a trusted root: {0}")]
    Root(#[from] RootsError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<(), &str>) {
        match (EraConfig::from_json(json.as_bytes()), expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{json}: {error}"),
            (read, expected) => panic!("{json}: {read:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn only_a_complete_identity_is_one() {
        let (id, measurement) = ("ab".repeat(32), "cd".repeat(48));
        check(&format!(r#"{{"UniqueID":"{id}"}}"#), Ok(()));
        check(&format!(r#"{{"SignerID":"{id}","ProductID":1,"SecurityVersion":2,"Debug":false}}"#), Ok(()));
        check(&format!(r#"{{"TDX":{{"MRTD":"{measurement}"}}}}"#), Ok(()));
        check(&format!(r#"{{"UniqueID":"","SNP":{{"Measurement":"{measurement}"}}}}"#), Ok(()));
        check(&format!(r#"{{"SignerID":"{id}","ProductID":1}}"#), Err("SecurityVersion"));
        check(&format!(r#"{{"SignerID":"{id}","TDX":{{"MRTD":"{measurement}"}}}}"#), Err("SecurityVersion"));
        check("{}", Err("UniqueID"));
        check(r#"{"TDX":{}}"#, Err("MRTD"));
        check(r#"{"UniqueID":"abcd"}"#, Err("32 bytes"));
        check(&format!(r#"{{"UniqueID":"{id}","Uniqueid":""}}"#), Err("unknown field"));
        check(&format!(r#"{{"UniqueID":"{id}","ProductID":65536}}"#), Err("65536"));
        check(&format!(r#"{{"UniqueID":"{id}","AcceptedTCBStatuses":["uptodate"]}}"#), Err("uptodate"));
        check("nonsense", Err("expected"));
    }

    #[test]
    fn an_infrastructure_that_cannot_match_is_an_error() {
        let era = |infrastructure: &str| {
            let id = "ab".repeat(32);
            format!(r#"{{"UniqueID":"{id}","Infrastructures":{{"lab":{infrastructure}}}}}"#)
        };
        check(&era("{}"), Ok(()));
        check(&era(r#"{"FMSPCs":["00606a000000"],"MinimumTCBEvaluation":17}"#), Ok(()));
        check(&era(r#"{"RootCA":"AAAA"}"#), Err("Infrastructures.lab.RootCA"));
        check(&era(r#"{"RootCA":""}"#), Err("Infrastructures.lab.RootCA"));
        check(&era(r#"{"CPUSVN":"AAAA"}"#), Err("Infrastructures.lab.CPUSVN"));
        check(&era(r#"{"FMSPCs":[]}"#), Err("Infrastructures.lab.FMSPCs"));
        check(&era(r#"{"ChipIDs":["ab"]}"#), Err("Infrastructures.lab.ChipIDs"));
        check(&era(r#"{"RootCa":""}"#), Err("unknown field"));
    }
}
