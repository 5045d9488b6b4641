//! What one piece of collateral is for, so that the same needs find the same entry.

use std::fmt;

use marblerun_attest::{Needs, Product, SigningKey, SnpTcb};

use crate::CollateralError;

/// Names the collateral that some needs ask for: also the name of its file. Only letters, digits, `-` and `.` stand in
/// it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The key of `needs`, with what the collateral does not depend on left out.
    ///
    /// # Errors
    /// [`CollateralError::Unobtainable`] where no service has such collateral.
    pub fn of(needs: &Needs) -> Result<Self, CollateralError> {
        match needs {
            Needs::Intel { tdx, fmspc, ca } => {
                let tee = if *tdx { "tdx" } else { "sgx" };
                Ok(Self(format!("intel-{tee}-{fmspc}-{}", ca.as_str())))
            }
            Needs::Amd { product, signing_key, has_certificate: true, .. } => {
                Ok(Self(format!("amd-{}-{}", line(*product), kind(*signing_key))))
            }
            Needs::Amd { signing_key: SigningKey::Vlek, .. } => {
                Err(CollateralError::Unobtainable("a VLEK's certificate comes from the cloud provider alone"))
            }
            Needs::Amd { chip_id, .. } if chip_id.is_zero() => Err(CollateralError::Unobtainable(
                "the report hides its chip, and AMD has VCEK certificates by chip",
            )),
            Needs::Amd { product, chip_id, reported_tcb, .. } => {
                Ok(Self(format!("amd-{}-vcek-{chip_id}-{}", line(*product), components(reported_tcb))))
            }
            Needs::Nvidia { .. } => Err(CollateralError::Unobtainable(
                "a device's certificates come from the device, beside its report",
            )),
            _ => Err(CollateralError::Unobtainable("this kind of evidence is not known here")),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn line(product: Option<Product>) -> String {
    product.map_or_else(|| "unknown".to_owned(), |product| product.to_string())
}

fn kind(key: SigningKey) -> &'static str {
    match key {
        SigningKey::Vcek => "vcek",
        SigningKey::Vlek => "vlek",
    }
}

fn components(tcb: &SnpTcb) -> String {
    let SnpTcb { fmc, bootloader, tee, snp, microcode } = tcb;
    let fmc = fmc.map_or_else(String::new, |fmc| format!("{fmc}."));
    format!("{fmc}{bootloader}.{tee}.{snp}.{microcode}")
}
