//! Whether a report is genuine: the order of the checks.
//!
//! The certificates make an [`Endorsement`] of the signing key, which is remembered; the signature over the report and
//! what the certificate says about the report are checked each time.

use std::sync::Arc;

use super::collateral::AmdCollateral;
use super::report::Report;
use super::tcb::Product;
use super::vek::VekIdentity;
use crate::error::{AMD_CRL, Failure, Malformed, VEK_CHAIN};
use crate::memory::{Key, Memory};
use crate::roots::{Roots, Vendor};
use crate::x509::{Certificate, Chain, ChainFault, RevocationList};

const REPORT: &str = "SNP report";

/// AMD's word on a signing key.
#[derive(Debug, Clone)]
pub(crate) struct Endorsement {
    pub(crate) root: Certificate,
    pub(crate) key: VekIdentity,
    pub(crate) product: Product,
    pub(crate) window: (u64, u64),
    /// Whether a revocation list was there to be looked at.
    pub(crate) revocation_checked: bool,
    certificate: Certificate,
}

/// Checks that `report` is genuine, at `now` (seconds since 1970). `carried` is the certificate of the signing key, if
/// the evidence came with it.
pub(crate) fn check(
    report: &Report,
    carried: Option<&[u8]>,
    collateral: Option<&AmdCollateral>,
    roots: &Roots,
    now: u64,
    memory: &Memory,
) -> Result<Arc<Endorsement>, Failure> {
    let collateral = collateral.ok_or(Failure::MissingCollateral("the AMD certificate chain"))?;
    let vek = carried.unwrap_or(&collateral.vek);
    let key = key(vek, collateral);
    let remembered = memory.amd(&key).filter(|known| known.holds(roots, now));
    let endorsement = match remembered {
        Some(known) => known,
        None => Arc::new(endorse(vek, collateral, roots, now)?),
    };
    if !endorsement.certificate.has_signed(report.signed(), &report.signature()?) {
        return Err(Failure::ReportSignature(REPORT));
    }
    endorsement.key.check(&report.fields)?;
    memory.remember_amd(key, &endorsement);
    Ok(endorsement)
}

/// Everything that an endorsement depends on.
fn key(vek: &[u8], collateral: &AmdCollateral) -> Key {
    let [_, intermediate, root, crl] = collateral.parts();
    let has_list = [u8::from(collateral.crl.is_some())];
    Key::of("amd", &[vek, intermediate, root, crl, &has_list])
}

impl Endorsement {
    /// Whether it counts now, for whoever trusts these roots.
    fn holds(&self, roots: &Roots, now: u64) -> bool {
        (self.window.0..=self.window.1).contains(&now) && roots.of(Vendor::Amd).any(|root| *root == self.root)
    }
}

fn endorse(vek: &[u8], collateral: &AmdCollateral, roots: &Roots, now: u64) -> Result<Endorsement, Failure> {
    let chain = chain(vek, collateral, roots, now)?;
    let list = collateral.crl.as_deref().map(|crl| revocation_list(crl, &chain, now)).transpose()?;
    let key = VekIdentity::of(chain.leaf())?;
    let (from, to) = chain.window();
    let (list_from, list_to) = list.as_ref().map_or((0, u64::MAX), RevocationList::window);
    Ok(Endorsement {
        root: chain.root().clone(),
        product: key.product()?,
        key,
        window: (from.max(list_from), to.min(list_to)),
        revocation_checked: list.is_some(),
        certificate: chain.leaf().clone(),
    })
}

fn chain(vek: &[u8], collateral: &AmdCollateral, roots: &Roots, now: u64) -> Result<Chain, Failure> {
    let ders = [Some(vek), Some(&collateral.intermediate), collateral.root.as_deref()];
    let certificates: Result<Vec<_>, Malformed> =
        ders.into_iter().flatten().map(Certificate::from_der).collect();
    let certificates = certificates.map_err(|error| fault(error.to_string()))?;
    Chain::verified(certificates, roots.of(Vendor::Amd), now).map_err(|why| match why {
        ChainFault::UntrustedRoot { subject } => Failure::UntrustedRoot { chain: VEK_CHAIN, subject },
        other => fault(other.to_string()),
    })
}

pub(super) fn fault(why: String) -> Failure {
    Failure::Chain { chain: VEK_CHAIN, why }
}

/// AMD's lists are signed by the root and name intermediates; a signing key that leaked is answered by a higher TCB.
pub(super) fn revocation_list(crl: &[u8], chain: &Chain, now: u64) -> Result<RevocationList, Failure> {
    let list = RevocationList::verified(crl, chain.root(), now)
        .map_err(|why| Failure::RevocationList { list: AMD_CRL, why })?;
    match chain.all().find(|certificate| list.revokes(certificate)) {
        None => Ok(list),
        Some(revoked) => Err(Failure::Revoked {
            chain: VEK_CHAIN,
            subject: revoked.subject(),
            serial: hex::encode(revoked.serial()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_found_by_all_that_it_depends_on() {
        let all = AmdCollateral { vek: vec![9], intermediate: vec![1], root: Some(vec![2]), crl: None };
        let found = key(&[0], &all);
        assert_eq!(
            key(&[0], &AmdCollateral { vek: Vec::new(), ..all.clone() }),
            found,
            "that of the evidence"
        );
        let others = [
            key(&[1], &all),
            key(&[0], &AmdCollateral { intermediate: vec![2], ..all.clone() }),
            key(&[0], &AmdCollateral { root: None, ..all.clone() }),
            key(&[0], &AmdCollateral { crl: Some(Vec::new()), ..all.clone() }),
            key(&[0], &AmdCollateral { crl: Some(vec![3]), ..all }),
        ];
        assert!(others.iter().all(|other| *other != found));
    }
}
