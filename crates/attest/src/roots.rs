//! Whom we believe: the vendors' roots, always handed in. There is no default, and an empty set cannot be made.
//!
//! A software TEE has a root of its own; named here it counts like any other, on the same path.

use serde::{Deserialize, Serialize};

use crate::error::Malformed;
use crate::x509::Certificate;

/// Who makes the hardware that a root vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Vendor {
    /// SGX and TDX.
    Intel,
    /// SEV-SNP.
    Amd,
    /// Confidential GPUs and switches.
    Nvidia,
}

/// A set of trusted roots; never empty.
#[derive(Debug, Clone)]
pub struct Roots(Vec<(Vendor, Certificate)>);

const HARDWARE_VENDORS: [(Vendor, &[u8]); 5] = [
    (Vendor::Intel, include_bytes!("roots/intel-sgx-root-ca.der")),
    (Vendor::Amd, include_bytes!("roots/amd-ark-milan.der")),
    (Vendor::Amd, include_bytes!("roots/amd-ark-genoa.der")),
    (Vendor::Amd, include_bytes!("roots/amd-ark-turin.der")),
    (Vendor::Nvidia, include_bytes!("roots/nvidia-device-identity-ca.der")),
];

/// Whether a root (DER) is one of the hardware on sale.
pub(crate) fn is_of_vendor(root: &[u8]) -> bool {
    HARDWARE_VENDORS.iter().any(|(_, der)| *der == root)
}

/// Why a set of roots cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// It would trust nobody, which is a mistake rather than a wish.
    #[error("no root is named, so no evidence could ever count; name at least one vendor root")]
    Empty,
    /// One of them is no certificate.
    #[error("a trusted root is no certificate: {0}")]
    Unreadable(#[from] Malformed),
    /// One of them was not issued by itself.
    #[error("`{0}` is no root: it was issued by somebody else, or not signed by its own key")]
    NotSelfSigned(String),
}

impl Roots {
    /// The roots that were named, each as (vendor, X.509 certificate in DER).
    ///
    /// # Errors
    /// If there is none, or one is no self-signed certificate.
    pub fn new<D: AsRef<[u8]>>(named: impl IntoIterator<Item = (Vendor, D)>) -> Result<Self, RootsError> {
        let read = |(vendor, der): (Vendor, D)| root(der.as_ref()).map(|root| (vendor, root));
        let roots: Vec<_> = named.into_iter().map(read).collect::<Result<_, _>>()?;
        if roots.is_empty() { Err(RootsError::Empty) } else { Ok(Self(roots)) }
    }

    /// The roots of the hardware on sale: Intel's SGX Root CA, AMD's ARKs of Milan, Genoa and Turin, NVIDIA's Device
    /// Identity CA. `roots/README.md` says where they are from.
    ///
    /// # Errors
    /// Never, as long as the files of this room are what they were when it was tested.
    pub fn of_hardware_vendors() -> Result<Self, RootsError> {
        Self::new(HARDWARE_VENDORS)
    }

    /// These roots and those.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Whether this very certificate is one of them, whoever's.
    pub(crate) fn has(&self, root: &[u8]) -> bool {
        self.0.iter().any(|(_, known)| known.der() == root)
    }

    pub(crate) fn of(&self, vendor: Vendor) -> impl Iterator<Item = &Certificate> {
        self.0.iter().filter(move |(of, _)| *of == vendor).map(|(_, root)| root)
    }
}

fn root(der: &[u8]) -> Result<Certificate, RootsError> {
    let root = Certificate::from_der(der)?;
    match root.check_issued_by(&root) {
        Ok(()) => Ok(root),
        Err(_) => Err(RootsError::NotSelfSigned(root.subject())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_to_trust_is_an_error() {
        assert_eq!(Roots::new::<&[u8]>([]).unwrap_err(), RootsError::Empty);
        assert!(matches!(Roots::new([(Vendor::Intel, b"garbage")]), Err(RootsError::Unreadable(_))));
    }

    #[test]
    fn the_vendors_roots_are_there_and_apart() {
        let roots = Roots::of_hardware_vendors().unwrap();
        let of = |vendor| roots.of(vendor).map(Certificate::subject).collect::<Vec<_>>().join(" ");
        assert!(of(Vendor::Intel).contains("Intel SGX Root CA"));
        for line in ["ARK-Milan", "ARK-Genoa", "ARK-Turin"] {
            assert!(of(Vendor::Amd).contains(line), "{line}");
        }
        assert_eq!(roots.of(Vendor::Nvidia).count(), 1);
    }
}
