//! The Intel-shaped vendor: a root, the authorities for PCK certificates, and the signer of TCB information.
//!
//! Common names are those of Intel's certificates, since verifiers read the kind of authority out of them; the
//! organization says that this is no Intel.

mod identity;
mod pck;
mod quote;
mod tcb;

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use x509_cert::name::Name;

use super::keys::{Curve, EcKey, Seed};
use super::settings::PckCa;
use super::x509::{self, Certificate, Revocations, Revoked, Signer as _, extension};
use super::{EmulatorError, ORGANIZATION, later};

pub(super) use identity::{QeKind, qe_identity};
pub(super) use pck::{Pck, ppid, serials as pck_serials};
pub(super) use quote::{Signing, sgx as sgx_quote, tdx as tdx_quote};
pub(super) use tcb::{TcbInfo, cpu_svn};

const ROOT: &str = "Intel SGX Root CA";
const TCB_SIGNING: &str = "Intel SGX TCB Signing";
const YEARS: u32 = 25;

/// The vendor's keys and certificates.
pub(super) struct Authority {
    root: EcKey,
    platform_ca: EcKey,
    processor_ca: EcKey,
    tcb_signing: EcKey,
    certificates: Certificates,
    created: SystemTime,
}

/// DER of the vendor's own certificates.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Certificates {
    #[serde(with = "hex::serde")]
    root: Vec<u8>,
    #[serde(with = "hex::serde")]
    platform_ca: Vec<u8>,
    #[serde(with = "hex::serde")]
    processor_ca: Vec<u8>,
    #[serde(with = "hex::serde")]
    tcb_signing: Vec<u8>,
}

impl Authority {
    /// The vendor whose keys follow from `seed`, with new certificates.
    pub(super) fn generate(seed: &Seed, created: SystemTime) -> Result<Self, EmulatorError> {
        let empty =
            Certificates { root: vec![], platform_ca: vec![], processor_ca: vec![], tcb_signing: vec![] };
        let mut new = Self::restore(seed, empty, created)?;
        let (root, signing) = (name(ROOT)?, name(TCB_SIGNING)?);
        new.certificates = Certificates {
            root: new.issue(&root, &new.root, Some(1))?,
            platform_ca: new.issue(&pck_ca_name(PckCa::Platform)?, &new.platform_ca, Some(0))?,
            processor_ca: new.issue(&pck_ca_name(PckCa::Processor)?, &new.processor_ca, Some(0))?,
            tcb_signing: new.issue(&signing, &new.tcb_signing, None)?,
        };
        Ok(new)
    }

    /// The vendor as it was stored.
    pub(super) fn restore(
        seed: &Seed,
        certificates: Certificates,
        created: SystemTime,
    ) -> Result<Self, EmulatorError> {
        let key = |purpose| EcKey::derive(seed, purpose, Curve::P256);
        Ok(Self {
            root: key("intel root")?,
            platform_ca: key("intel pck platform ca")?,
            processor_ca: key("intel pck processor ca")?,
            tcb_signing: key("intel tcb signing")?,
            certificates,
            created,
        })
    }

    /// A certificate under the root: of an authority over `below` others, or of a signer.
    fn issue(&self, subject: &Name, key: &EcKey, below: Option<u8>) -> Result<Vec<u8>, EmulatorError> {
        let public = key.public_info()?;
        let (constraints, usage) = match below {
            Some(below) => (extension::authority(below)?, extension::usage_of_authority()?),
            None => (extension::end_entity()?, extension::usage_of_leaf()?),
        };
        let certificate = Certificate {
            serial: &serial_of(key),
            issuer: &name(ROOT)?,
            subject,
            not_before: self.created,
            not_after: later(self.created, YEARS * 365)?,
            public: &public,
            extensions: vec![
                extension::authority_key(&self.root.public_info()?)?,
                extension::subject_key(&public)?,
                usage,
                constraints,
            ],
        };
        certificate.sign(&self.root)
    }

    /// What is to be kept; no secrets.
    pub(super) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// DER of the root certificate.
    pub(super) fn root(&self) -> &[u8] {
        &self.certificates.root
    }

    /// PEM of the chain that stands behind TCB information and identities: signer, root.
    pub(super) fn tcb_chain(&self) -> Result<String, EmulatorError> {
        x509::chain(&[&self.certificates.tcb_signing, &self.certificates.root])
    }

    /// PEM of the chain that stands behind PCK certificates and their revocation list: authority, root.
    pub(super) fn pck_chain(&self, ca: PckCa) -> Result<String, EmulatorError> {
        let der = match ca {
            PckCa::Platform => &self.certificates.platform_ca,
            PckCa::Processor => &self.certificates.processor_ca,
        };
        x509::chain(&[der, &self.certificates.root])
    }

    fn pck_key(&self, ca: PckCa) -> &EcKey {
        match ca {
            PckCa::Platform => &self.platform_ca,
            PckCa::Processor => &self.processor_ca,
        }
    }

    /// Puts a signature of the TCB signer beside a JSON object: `{"FIELD":OBJECT,"signature":"HEX"}`.
    pub(super) fn sign_json(&self, field: &str, object: &str) -> Result<String, EmulatorError> {
        let signature = hex::encode(self.tcb_signing.sign_fixed(object.as_bytes())?);
        Ok(format!("{{\"{field}\":{object},\"signature\":\"{signature}\"}}"))
    }

    /// DER of the root's revocation list, which revokes nobody.
    pub(super) fn root_crl(&self, window: Window, number: u32) -> Result<Vec<u8>, EmulatorError> {
        revocations(&name(ROOT)?, window, number, Vec::new()).sign(&self.root)
    }

    /// DER of the revocation list of PCK certificates.
    pub(super) fn pck_crl(
        &self,
        ca: PckCa,
        serials: Vec<Vec<u8>>,
        window: Window,
        number: u32,
    ) -> Result<Vec<u8>, EmulatorError> {
        let revoked = serials.into_iter().map(|serial| Revoked { serial, since: window.from }).collect();
        revocations(&pck_ca_name(ca)?, window, number, revoked).sign(self.pck_key(ca))
    }
}

/// From when to when something published holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
}

fn revocations(issuer: &Name, window: Window, number: u32, revoked: Vec<Revoked>) -> Revocations<'_> {
    Revocations { issuer, this_update: window.from, next_update: window.until, number, revoked }
}

/// 20 bytes that follow from the key; positive, so the first bit is none.
fn serial_of(key: &EcKey) -> Vec<u8> {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.point());
    let mut serial = hash.as_ref()[..20].to_vec();
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}

fn pck_ca_name(ca: PckCa) -> Result<Name, EmulatorError> {
    name(match ca {
        PckCa::Platform => "Intel SGX PCK Platform CA",
        PckCa::Processor => "Intel SGX PCK Processor CA",
    })
}

fn name(common_name: &str) -> Result<Name, EmulatorError> {
    x509::name(&[
        ("2.5.4.3", common_name),
        ("2.5.4.10", ORGANIZATION),
        ("2.5.4.7", "Santa Clara"),
        ("2.5.4.8", "CA"),
        ("2.5.4.6", "US"),
    ])
}
