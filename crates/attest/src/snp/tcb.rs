//! Product lines of AMD's processors, and what a TCB version means on each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bytes::Hex;

/// A product line. Each has its own root, and its own layout of TCB versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(missing_docs, reason = "AMD's names")]
pub enum Product {
    Milan,
    /// Also Bergamo and Siena.
    Genoa,
    Turin,
}

impl Product {
    /// By family and model of the processor (CPUID), as reports from version 3 on carry them.
    pub(crate) fn of_processor(family: u8, model: u8) -> Option<Self> {
        match (family, model) {
            (0x19, 0x00..=0x0f) => Some(Self::Milan),
            (0x19, 0x10..=0x1f | 0xa0..=0xaf) => Some(Self::Genoa),
            (0x1a, 0x00..=0x1f) => Some(Self::Turin),
            _ => None,
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Product {
    type Err = String;

    /// A name as in certificates: a stepping may follow (`Milan-B0`); Bergamo and Siena are Genoa's.
    fn from_str(name: &str) -> Result<Self, String> {
        match name.split_once('-').map_or(name, |(line, _)| line) {
            "Milan" => Ok(Self::Milan),
            "Genoa" | "Bergamo" | "Siena" => Ok(Self::Genoa),
            "Turin" => Ok(Self::Turin),
            _ => Err(format!("`{name}` is no product line; known are Milan, Genoa and Turin")),
        }
    }
}

/// Security versions of the platform's firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnpTcb {
    /// Of the FMC, on Turin only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fmc: Option<u8>,
    /// Of the boot loader.
    pub bootloader: u8,
    /// Of the secure processor's operating system.
    pub tee: u8,
    /// Of the SNP firmware.
    pub snp: u8,
    /// Patch level of the microcode.
    pub microcode: u8,
}

impl SnpTcb {
    /// The eight bytes of a TCB version as `product` lays them out.
    pub(crate) fn of(raw: Hex<8>, product: Product) -> Self {
        let [a, b, c, d, .., snp, microcode] = raw.0;
        match product {
            Product::Turin => Self { fmc: Some(a), bootloader: b, tee: c, snp: d, microcode },
            Product::Milan | Product::Genoa => Self { fmc: None, bootloader: a, tee: b, snp, microcode },
        }
    }

    /// Eight bytes of a report as `product` lays them out, for people who inspect it.
    pub fn unverified(raw: Hex<8>, product: Product) -> Self {
        Self::of(raw, product)
    }

    /// Whether no component is below that of `minimum`.
    pub fn meets(&self, minimum: &Self) -> bool {
        self.fmc.unwrap_or_default() >= minimum.fmc.unwrap_or_default()
            && self.bootloader >= minimum.bootloader
            && self.tee >= minimum.tee
            && self.snp >= minimum.snp
            && self.microcode >= minimum.microcode
    }
}

impl fmt::Display for SnpTcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fmc) = self.fmc {
            write!(f, "FMC {fmc}, ")?;
        }
        let Self { bootloader, tee, snp, microcode, .. } = self;
        write!(f, "boot loader {bootloader}, TEE {tee}, SNP {snp}, microcode {microcode}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_component_counts() {
        let tcb = SnpTcb::of(Hex([4, 1, 0, 0, 0, 0, 24, 217]), Product::Milan);
        assert_eq!(tcb, SnpTcb { fmc: None, bootloader: 4, tee: 1, snp: 24, microcode: 217 });
        assert!(tcb.meets(&tcb));
        for higher in [
            SnpTcb { bootloader: 5, ..tcb },
            SnpTcb { tee: 2, ..tcb },
            SnpTcb { snp: 25, ..tcb },
            SnpTcb { microcode: 218, ..tcb },
            SnpTcb { fmc: Some(1), ..tcb },
        ] {
            assert!(!tcb.meets(&higher), "{higher}");
        }
    }
}
