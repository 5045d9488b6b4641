//! Why there is no collateral.

use marblerun_attest::{Failure, PublicationNumber};

/// Why there is no collateral: nobody can have it, the service did not give it, or what it gave does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollateralError {
    /// An address that cannot be meant.
    #[error("`{address}` is no address of a collateral service: {reason}")]
    Address {
        /// As it was written.
        address: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A configuration file that cannot be read.
    #[error("{file}: {reason}; correct it, or name the service by a flag")]
    Configuration {
        /// Which file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// No service gives it to anybody.
    #[error("no service gives the collateral for this evidence: {0}")]
    Unobtainable(&'static str),
    /// The service cannot be reached, or the connection broke.
    #[error(
        "{url}: {reason}; check the address of the collateral service and the way to it, or import a bundle"
    )]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The service shows a certificate that nobody vouches for, or that is another's.
    #[error(
        "{url}: the certificate of the service is not taken: {reason}; ask a service by its right name, or name its authority's certificate (EDG_COLLATERAL_CA, --collateral-ca) or its own; of a PCCS that /etc/sgx_default_qcnl.conf names, \"use_secure_cert\": false takes any"
    )]
    Certificate {
        /// What was asked for.
        url: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// What was named as the authority of services.
    #[error(
        "what EDG_COLLATERAL_CA or --collateral-ca names holds no certificates (PEM) of authorities: {0}; write the certificate that the service's was issued by, or the service's own"
    )]
    Authority(String),
    /// The service answered with something else than what was asked for.
    #[error("{url}: the service answered {status}: {reason}")]
    Answer {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// What is wrong.
        reason: String,
    },
    /// What was given does not count.
    #[error("the collateral for {key} does not count: {failure}")]
    Refused {
        /// For which platform.
        key: String,
        /// What attestation says.
        failure: Failure,
    },
    /// Older than what was seen before, though not expired yet.
    #[error(
        "the {part} for {key} was signed at {offered} (seconds since 1970), and one of {seen} was already seen; a service or a bundle plays back an old one"
    )]
    Older {
        /// For which platform.
        key: String,
        /// Which part.
        part: String,
        /// When it was signed.
        offered: u64,
        /// The newest time that was seen.
        seen: u64,
    },
    /// With a lower number than one that was seen before, though it has not ended yet.
    #[error(
        "the {part} for {key} has the number {offered}, and {seen} was already seen; a service or a bundle plays back an old one"
    )]
    Rewound {
        /// For which platform.
        key: String,
        /// Which part.
        part: String,
        /// Its number.
        offered: PublicationNumber,
        /// The highest number that was seen.
        seen: PublicationNumber,
    },
    /// The clock is before something that a vendor signed already.
    #[error(
        "the clock says {now} (seconds since 1970), but a vendor signed something at {seen}; set the clock"
    )]
    Clock {
        /// What the clock says.
        now: u64,
        /// The newest signed time.
        seen: u64,
    },
    /// Too much is being fetched already.
    #[error("too many platforms that are not known yet ask at once; try again later")]
    Busy,
    /// The folder of the cache.
    #[error("{path}: {reason}")]
    Folder {
        /// Which file or folder.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// Bytes that are no bundle.
    #[error("this is no bundle of collateral: {0}; `marblerun collateral export FILE` makes one")]
    Bundle(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}
