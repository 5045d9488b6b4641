//! `marblerun emulator key` and `sign`: whose a program is, and which version.

use std::path::{Path, PathBuf};

use clap::Args;
use marblerun_tee::emulated::{Kind, Program, SigningKey, Statement, measure, signature_path};
use serde_json::{Value, json};

use super::platform::KindName;
use super::run::doing;
use crate::{Failure, console, file};

/// Arguments of `marblerun emulator key`.
#[derive(Debug, Args)]
pub(super) struct Key {
    /// File for the key (PEM, PKCS#8, RSA-3072), which must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Key {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let pem = SigningKey::generate()?.to_pem()?;
        file::write_new(&self.file, pem.as_bytes()).map_err(|source| writing(&self.file, source))
    }
}

/// Arguments of `marblerun emulator sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
Writes PROGRAM.sig and prints the package as manifests name it. A program that changes afterwards proves nothing until it
is signed again. If another program starts it, as the premain does, that program belongs to what is measured:

  marblerun emulator key signing.pem
  marblerun emulator sign ./store --key signing.pem --product 15 --svn 1 --loader /usr/bin/marblerun-premain")]
pub(super) struct Sign {
    /// Program to sign
    #[arg(value_name = "PROGRAM")]
    program: PathBuf,
    /// Key to sign with (PEM)
    #[arg(long, value_name = "FILE", required = true)]
    key: Option<PathBuf>,
    /// Which of the signer's products it is (ISVPRODID)
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    product: u16,
    /// Security version of the product (ISVSVN)
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    svn: u16,
    /// Sign it for debug mode, which good policies refuse
    #[arg(long)]
    debug: bool,
    /// Program that starts it and asks for evidence in its place
    #[arg(long, value_name = "FILE")]
    loader: Option<PathBuf>,
    /// Print the package as platforms of this kind show it
    #[arg(long, value_enum, value_name = "KIND", default_value_t = KindName::Sgx)]
    tee: KindName,
    /// Print it as this very build (UniqueID), not as a version of the signer's product; SGX only
    #[arg(long)]
    unique: bool,
}

impl Sign {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let files: Vec<PathBuf> = self.loader.iter().chain([&self.program]).cloned().collect();
        let statement = Statement {
            measurement: measure(&files)?,
            product: self.product,
            svn: self.svn,
            debug: self.debug,
        };
        let signature = self.signing_key()?.sign(&statement)?;
        let path = signature_path(&self.program);
        file::write(&path, signature.as_bytes()).map_err(|source| writing(&path, source))?;
        let program = Program::signed(statement.measurement, signature)?;
        let mut package = package(&program, self.tee.into(), self.unique);
        package["Debug"] = self.debug.into();
        console::print(&format!("{package:#}"))
    }

    fn signing_key(&self) -> Result<SigningKey, Failure> {
        let path = self.key.as_deref().unwrap_or(Path::new(""));
        SigningKey::from_pem(&file::read_secret(path, "the signing key")?).map_err(|error| {
            let hint = "make one with `marblerun emulator key FILE`";
            Failure::Argument(format!("{}: no signing key: {error}; {hint}", path.display()))
        })
    }
}

/// The program as a package of a manifest.
fn package(program: &Program, kind: Kind, unique: bool) -> Value {
    let (enclave, guest) = (program.enclave(), program.guest());
    match kind {
        Kind::Sgx if unique => json!({ "UniqueID": hex::encode(enclave.mrenclave) }),
        Kind::Sgx => json!({
            "SignerID": hex::encode(enclave.mrsigner),
            "ProductID": enclave.isv_prod_id,
            "SecurityVersion": enclave.isv_svn,
        }),
        Kind::Tdx => json!({ "TDX": { "MRTD": hex::encode(program.trust_domain().mr_td) } }),
        Kind::Snp => json!({
            "SNP": {
                "Measurement": hex::encode(guest.measurement),
                "ImageID": hex::encode(guest.image_id),
                "GuestSVN": guest.guest_svn,
            },
        }),
    }
}

fn writing(path: &Path, source: std::io::Error) -> Failure {
    doing(&format!("writing {}", path.display()), source)
}
