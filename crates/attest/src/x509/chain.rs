//! A chain from a leaf to a root that somebody named as trusted.

use super::{Certificate, LinkFault};

/// Certificates, the leaf first; each was issued by the next, the last one by a trusted root.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    certificates: Vec<Certificate>,
    root: Certificate,
}

/// Why a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChainFault {
    #[error("`{subject}` is no trusted root")]
    UntrustedRoot { subject: String },
    #[error("`{subject}`: {fault}")]
    Link { subject: String, fault: LinkFault },
    #[error("`{subject}` is valid from {from} to {to} (seconds since 1970), not at {now}")]
    Time { subject: String, from: u64, to: u64, now: u64 },
}

impl Chain {
    /// Follows `certificates`, the leaf first, to one of `roots`. A root at the end may be left out or be there.
    ///
    /// The root is looked at first: whose chain it is matters more than whether it is a good one.
    pub(crate) fn verified<'r>(
        mut certificates: Vec<Certificate>,
        roots: impl Iterator<Item = &'r Certificate>,
        now: u64,
    ) -> Result<Self, ChainFault> {
        let root = trusted_root(&certificates, roots)?.clone();
        if certificates.len() > 1 && certificates.last().is_some_and(|last| last.is_same_authority(&root)) {
            check_copy(certificates.pop(), &root)?;
        }
        let issuers = certificates.iter().skip(1).chain([&root]);
        for (below, (certificate, issuer)) in certificates.iter().zip(issuers).enumerate() {
            let fault = |fault| ChainFault::Link { subject: certificate.subject(), fault };
            certificate.check_issued_by(issuer).map_err(fault)?;
            issuer.check_depth(below).map_err(fault)?;
            check_time(certificate, now)?;
        }
        check_time(&root, now)?;
        Ok(Self { certificates, root })
    }

    /// The leaf first, the root last.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.iter().chain([&self.root])
    }

    pub(crate) fn root(&self) -> &Certificate {
        &self.root
    }

    /// The leaf: the certificate whose key signs evidence.
    pub(crate) fn leaf(&self) -> &Certificate {
        self.certificates.first().unwrap_or(&self.root)
    }

    /// Whoever issued the leaf.
    pub(crate) fn issuer_of_leaf(&self) -> &Certificate {
        self.certificates.get(1).unwrap_or(&self.root)
    }

    /// The seconds since 1970 at which all certificates are valid: the latest start, the earliest end.
    pub(crate) fn window(&self) -> (u64, u64) {
        let windows = self.all().map(Certificate::validity);
        windows.fold((0, u64::MAX), |(from, to), w| (from.max(*w.start()), to.min(*w.end())))
    }
}

/// The trusted root that the last certificate is, or that issued it. Where only the name fits, that root is taken, so
/// that the broken link is named; two roots may have one name.
fn trusted_root<'r>(
    certificates: &[Certificate],
    roots: impl Iterator<Item = &'r Certificate>,
) -> Result<&'r Certificate, ChainFault> {
    let unknown = |subject: String| ChainFault::UntrustedRoot { subject };
    let last = certificates.last().ok_or_else(|| unknown("(no certificate)".to_owned()))?;
    let named: Vec<_> = roots.filter(|root| last.names_as_issuer(root)).collect();
    let found = if last.is_self_issued() {
        named.into_iter().find(|root| root.is_same_authority(last))
    } else {
        let issued = named.iter().find(|root| last.check_issued_by(root).is_ok());
        issued.or(named.first()).copied()
    };
    found.ok_or_else(|| unknown(last.issuer()))
}

/// The copy of the root that a chain carries decides nothing; but one that is not the same must at least be signed, as
/// all of a chain must. Vendors reissue roots: Intel's first one even forbade the authorities that it issued.
fn check_copy(copy: Option<Certificate>, root: &Certificate) -> Result<(), ChainFault> {
    match copy.filter(|copy| copy != root) {
        None => Ok(()),
        Some(copy) => {
            copy.check_issued_by(root).map_err(|fault| ChainFault::Link { subject: copy.subject(), fault })
        }
    }
}

fn check_time(certificate: &Certificate, now: u64) -> Result<(), ChainFault> {
    let valid = certificate.validity();
    if valid.contains(&now) {
        return Ok(());
    }
    Err(ChainFault::Time { subject: certificate.subject(), from: *valid.start(), to: *valid.end(), now })
}
