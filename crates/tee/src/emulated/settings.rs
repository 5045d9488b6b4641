//! What can be changed while the emulator runs: what the vendors publish, and the state of each platform. The file is
//! read again for every answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{EmulatorError, Kind};

/// The platform that exists from the start.
pub const DEFAULT_PLATFORM: &str = "default";

/// Everything that can be changed, as `emulator.json` holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the vendors say about everybody.
    pub published: Published,
    /// The platforms that the vendors made, by name.
    pub platforms: BTreeMap<String, PlatformSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        let platform = (DEFAULT_PLATFORM.to_owned(), PlatformSettings::default());
        Self { published: Published::default(), platforms: BTreeMap::from([platform]) }
    }
}

impl Settings {
    /// The settings of one platform.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn platform(&self, name: &str) -> Result<&PlatformSettings, EmulatorError> {
        self.platforms.get(name).ok_or_else(|| EmulatorError::NoPlatform {
            name: name.to_owned(),
            known: self.platforms.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }
}

/// What the vendors publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Intel's TCB evaluation data number: grows with each TCB recovery.
    pub tcb_evaluation: u32,
    /// The microcode generation that an up-to-date platform must have; a platform of an older one is out of date.
    pub generation: u8,
    /// Days that collateral is valid from when it is asked for.
    pub valid_days: u32,
    /// Platforms whose PCK certificates are on the revocation list.
    pub revoked_platforms: BTreeSet<String>,
    /// Whether AMD's signing key (ASK) is on the revocation list; VCEKs all have the serial number 0 and cannot be.
    pub revoked_ask: bool,
}

impl Default for Published {
    fn default() -> Self {
        Self {
            tcb_evaluation: 20,
            generation: 1,
            valid_days: 30,
            revoked_platforms: BTreeSet::new(),
            revoked_ask: false,
        }
    }
}

/// The state of one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlatformSettings {
    /// What its programs run in.
    pub tee: Kind,
    /// As what the vendor's TCB levels judge its firmware.
    pub tcb: TcbStatus,
    /// The generation of its microcode.
    pub generation: u8,
    /// FMSPC (Intel): the kind of processor and package, 6 bytes.
    #[serde(with = "hex::serde")]
    pub fmspc: [u8; 6],
    /// Whether its PCK certificate comes from the Platform CA (several sockets) or the Processor CA.
    pub pck_ca: PckCa,
    /// ISVSVN of its quoting enclave: 8 is up to date, 6 out of date.
    pub qe_svn: u16,
    /// ISVSVN of its TDX module: 5 is up to date, 3 out of date.
    pub module_svn: u8,
    /// Version of TDX quotes: 4, or 5 with a TDX 1.5 report.
    pub tdx_quote: u16,
    /// Which AMD processor it is.
    pub product: Product,
    /// Version of its SEV-SNP reports: 2, 3 or 5.
    pub snp_report: u32,
    /// Its current SEV-SNP firmware.
    pub snp_tcb: SnpTcb,
}

impl Default for PlatformSettings {
    fn default() -> Self {
        Self {
            tee: Kind::Sgx,
            tcb: TcbStatus::UpToDate,
            generation: 1,
            fmspc: [0x00, 0x80, 0x6f, 0x05, 0x00, 0x00],
            pck_ca: PckCa::Platform,
            qe_svn: 8,
            module_svn: 5,
            tdx_quote: 4,
            product: Product::Genoa,
            snp_report: 3,
            snp_tcb: SnpTcb::default(),
        }
    }
}

/// Intel's authorities for PCK certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PckCa {
    /// For platforms of several sockets, with more in the PCK certificate.
    Platform,
    /// For single processors.
    Processor,
}

/// AMD's product lines, as KDS names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Product {
    /// EPYC 7003.
    Milan,
    /// EPYC 9004.
    Genoa,
    /// EPYC 9005.
    Turin,
}

impl Product {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Milan, Self::Genoa, Self::Turin];

    /// As KDS writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }
}

/// Security version numbers of SEV-SNP firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnpTcb {
    /// Only Turin has one.
    pub fmc: u8,
    /// The boot loader of the security processor.
    pub boot_loader: u8,
    /// Its operating system.
    pub tee: u8,
    /// The SNP firmware.
    pub snp: u8,
    /// The microcode.
    pub microcode: u8,
}

impl Default for SnpTcb {
    fn default() -> Self {
        Self { fmc: 1, boot_loader: 10, tee: 1, snp: 24, microcode: 88 }
    }
}

/// How Intel judges a TCB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TcbStatus {
    /// All is well.
    UpToDate,
    /// The software has to defend itself against a known weakness.
    #[serde(rename = "SWHardeningNeeded")]
    SwHardeningNeeded,
    /// The platform has to be configured differently.
    ConfigurationNeeded,
    /// Both.
    #[serde(rename = "ConfigurationAndSWHardeningNeeded")]
    ConfigurationAndSwHardeningNeeded,
    /// Updates are missing.
    OutOfDate,
    /// Updates are missing and the platform has to be configured differently.
    OutOfDateConfigurationNeeded,
    /// Not to be trusted at all.
    Revoked,
}

impl TcbStatus {
    /// All of them, best first.
    pub const ALL: [Self; 7] = [
        Self::UpToDate,
        Self::SwHardeningNeeded,
        Self::ConfigurationNeeded,
        Self::ConfigurationAndSwHardeningNeeded,
        Self::OutOfDate,
        Self::OutOfDateConfigurationNeeded,
        Self::Revoked,
    ];

    /// As Intel writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::SwHardeningNeeded => "SWHardeningNeeded",
            Self::ConfigurationNeeded => "ConfigurationNeeded",
            Self::ConfigurationAndSwHardeningNeeded => "ConfigurationAndSWHardeningNeeded",
            Self::OutOfDate => "OutOfDate",
            Self::OutOfDateConfigurationNeeded => "OutOfDateConfigurationNeeded",
            Self::Revoked => "Revoked",
        }
    }
}

impl fmt::Display for TcbStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TcbStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|status| status.name() == text);
        found.ok_or_else(|| format!("{text:?} is no TCB status; one of {}", known()))
    }
}
