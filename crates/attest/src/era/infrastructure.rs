//! Where the Coordinator may run, written as in a manifest. What a manifest is only warned of is an error here: nobody
//! else depends on this file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};

use crate::bytes::Hex;
use crate::policy::Infrastructure;
use crate::roots::{Roots, RootsError, Vendor};

/// One entry of `Infrastructures`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Written {
    #[serde(rename = "RootCA", default)]
    root_ca: Option<Base64>,
    #[serde(rename = "CPUSVN", default)]
    cpusvn: Option<Base64>,
    #[serde(rename = "QESVN", default)]
    qesvn: Option<u16>,
    #[serde(rename = "PCESVN", default)]
    pcesvn: Option<u16>,
    #[serde(rename = "FMSPCs", default)]
    fmspcs: Option<Vec<Hex<6>>>,
    #[serde(rename = "PPIDs", default)]
    ppids: Option<Vec<Hex<16>>>,
    #[serde(rename = "ChipIDs", default)]
    chip_ids: Option<Vec<String>>,
    #[serde(rename = "MinimumTCBEvaluation", default)]
    minimum_tcb_evaluation: Option<u32>,
}

impl Written {
    /// Whether there can be a platform that it matches.
    pub(super) fn check(&self) -> Result<(), String> {
        self.roots().transpose().map_err(|error| format!("RootCA: {error}"))?;
        if self.cpusvn.is_some() && self.cpusvn().is_none() {
            return Err("CPUSVN: it must be 16 bytes in base64".into());
        }
        let lists = [
            ("FMSPCs", self.fmspcs.as_ref().map(Vec::len)),
            ("PPIDs", self.ppids.as_ref().map(Vec::len)),
            ("ChipIDs", self.chip_ids.as_ref().map(Vec::len)),
        ];
        if let Some((name, _)) = lists.iter().find(|(_, length)| *length == Some(0)) {
            return Err(format!("{name}: an empty list allows nobody; leave it out to allow all"));
        }
        match self.chip_ids.iter().flatten().find(|id| !is_chip_id(id)) {
            None => Ok(()),
            Some(id) => {
                Err(format!("ChipIDs: `{id}` is no identity of a chip: 64 bytes in hex (8 on Turin)"))
            }
        }
    }

    /// The root that it names, which counts whatever hardware it vouches for.
    pub(super) fn roots(&self) -> Option<Result<Roots, RootsError>> {
        let root = self.root_ca.as_ref()?;
        Some(Roots::new([Vendor::Intel, Vendor::Amd, Vendor::Nvidia].map(|vendor| (vendor, &root.0))))
    }

    pub(super) fn infrastructure(&self, name: &str) -> Infrastructure {
        Infrastructure {
            name: name.to_owned(),
            root_ca: self.root_ca.as_ref().map(|root| root.0.clone()),
            cpusvn: self.cpusvn(),
            qesvn: self.qesvn,
            pcesvn: self.pcesvn,
            fmspcs: self.fmspcs.clone(),
            ppids: self.ppids.clone(),
            chip_ids: self
                .chip_ids
                .as_ref()
                .map(|ids| ids.iter().map(|id| id.to_ascii_lowercase()).collect()),
            minimum_tcb_evaluation: self.minimum_tcb_evaluation,
        }
    }

    fn cpusvn(&self) -> Option<Hex<16>> {
        self.cpusvn.as_ref().and_then(|bytes| bytes.0.as_slice().try_into().ok()).map(Hex)
    }
}

/// Bytes that are written in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Base64(Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

fn is_chip_id(id: &str) -> bool {
    matches!(hex::decode(id).map(|id| id.len()), Ok(8 | 64))
}
