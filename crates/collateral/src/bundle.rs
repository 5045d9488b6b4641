//! Collateral in a file, for places without a network: what it is for, and what it is. A bundle is not trusted: each
//! entry is held against the vendors' roots when it is imported.

use marblerun_attest::{Collateral, Needs};
use serde::{Deserialize, Serialize};

use crate::CollateralError;

/// The version of the form that is written and read.
const VERSION: u32 = 1;

/// Several entries. In JSON, bytes are hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    version: u32,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// Collateral, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What asked for it.
    pub needs: Needs,
    /// What vendors publish.
    pub collateral: Collateral,
    /// When it was fetched, in seconds since 1970, where that is known. It says when to look for something newer, and
    /// nothing about what counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched: Option<u64>,
}

impl Entry {
    /// Collateral, and what it is for.
    pub fn new(needs: Needs, collateral: Collateral) -> Self {
        Self { needs, collateral, fetched: None }
    }
}

/// An entry that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What it is for.
    pub needs: Needs,
    /// Why it was not taken.
    pub error: CollateralError,
}

/// Where the text stops being a bundle; a parser's own words would name our types.
fn place(error: &serde_json::Error) -> String {
    format!("at line {}, column {} stands something else", error.line(), error.column())
}

impl Bundle {
    /// A bundle of `entries`.
    pub fn new(entries: Vec<Entry>) -> Self {
        Self { version: VERSION, entries }
    }

    /// Reads what [`Bundle::to_json`] wrote.
    ///
    /// # Errors
    /// [`CollateralError::Bundle`] for anything else.
    pub fn from_json(json: &[u8]) -> Result<Self, CollateralError> {
        let bundle: Self =
            serde_json::from_slice(json).map_err(|error| CollateralError::Bundle(place(&error)))?;
        match bundle.version {
            VERSION => Ok(bundle),
            other => Err(CollateralError::Bundle(format!("its version is {other}, wanted {VERSION}"))),
        }
    }

    /// As JSON, one object.
    pub fn to_json(&self) -> Vec<u8> {
        // Only texts, numbers and lists: there is nothing that could fail to be written.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}
