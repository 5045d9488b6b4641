//! What can be said of AMD's collateral before there is a report: whose key it is about, and for how long. A
//! verification checks all of this again, together with the report.

use std::collections::BTreeMap;

use super::check::{fault, revocation_list};
use super::collateral::AmdCollateral;
use super::report::SigningKey;
use super::tcb::{Product, SnpTcb};
use super::vek::{VekIdentity, is_chip};
use crate::bytes::Hex;
use crate::collateral::{Needs, Validity};
use crate::error::{AMD_CRL, Failure, Malformed, VEK_CHAIN};
use crate::roots::{Roots, Vendor};
use crate::x509::{Certificate, Chain, ChainFault};

/// Holds `collateral` against what `needs` asks for, at `now` (seconds since 1970).
pub(crate) fn validity(
    collateral: &AmdCollateral,
    needs: &Needs,
    roots: &Roots,
    now: u64,
) -> Result<Validity, Failure> {
    let Needs::Amd { product, chip_id, reported_tcb, signing_key, has_certificate } = needs else {
        return Err(Failure::MissingCollateral("Intel's collateral"));
    };
    let chain = chain(collateral, *has_certificate, roots, now)?;
    match has_certificate {
        true => check_line(chain.root(), *product)?,
        false => check_key(&VekIdentity::of(chain.leaf())?, *product, chip_id, reported_tcb, *signing_key)?,
    }
    let crl = collateral.crl.as_deref().ok_or(Failure::MissingCollateral("AMD's revocation list"))?;
    let list = revocation_list(crl, &chain, now)?;
    let ((from, until), window) = (chain.window(), list.window());
    Ok(Validity {
        from: from.max(window.0),
        until: until.min(window.1),
        issued: BTreeMap::from([(AMD_CRL, window.0)]),
        numbers: list.number().map(|number| (AMD_CRL, number.clone())).into_iter().collect(),
        roots: vec![chain.root().der().to_vec()],
    })
}

/// From the signing key's certificate, or else from whoever issues it, to a root.
fn chain(collateral: &AmdCollateral, issuers_only: bool, roots: &Roots, now: u64) -> Result<Chain, Failure> {
    let vek = (!issuers_only).then_some(&collateral.vek[..]);
    let ders = [vek, Some(&collateral.intermediate), collateral.root.as_deref()];
    let certificates: Result<Vec<_>, Malformed> =
        ders.into_iter().flatten().map(Certificate::from_der).collect();
    let certificates = certificates.map_err(|error| fault(error.to_string()))?;
    Chain::verified(certificates, roots.of(Vendor::Amd), now).map_err(|why| match why {
        ChainFault::UntrustedRoot { subject } => Failure::UntrustedRoot { chain: VEK_CHAIN, subject },
        other => fault(other.to_string()),
    })
}

/// Roots name their product line (`ARK-Genoa`); other lines' issuers are of no use.
fn check_line(root: &Certificate, wanted: Option<Product>) -> Result<(), Failure> {
    let Some(wanted) = wanted.map(|product| product.to_string()) else { return Ok(()) };
    if root.subject().contains(&wanted) {
        return Ok(());
    }
    Err(mismatch("product line", wanted, root.subject()))
}

fn check_key(
    key: &VekIdentity,
    product: Option<Product>,
    chip_id: &Hex<64>,
    reported_tcb: &SnpTcb,
    signing_key: SigningKey,
) -> Result<(), Failure> {
    let certified = key.product()?;
    if let Some(wanted) = product.filter(|wanted| *wanted != certified) {
        return Err(mismatch("product line", wanted.to_string(), certified.to_string()));
    }
    if key.tcb != *reported_tcb {
        return Err(mismatch("reported TCB", reported_tcb.to_string(), key.tcb.to_string()));
    }
    match (signing_key, &key.hwid) {
        (SigningKey::Vlek, None) => Ok(()),
        (SigningKey::Vcek, Some(hwid)) if is_chip(chip_id, hwid) => Ok(()),
        (_, hwid) => Err(mismatch("chip ID", chip_id.to_string(), hwid.clone().unwrap_or_default())),
    }
}

fn mismatch(field: &'static str, seen: String, certified: String) -> Failure {
    Failure::CertifiedField { field, seen, certified }
}
