//! PCK certificates: which platform signs, at which TCB (Intel SGX PCK certificate and CRL profile specification).

use der::Sequence;
use der::asn1::{Any, ObjectIdentifier, OctetStringRef};
use x509_cert::ext::Extension;

use super::{Authority, EcKey, YEARS, name, pck_ca_name, serial_of, tcb};
use crate::emulated::keys::{Curve, Seed};
use crate::emulated::settings::{PckCa, PlatformSettings, TcbStatus};
use crate::emulated::x509::{Certificate, Signer as _, extension};
use crate::emulated::{EmulatorError, later};

/// id-ce-sGXExtensions.
const SGX_EXTENSIONS: &str = "1.2.840.113741.1.13.1";

/// A platform's certified key at one TCB.
pub(in crate::emulated) struct Pck {
    pub(super) key: EcKey,
}

impl Pck {
    /// The key of the platform that owns `seed`, at its present TCB: another TCB has another key, so that who broke
    /// an old TCB has not the key of a newer one.
    pub(in crate::emulated) fn derive(
        seed: &Seed,
        settings: &PlatformSettings,
    ) -> Result<Self, EmulatorError> {
        let at = seed.child("pck", &tcb::cpu_svn(settings))?;
        Ok(Self { key: EcKey::derive(&at, "pck key", Curve::P256)? })
    }

    /// Its serial number, big-endian.
    pub(in crate::emulated) fn serial(&self) -> Vec<u8> {
        serial_of(&self.key)
    }

    /// DER of its certificate.
    pub(in crate::emulated) fn certify(
        &self,
        authority: &Authority,
        seed: &Seed,
        settings: &PlatformSettings,
    ) -> Result<Vec<u8>, EmulatorError> {
        let (public, issuer) = (self.key.public_info()?, authority.pck_key(settings.pck_ca));
        let certificate = Certificate {
            serial: &self.serial(),
            issuer: &pck_ca_name(settings.pck_ca)?,
            subject: &name("Intel SGX PCK Certificate")?,
            not_before: authority.created,
            not_after: later(authority.created, YEARS * 365)?,
            public: &public,
            extensions: vec![
                extension::authority_key(&issuer.public_info()?)?,
                extension::subject_key(&public)?,
                extension::usage_of_leaf()?,
                extension::end_entity()?,
                sgx_extensions(seed, settings)?,
            ],
        };
        certificate.sign(issuer)
    }
}

/// Serial numbers of all certificates that a platform can have had by now: those that a revocation has to list.
pub(in crate::emulated) fn serials(
    seed: &Seed,
    settings: &PlatformSettings,
    generation: u8,
) -> Result<Vec<Vec<u8>>, EmulatorError> {
    let newest = generation.max(settings.generation);
    let states = (0..=newest).flat_map(|generation| TcbStatus::ALL.map(|tcb| (generation, tcb)));
    let at = |(generation, tcb)| {
        let then = PlatformSettings { generation, tcb, ..settings.clone() };
        Ok(Pck::derive(seed, &then)?.serial())
    };
    states.map(at).collect()
}

/// PPID: which processor it is.
pub(in crate::emulated) fn ppid(seed: &Seed) -> Result<[u8; 16], EmulatorError> {
    let mut ppid = [0; 16];
    seed.fill("ppid", b"", &mut ppid)?;
    Ok(ppid)
}

/// A name and its value, the form of everything inside the extension.
#[derive(Sequence)]
struct Entry {
    oid: ObjectIdentifier,
    value: Any,
}

fn sgx_extensions(seed: &Seed, settings: &PlatformSettings) -> Result<Extension, EmulatorError> {
    let mut entries = vec![
        octets(&[1], &ppid(seed)?)?,
        Entry { oid: oid(&[2])?, value: Any::encode_from(&tcb_entries(settings)?)? },
        octets(&[3], &[0, 0])?,
        octets(&[4], &settings.fmspc)?,
        // SGXType: 0 is Standard, 1 is Scalable.
        Entry { oid: oid(&[5])?, value: Any::new(der::Tag::Enumerated, [u8::from(is_platform(settings))])? },
    ];
    if is_platform(settings) {
        let mut instance = [0; 16];
        seed.fill("platform instance", b"", &mut instance)?;
        entries.push(octets(&[6], &instance)?);
        entries.push(Entry { oid: oid(&[7])?, value: Any::encode_from(&configuration()?)? });
    }
    extension::own(SGX_EXTENSIONS, &entries)
}

fn is_platform(settings: &PlatformSettings) -> bool {
    settings.pck_ca == PckCa::Platform
}

/// The 16 components, PCESVN, and CPUSVN.
fn tcb_entries(settings: &PlatformSettings) -> Result<Vec<Entry>, EmulatorError> {
    let cpu_svn = tcb::cpu_svn(settings);
    let component = |(at, svn): (u8, &u8)| {
        Ok::<_, EmulatorError>(Entry { oid: oid(&[2, at])?, value: Any::encode_from(svn)? })
    };
    let mut entries = (1..).zip(&cpu_svn).map(component).collect::<Result<Vec<_>, _>>()?;
    entries.push(Entry { oid: oid(&[2, 17])?, value: Any::encode_from(&tcb::PCE_SVN)? });
    entries.push(octets(&[2, 18], &cpu_svn)?);
    Ok(entries)
}

/// Not dynamic, keys cached, no hyper-threading.
fn configuration() -> Result<Vec<Entry>, EmulatorError> {
    let flag = |at, value: bool| {
        Ok::<_, EmulatorError>(Entry { oid: oid(&[7, at])?, value: Any::encode_from(&value)? })
    };
    Ok(vec![flag(1, false)?, flag(2, true)?, flag(3, false)?])
}

fn octets(arcs: &[u8], value: &[u8]) -> Result<Entry, EmulatorError> {
    Ok(Entry { oid: oid(arcs)?, value: Any::encode_from(&OctetStringRef::new(value)?)? })
}

/// An identifier below that of the extension.
fn oid(arcs: &[u8]) -> Result<ObjectIdentifier, EmulatorError> {
    let tail: String = arcs.iter().map(|arc| format!(".{arc}")).collect();
    ObjectIdentifier::new(&format!("{SGX_EXTENSIONS}{tail}"))
        .map_err(|why| EmulatorError::Encoding(why.to_string()))
}
