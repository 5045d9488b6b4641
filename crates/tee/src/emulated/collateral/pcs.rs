//! Intel's Provisioning Certification Service, version 4, as a PCCS answers: TCB information, identities of quoting
//! enclaves, revocation lists.

use super::{Answer, Asked, DER, JSON, PEM};
use crate::emulated::intel::{QeKind, TcbInfo, pck_serials, qe_identity};
use crate::emulated::settings::PckCa;
use crate::emulated::vendor::Vendor;
use crate::emulated::{EmulatorError, x509};

pub(super) fn answer(asked: &Asked<'_>, tdx: bool, rest: &[&str]) -> Result<Answer, EmulatorError> {
    match rest {
        ["tcb"] => tcb_info(asked, tdx),
        ["qe", "identity"] => identity(asked, if tdx { QeKind::Tdx } else { QeKind::Sgx }),
        ["pckcrl"] if !tdx => pck_crl(asked),
        ["rootcacrl"] if !tdx => root_crl(asked),
        _ => Ok(Answer::missing("this path is no part of the emulated PCS")),
    }
}

fn tcb_info(asked: &Asked<'_>, tdx: bool) -> Result<Answer, EmulatorError> {
    let Some(fmspc) = asked.query.get("fmspc").and_then(|hex| fmspc(hex)) else {
        return Ok(Answer::bad("fmspc: 12 hexadecimal digits are wanted"));
    };
    if !asked.settings.platforms.values().any(|platform| platform.fmspc == fmspc) {
        return Ok(Answer::missing("no platform of this FMSPC was made"));
    }
    if let Some(other) = other_evaluation(asked) {
        return Ok(other);
    }
    let (published, authority) = (&asked.settings.published, &asked.vendor.intel);
    let info = TcbInfo { tdx, fmspc, published, window: Vendor::window(published, asked.now)? };
    let signed = Answer::ok(JSON, info.sign(authority)?);
    Ok(signed.signed_by("TCB-Info-Issuer-Chain", &authority.tcb_chain()?))
}

fn identity(asked: &Asked<'_>, kind: QeKind) -> Result<Answer, EmulatorError> {
    if let Some(other) = other_evaluation(asked) {
        return Ok(other);
    }
    let (published, authority) = (&asked.settings.published, &asked.vendor.intel);
    let window = Vendor::window(published, asked.now)?;
    let signed = Answer::ok(JSON, qe_identity(kind, published, window, authority)?);
    Ok(signed.signed_by("SGX-Enclave-Identity-Issuer-Chain", &authority.tcb_chain()?))
}

fn pck_crl(asked: &Asked<'_>) -> Result<Answer, EmulatorError> {
    let ca = match asked.query.get("ca") {
        Some(&"platform") => PckCa::Platform,
        Some(&"processor") => PckCa::Processor,
        _ => return Ok(Answer::bad("ca: processor or platform is wanted")),
    };
    let published = &asked.settings.published;
    let window = Vendor::window(published, asked.now)?;
    let serials = revoked_serials(asked, ca)?;
    let der = asked.vendor.intel.pck_crl(ca, serials, window, published.tcb_evaluation)?;
    let list = match asked.query.get("encoding") {
        Some(&"der") => Answer::ok(DER, der),
        _ => Answer::ok(PEM, x509::pem("X509 CRL", &der)?),
    };
    Ok(list.signed_by("SGX-PCK-CRL-Issuer-Chain", &asked.vendor.intel.pck_chain(ca)?))
}

/// The root's list: hexadecimal digits of its DER, as a PCCS has it.
fn root_crl(asked: &Asked<'_>) -> Result<Answer, EmulatorError> {
    let published = &asked.settings.published;
    let window = Vendor::window(published, asked.now)?;
    let der = asked.vendor.intel.root_crl(window, published.tcb_evaluation)?;
    Ok(match asked.query.get("encoding") {
        Some(&"der") => Answer::ok(DER, der),
        _ => Answer::ok(PEM, hex::encode(der)),
    })
}

fn revoked_serials(asked: &Asked<'_>, ca: PckCa) -> Result<Vec<Vec<u8>>, EmulatorError> {
    let published = &asked.settings.published;
    let mut serials = Vec::new();
    for name in &published.revoked_platforms {
        let platform = asked.settings.platform(name)?;
        if platform.pck_ca == ca {
            serials.extend(pck_serials(&asked.vendor.seed_of(name)?, platform, published.generation)?);
        }
    }
    Ok(serials)
}

/// Only one evaluation of TCBs is kept; who names another does not get this one instead.
fn other_evaluation(asked: &Asked<'_>) -> Option<Answer> {
    let wanted = asked.query.get("tcbEvaluationDataNumber")?;
    let same = wanted.parse() == Ok(asked.settings.published.tcb_evaluation);
    (!same).then(|| Answer::missing("only the present TCB evaluation is kept"))
}

fn fmspc(text: &str) -> Option<[u8; 6]> {
    let mut fmspc = [0; 6];
    hex::decode_to_slice(text, &mut fmspc).ok().map(|()| fmspc)
}
