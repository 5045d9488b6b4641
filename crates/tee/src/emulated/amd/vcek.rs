//! VCEKs: the key of one chip at one TCB, and its certificate (AMD 57230 section 3.1).

use der::asn1::Ia5StringRef;
use x509_cert::ext::Extension;

use super::{Authority, ask_name, name};
use crate::emulated::keys::{Curve, EcKey, Seed};
use crate::emulated::settings::{Product, SnpTcb};
use crate::emulated::x509::{Certificate, Signer as _, extension};
use crate::emulated::{EmulatorError, later};

/// AMD's arc for VCEK extensions.
const ARC: &str = "1.3.6.1.4.1.3704.1";

/// AMD's VCEKs last seven years.
const YEARS: u32 = 7;

/// All of AMD's VCEKs have this serial number.
const SERIAL: &[u8] = &[0];

/// A chip's key at one TCB.
pub(in crate::emulated) struct Vcek(pub(super) EcKey);

impl Vcek {
    /// The key of the chip that owns `seed`: another TCB has another key. Turin alone has an FMC.
    pub(in crate::emulated) fn derive(
        seed: &Seed,
        product: Product,
        tcb: SnpTcb,
    ) -> Result<Self, EmulatorError> {
        let fmc = if product == Product::Turin { tcb.fmc } else { 0 };
        let svns = [fmc, tcb.boot_loader, tcb.tee, tcb.snp, tcb.microcode];
        let at = seed.child("vcek", &svns)?;
        Ok(Self(EcKey::derive(&at, "vcek key", Curve::P384)?))
    }

    /// DER of its certificate, signed by the ASK of the chip's product line.
    pub(in crate::emulated) fn certify(
        &self,
        authority: &Authority,
        product: Product,
        tcb: SnpTcb,
        chip: &[u8; 64],
    ) -> Result<Vec<u8>, EmulatorError> {
        let certificate = Certificate {
            serial: SERIAL,
            issuer: &ask_name(product)?,
            subject: &name("SEV-VCEK")?,
            not_before: authority.created,
            not_after: later(authority.created, YEARS * 365)?,
            public: &self.0.public_info()?,
            extensions: extensions(product, tcb, chip)?,
        };
        certificate.sign(&authority.ask)
    }
}

/// CHIP_ID of the chip that owns `seed`; Turin's has 8 bytes and zeros.
pub(in crate::emulated) fn chip_id(seed: &Seed, product: Product) -> Result<[u8; 64], EmulatorError> {
    let mut id = [0; 64];
    seed.fill("chip id", b"", &mut id[..id_bytes(product)])?;
    Ok(id)
}

/// How many bytes of CHIP_ID are used: in certificates and in KDS addresses.
pub(in crate::emulated) fn id_bytes(product: Product) -> usize {
    if product == Product::Turin { 8 } else { 64 }
}

fn extensions(product: Product, tcb: SnpTcb, chip: &[u8; 64]) -> Result<Vec<Extension>, EmulatorError> {
    let turin = product == Product::Turin;
    let own = |arc: &str, value: u8| extension::own(&format!("{ARC}.{arc}"), &value);
    let stepping = match product {
        Product::Milan => "Milan-B0",
        Product::Genoa => "Genoa-B1",
        Product::Turin => "Turin",
    };
    let mut all =
        vec![own("1", u8::from(turin))?, extension::own(&format!("{ARC}.2"), &Ia5StringRef::new(stepping)?)?];
    if turin {
        all.push(own("3.9", tcb.fmc)?);
    }
    let levels = [
        (1, tcb.boot_loader),
        (2, tcb.tee),
        (3, tcb.snp),
        (4, 0),
        (5, 0),
        (6, 0),
        (7, 0),
        (8, tcb.microcode),
    ];
    for (arc, svn) in levels {
        all.push(own(&format!("3.{arc}"), svn)?);
    }
    // Raw bytes, no DER inside.
    all.push(extension::own_raw(&format!("{ARC}.4"), &chip[..id_bytes(product)])?);
    Ok(all)
}
