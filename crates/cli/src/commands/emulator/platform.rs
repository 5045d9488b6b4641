//! How kinds and product lines are written on the command line.

use clap::ValueEnum;
use marblerun_tee::emulated::{Kind, Product};

/// A kind of TEE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum KindName {
    /// Intel SGX
    Sgx,
    /// Intel TDX
    Tdx,
    /// AMD SEV-SNP
    Snp,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Sgx => Self::Sgx,
            KindName::Tdx => Self::Tdx,
            KindName::Snp => Self::Snp,
        }
    }
}

/// A product line of AMD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProductName {
    /// EPYC 7003
    Milan,
    /// EPYC 9004
    Genoa,
    /// EPYC 9005
    Turin,
}

impl From<ProductName> for Product {
    fn from(name: ProductName) -> Self {
        match name {
            ProductName::Milan => Self::Milan,
            ProductName::Genoa => Self::Genoa,
            ProductName::Turin => Self::Turin,
        }
    }
}
