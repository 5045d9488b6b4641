//! AMD's Key Distribution Service: VCEKs, the chain behind them, revocation lists (AMD 57230 section 4).

use super::{Answer, Asked, DER, PEM};
use crate::emulated::EmulatorError;
use crate::emulated::amd::{Vcek, chip_id, id_bytes};
use crate::emulated::keys::Seed;
use crate::emulated::settings::{Product, SnpTcb};
use crate::emulated::vendor::Vendor;

/// The certificates and revocation lists have their own types at AMD; the former has this one.
const CERTIFICATE: &str = "application/pkix-cert";

pub(super) fn answer(asked: &Asked<'_>, product: &str, rest: &[&str]) -> Result<Answer, EmulatorError> {
    let Some(product) = Product::ALL.into_iter().find(|known| known.name() == product) else {
        return Ok(Answer::missing("there is no such product line; Milan, Genoa or Turin"));
    };
    match rest {
        ["cert_chain"] => Ok(Answer::ok(PEM, asked.vendor.amd.chain(product)?)),
        ["crl"] => crl(asked, product),
        [chip] => vcek(asked, product, chip),
        _ => Ok(Answer::missing("this path is no part of the emulated KDS")),
    }
}

fn crl(asked: &Asked<'_>, product: Product) -> Result<Answer, EmulatorError> {
    let published = &asked.settings.published;
    let window = Vendor::window(published, asked.now)?;
    let (number, revoked) = (published.tcb_evaluation, published.revoked_ask);
    Ok(Answer::ok(DER, asked.vendor.amd.crl(product, window, number, revoked)?))
}

fn vcek(asked: &Asked<'_>, product: Product, chip: &str) -> Result<Answer, EmulatorError> {
    let Some((seed, id)) = chip_of(asked, product, chip)? else {
        return Ok(Answer::missing("no such chip of this product line was made"));
    };
    let Some(tcb) = tcb(asked, product) else {
        return Ok(Answer::bad("blSPL, teeSPL, snpSPL and ucodeSPL (and fmcSPL for Turin) are wanted"));
    };
    let key = Vcek::derive(&seed, product, tcb)?;
    Ok(Answer::ok(CERTIFICATE, key.certify(&asked.vendor.amd, product, tcb, &id)?))
}

/// The chip of this identity, among the platforms.
fn chip_of(
    asked: &Asked<'_>,
    product: Product,
    chip: &str,
) -> Result<Option<(Seed, [u8; 64])>, EmulatorError> {
    for (name, settings) in &asked.settings.platforms {
        let seed = asked.vendor.seed_of(name)?;
        let id = chip_id(&seed, product)?;
        let same = hex::encode(&id[..id_bytes(product)]).eq_ignore_ascii_case(chip);
        if settings.product == product && same {
            return Ok(Some((seed, id)));
        }
    }
    Ok(None)
}

fn tcb(asked: &Asked<'_>, product: Product) -> Option<SnpTcb> {
    let svn = |name| asked.query.get(name)?.parse().ok();
    let fmc = if product == Product::Turin { svn("fmcSPL")? } else { 0 };
    let (boot_loader, tee, snp) = (svn("blSPL")?, svn("teeSPL")?, svn("snpSPL")?);
    Some(SnpTcb { fmc, boot_loader, tee, snp, microcode: svn("ucodeSPL")? })
}
