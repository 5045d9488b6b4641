//! The AMD-shaped vendor: for each product line a root (ARK) and a signer (ASK) with RSA-4096 keys, and the VCEKs of
//! chips (AMD 57230, "Versioned Chip Endorsement Key certificate and KDS interface specification").
//!
//! Common names are those of AMD's certificates, since verifiers read the product line out of them; the organization
//! says that this is no AMD.

mod report;
mod vcek;

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_lc_rs::rsa::KeySize;
use serde::{Deserialize, Serialize};
use x509_cert::name::Name;
use zeroize::Zeroizing;

use super::intel::Window;
use super::keys::RsaKey;
use super::settings::Product;
use super::x509::{self, Certificate, Revocations, Revoked, Signer as _, extension};
use super::{EmulatorError, ORGANIZATION, later};

pub(super) use report::{report, tcb_bytes};
pub(super) use vcek::{Vcek, chip_id, id_bytes};

const YEARS: u32 = 25;
const ARK_SERIAL: &[u8] = &[1, 0, 0];
const ASK_SERIAL: &[u8] = &[1, 0, 1];

/// The vendor's keys and certificates. One pair of keys serves all product lines: making them takes seconds.
pub(super) struct Authority {
    ark: RsaKey,
    ask: RsaKey,
    certificates: BTreeMap<Product, Certificates>,
    created: SystemTime,
}

/// DER of the certificates of one product line.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Certificates {
    #[serde(with = "hex::serde")]
    ark: Vec<u8>,
    #[serde(with = "hex::serde")]
    ask: Vec<u8>,
}

/// What is to be kept of the vendor: a secret.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    #[serde(with = "crate::emulated::wire::secret")]
    ark: Zeroizing<Vec<u8>>,
    #[serde(with = "crate::emulated::wire::secret")]
    ask: Zeroizing<Vec<u8>>,
    certificates: BTreeMap<Product, Certificates>,
}

impl Authority {
    /// A new vendor.
    pub(super) fn generate(created: SystemTime) -> Result<Self, EmulatorError> {
        let (ark, ask) = (RsaKey::generate(KeySize::Rsa4096)?, RsaKey::generate(KeySize::Rsa4096)?);
        let mut new = Self { ark, ask, certificates: BTreeMap::new(), created };
        for product in Product::ALL {
            new.certificates.insert(product, new.issue(product)?);
        }
        Ok(new)
    }

    /// The vendor as it was stored.
    pub(super) fn restore(stored: Stored, created: SystemTime) -> Result<Self, EmulatorError> {
        Ok(Self {
            ark: RsaKey::from_pkcs8(&stored.ark)?,
            ask: RsaKey::from_pkcs8(&stored.ask)?,
            certificates: stored.certificates,
            created,
        })
    }

    pub(super) fn stored(&self) -> Result<Stored, EmulatorError> {
        let certificates = self.certificates.clone();
        Ok(Stored { ark: self.ark.to_pkcs8()?, ask: self.ask.to_pkcs8()?, certificates })
    }

    fn issue(&self, product: Product) -> Result<Certificates, EmulatorError> {
        Ok(Certificates {
            ark: self.authority(&ark_name(product)?, ARK_SERIAL, &self.ark, 1, product)?,
            ask: self.authority(&ask_name(product)?, ASK_SERIAL, &self.ask, 0, product)?,
        })
    }

    fn authority(
        &self,
        subject: &Name,
        serial: &[u8],
        key: &RsaKey,
        below: u8,
        product: Product,
    ) -> Result<Vec<u8>, EmulatorError> {
        let public = key.public_info()?;
        let certificate = Certificate {
            serial,
            issuer: &ark_name(product)?,
            subject,
            not_before: self.created,
            not_after: later(self.created, YEARS * 365)?,
            public: &public,
            extensions: vec![
                extension::subject_key(&public)?,
                extension::authority_key(&self.ark.public_info()?)?,
                extension::authority(below)?,
                extension::usage_of_authority()?,
            ],
        };
        certificate.sign(&self.ark)
    }

    /// DER of the root (ARK) of a product line.
    pub(super) fn root(&self, product: Product) -> Result<&[u8], EmulatorError> {
        Ok(&self.of(product)?.ark)
    }

    /// PEM of ASK and ARK, in this order.
    pub(super) fn chain(&self, product: Product) -> Result<String, EmulatorError> {
        let own = self.of(product)?;
        x509::chain(&[&own.ask, &own.ark])
    }

    /// DER of the revocation list of a product line, which the ARK signs.
    pub(super) fn crl(
        &self,
        product: Product,
        window: Window,
        number: u32,
        revoked_ask: bool,
    ) -> Result<Vec<u8>, EmulatorError> {
        let ask = revoked_ask.then(|| Revoked { serial: ASK_SERIAL.to_vec(), since: window.from });
        let list = Revocations {
            issuer: &ark_name(product)?,
            this_update: window.from,
            next_update: window.until,
            number,
            revoked: ask.into_iter().collect(),
        };
        list.sign(&self.ark)
    }

    fn of(&self, product: Product) -> Result<&Certificates, EmulatorError> {
        let found = self.certificates.get(&product);
        found.ok_or_else(|| EmulatorError::Unsupported(format!("product line {}", product.name())))
    }
}

fn ark_name(product: Product) -> Result<Name, EmulatorError> {
    name(&format!("ARK-{}", product.name()))
}

fn ask_name(product: Product) -> Result<Name, EmulatorError> {
    name(&format!("SEV-{}", product.name()))
}

fn name(common_name: &str) -> Result<Name, EmulatorError> {
    x509::name(&[
        ("2.5.4.11", "Engineering"),
        ("2.5.4.6", "US"),
        ("2.5.4.7", "Santa Clara"),
        ("2.5.4.8", "CA"),
        ("2.5.4.10", ORGANIZATION),
        ("2.5.4.3", common_name),
    ])
}
