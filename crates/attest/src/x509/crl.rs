//! Certificate revocation lists (RFC 5280, section 5): read, and held against issuer and time.

use der::Decode;
use der::oid::AssociatedOid as _;
use x509_cert::crl::{CertificateList, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::CrlNumber;

use super::{Certificate, first_element, name_bytes};
use crate::collateral::PublicationNumber;
use crate::error::RevocationListFault as Fault;

/// A list that was signed by the issuer that it was held against, at a time inside its validity.
#[derive(Debug, Clone)]
pub(crate) struct RevocationList {
    issuer: Vec<u8>,
    number: Option<PublicationNumber>,
    /// The first and the last second since 1970 at which it counts.
    window: (u64, u64),
    revoked: Vec<Vec<u8>>,
}

impl RevocationList {
    /// Reads a list and checks that `issuer` signed it and that it is valid at `now` (seconds since 1970): from its
    /// thisUpdate on, and before its nextUpdate, which it must have.
    pub(crate) fn verified(der: &[u8], issuer: &Certificate, now: u64) -> Result<Self, Fault> {
        let unreadable = |error: der::Error| Fault::Unreadable(error.to_string());
        let list: CertificateList = CertificateList::from_der(der).map_err(unreadable)?;
        let signed = first_element(der).map_err(unreadable)?;
        check_issuer(&list, &signed, issuer)?;
        let list = Self::of(list)?;
        list.check_time(now)?;
        Ok(list)
    }

    /// Whether this list, which is its issuer's, names `certificate`.
    pub(crate) fn revokes(&self, certificate: &Certificate) -> bool {
        let issuer = name_bytes(certificate.parsed.tbs_certificate().issuer());
        self.issuer == issuer && self.revoked.iter().any(|serial| serial == certificate.serial())
    }

    /// The first and the last second since 1970 at which the list is valid. At its nextUpdate it is not any more, as
    /// webpki has it, which dcap-qvl asks: what is remembered must not count longer than what is verified anew.
    pub(crate) fn window(&self) -> (u64, u64) {
        self.window
    }

    /// Its number (RFC 5280, section 5.2.3), if it has one: later lists of an issuer have no lower one.
    pub(crate) fn number(&self) -> Option<&PublicationNumber> {
        self.number.as_ref()
    }

    fn of(list: CertificateList) -> Result<Self, Fault> {
        let tbs = list.tbs_cert_list;
        check_complete(&tbs)?;
        let number = number(tbs.crl_extensions.as_deref().unwrap_or_default())?;
        let revoked = tbs.revoked_certificates.unwrap_or_default();
        let this_update = tbs.this_update.to_unix_duration().as_secs();
        let next_update = tbs.next_update.ok_or(Fault::Endless)?.to_unix_duration().as_secs();
        Ok(Self {
            issuer: name_bytes(&tbs.issuer),
            window: (this_update, next_update.saturating_sub(1)),
            number,
            revoked: revoked.into_iter().map(|entry| entry.serial_number.as_bytes().to_vec()).collect(),
        })
    }

    fn check_time(&self, now: u64) -> Result<(), Fault> {
        match self.window {
            (from, _) if now < from => Err(Fault::NotYetValid),
            (_, until) if now > until => Err(Fault::Expired),
            _ => Ok(()),
        }
    }
}

fn number(extensions: &[Extension]) -> Result<Option<PublicationNumber>, Fault> {
    let Some(found) = extensions.iter().find(|one| one.extn_id == CrlNumber::OID) else { return Ok(None) };
    let number = CrlNumber::from_der(found.extn_value.as_bytes());
    let number = number.map_err(|error| Fault::Unreadable(error.to_string()))?;
    Ok(Some(PublicationNumber::new(number.0.as_bytes())))
}

fn check_issuer(list: &CertificateList, signed: &[u8], issuer: &Certificate) -> Result<(), Fault> {
    let tbs = &list.tbs_cert_list;
    let named = tbs.issuer == *issuer.parsed.tbs_certificate().subject();
    let algorithm = &list.signature_algorithm;
    let is_signed =
        tbs.signature == *algorithm && issuer.check_signature(algorithm.oid, signed, &list.signature).is_ok();
    (named && is_signed).then_some(()).ok_or(Fault::Issuer)
}

/// A critical extension says that the list speaks of some certificates only, or only of what changed (RFC 5280, section
/// 5.2): a certificate that is not on such a list may be revoked all the same.
fn check_complete(list: &TbsCertList) -> Result<(), Fault> {
    let of_list = list.crl_extensions.iter().flatten();
    let of_entries = list
        .revoked_certificates
        .iter()
        .flatten()
        .flat_map(|entry| entry.crl_entry_extensions.iter().flatten());
    match of_list.chain(of_entries).find(|extension| extension.critical) {
        None => Ok(()),
        Some(extension) => Err(Fault::Partial(extension.extn_id.to_string())),
    }
}
