//! `marblerun package-info`: which package of a manifest a signed enclave is.

use std::path::{Path, PathBuf};

use clap::Args;
use marblerun_attest::{DebugMode, EnclaveSignature, Sigstruct};
use serde_json::{Value, json};

use crate::args::Format;
use crate::enclave::{self, EnclaveError};
use crate::{Failure, console};

/// Arguments of `marblerun package-info`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads programs of Open Enclave and EGo, enclaves of the SGX SDK, .sig files (of Gramine, or of the
emulator), and folders of Gramine applications and Occlum instances. It says what was signed, and
measures nothing.

Examples:
  marblerun package-info ./enclave
  marblerun package-info python.sig --format json
  marblerun package-info occlum-instance --format json --unique")]
pub struct PackageInfo {
    /// Signed enclave: a binary, a .sig file or the folder of an image
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// How to print the result; json: a package as manifests and era-configs name it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// In JSON, name this very build (UniqueID), not a version of the signer's product
    #[arg(long)]
    unique: bool,
}

impl PackageInfo {
    pub(crate) fn execute(self) -> Result<(), Failure> {
        let (file, tool) = enclave::locate(&self.path).map_err(|reason| unusable(&self.path, reason))?;
        let sigstruct = enclave::read(&file).map_err(|reason| unusable(&file, reason))?;
        remark(&file, &sigstruct);
        match (self.format, self.unique) {
            (Format::Json, unique) => console::print(&format!("{:#}", package(&sigstruct, unique))),
            (Format::Text, true) => Err(Failure::Argument(
                "--unique chooses what --format json prints; without that everything is printed".into(),
            )),
            (Format::Text, false) => console::print(&text(&file, tool, &sigstruct)),
        }
    }
}

fn unusable(path: &Path, reason: EnclaveError) -> Failure {
    Failure::Enclave { path: path.to_owned(), reason }
}

fn text(file: &Path, tool: Option<&str>, enclave: &Sigstruct) -> String {
    let tool = tool.map(|tool| format!("Detected {tool} instance.\n")).unwrap_or_default();
    format!(
        "{tool}PackageProperties for '{}':\n\
         UniqueID (MRENCLAVE)      : {}\n\
         SignerID (MRSIGNER)       : {}\n\
         ProductID (ISVPRODID)     : {}\n\
         SecurityVersion (ISVSVN)  : {}",
        file.display(),
        enclave.mrenclave,
        enclave.mrsigner,
        enclave.isvprodid,
        enclave.isvsvn
    )
}

/// The enclave as a package of a manifest, which names software in one way. An enclave that may run either way is
/// named as one that does not run in debug mode.
fn package(enclave: &Sigstruct, unique: bool) -> Value {
    let debug = enclave.debug() == DebugMode::Required;
    match unique {
        true => json!({ "UniqueID": enclave.mrenclave, "Debug": debug }),
        false => json!({
            "SignerID": enclave.mrsigner,
            "ProductID": enclave.isvprodid,
            "SecurityVersion": enclave.isvsvn,
            "Debug": debug,
        }),
    }
}

/// What the numbers do not show.
fn remark(file: &Path, enclave: &Sigstruct) {
    let file = file.display();
    match enclave.signature() {
        EnclaveSignature::Genuine => {}
        EnclaveSignature::Software => console::note(&format!(
            "{file} is signed for the software TEE: the exponent is not 3, so no processor starts it"
        )),
        EnclaveSignature::Invalid => console::warn(&format!(
            "the signature of {file} is not genuine: no processor starts it, and anyone can have written these values"
        )),
    }
    match enclave.debug() {
        DebugMode::Forbidden => {}
        DebugMode::Allowed => console::note(&format!(
            "{file} may also be started in debug mode; a package without `Debug: true` refuses it then"
        )),
        DebugMode::Required => console::warn(&format!(
            "{file} is signed for debug mode, in which the host reads its memory: only packages with `Debug: true` admit it"
        )),
    }
}
