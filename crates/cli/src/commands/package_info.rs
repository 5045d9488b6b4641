//! `marblerun package-info`: not built yet, but its command line is read.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `marblerun package-info`.
#[derive(Debug, Args)]
pub struct PackageInfo {
    /// Signed enclave: a binary, a .sig file or the folder of an image
    #[arg(value_name = "PATH")]
    path: PathBuf,
}
