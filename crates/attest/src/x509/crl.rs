//! Certificate revocation lists (RFC 5280, section 5): read, and held against issuer and time.

use der::Decode;
use x509_cert::crl::CertificateList;

use super::{Certificate, first_element, name_bytes};
use crate::error::RevocationListFault as Fault;

/// A list that was signed by the issuer that it was held against, at a time inside its validity.
#[derive(Debug, Clone)]
pub(crate) struct RevocationList {
    issuer: Vec<u8>,
    this_update: u64,
    next_update: u64,
    revoked: Vec<Vec<u8>>,
}

impl RevocationList {
    /// Reads a list and checks that `issuer` signed it and that it is valid at `now` (seconds since 1970): from its
    /// thisUpdate on, and until its nextUpdate, which it must have.
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

    /// The seconds since 1970 at which the list is valid: (thisUpdate, nextUpdate).
    pub(crate) fn window(&self) -> (u64, u64) {
        (self.this_update, self.next_update)
    }

    fn of(list: CertificateList) -> Result<Self, Fault> {
        let tbs = list.tbs_cert_list;
        let revoked = tbs.revoked_certificates.unwrap_or_default();
        Ok(Self {
            issuer: name_bytes(&tbs.issuer),
            this_update: tbs.this_update.to_unix_duration().as_secs(),
            next_update: tbs.next_update.ok_or(Fault::Endless)?.to_unix_duration().as_secs(),
            revoked: revoked.into_iter().map(|entry| entry.serial_number.as_bytes().to_vec()).collect(),
        })
    }

    fn check_time(&self, now: u64) -> Result<(), Fault> {
        match now {
            _ if now < self.this_update => Err(Fault::NotYetValid),
            _ if now > self.next_update => Err(Fault::Expired),
            _ => Ok(()),
        }
    }
}

fn check_issuer(list: &CertificateList, signed: &[u8], issuer: &Certificate) -> Result<(), Fault> {
    let tbs = &list.tbs_cert_list;
    let named = tbs.issuer == *issuer.parsed.tbs_certificate().subject();
    let algorithm = &list.signature_algorithm;
    let is_signed =
        tbs.signature == *algorithm && issuer.check_signature(algorithm.oid, signed, &list.signature).is_ok();
    (named && is_signed).then_some(()).ok_or(Fault::Issuer)
}
