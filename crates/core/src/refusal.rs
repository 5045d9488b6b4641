//! Why something is refused: who is at fault, what was seen, which rule.

use marblerun_attest::EvidenceError;
use marblerun_manifest::ManifestErrors;
use marblerun_manifest::template::TemplateError;

use crate::keys::KeyError;
use crate::pki::PkiError;
use crate::recovery::RecoveryError;
use crate::state::Phase;

/// A command or request that is not carried out. Says nothing secret; may be shown to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Marbles can only join when a manifest is in force.
    #[error("cannot accept marbles in state {}: {}", .0.code(), .0.message())]
    NotServing(Phase),
    /// A deployment has one manifest; it is changed by an update.
    #[error("a manifest is already set; change it with an update (`marblerun manifest update`)")]
    ManifestAlreadySet,
    /// Recovery secrets are taken in recovery mode only.
    #[error("the Coordinator is not in recovery mode: {}", .0.message())]
    NotInRecovery(Phase),
    /// A recovery secret is refused, or those that came do not open the stored state.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The state changed while the answer was made; trying again helps.
    #[error("the Coordinator's state changed meanwhile; try again")]
    Superseded,
    /// The manifest does not pass the checks.
    #[error(transparent)]
    Manifest(#[from] ManifestErrors),
    /// The manifest asks for something that this Coordinator does not offer.
    #[error("{path}: {reason}")]
    Unsupported {
        /// Place in the manifest.
        path: String,
        /// What is not offered, and what to do.
        reason: String,
    },
    /// No marble of that type.
    #[error("unknown marble type {0:?}: the manifest's `Marbles` section has no such entry")]
    UnknownMarble(String),
    /// The evidence does not count.
    #[error("attestation of marble type {marble_type:?} failed: {error}")]
    Evidence {
        /// The type that the marble claims.
        marble_type: String,
        /// What is wrong.
        error: EvidenceError,
    },
    /// The package wants evidence that was made for this very activation.
    #[error(
        "attestation of marble type {marble_type:?} failed: `Packages.{package}.RequireFreshEvidence` wants evidence that \
         covers a challenge of this Coordinator, and this covers none; start the marble with a library or premain that \
         asks for one (rpc.Marble/Challenge), or take RequireFreshEvidence out of the package"
    )]
    NotFresh {
        /// The type that the marble claims.
        marble_type: String,
        /// Its package.
        package: String,
    },
    /// More than a nonce.
    #[error("the nonce has {bytes} bytes; at most {limit} are taken")]
    Nonce {
        /// As sent.
        bytes: usize,
        /// How many are taken.
        limit: usize,
    },
    /// The challenge does not count, or not any more.
    #[error("the challenge {0}; ask for another one (rpc.Marble/Challenge) and make evidence for that")]
    Challenge(&'static str),
    /// What the vendor publishes about the platform cannot be had, so its evidence cannot be judged.
    #[error("the evidence cannot be judged: {0}")]
    Collateral(String),
    /// The UUID cannot be read.
    #[error("{0:?} is not a UUID; expected a text like 0d1e2f30-4152-4637-8a9b-acbdcedff001")]
    Uuid(String),
    /// The certificate signing request is at fault.
    #[error("{0}")]
    Request(PkiError),
    /// The package lists the DNS names of its marbles, and this is none of them.
    #[error(
        "marble type {marble_type:?} asks for the DNS name {name:?}, which `Packages.{package}.AllowedDNSNames` does not \
         list; add it there, or leave it out of EDG_MARBLE_DNS_NAMES"
    )]
    DnsName {
        /// The type.
        marble_type: String,
        /// Its package.
        package: String,
        /// The name, cut.
        name: String,
    },
    /// The type was activated as often as the manifest allows.
    #[error(
        "marble type {marble_type:?} reached its limit: `Marbles.{marble_type}.MaxActivations` is {limit}"
    )]
    LimitReached {
        /// The type.
        marble_type: String,
        /// The limit in the manifest.
        limit: u64,
    },
    /// A file, variable or argument cannot be rendered.
    #[error("{path}: {error}")]
    Parameter {
        /// Place in the manifest.
        path: String,
        /// What is wrong, and where in the template.
        error: TemplateError,
    },
    /// A value that the marble's parameters need is not there or does not fit.
    #[error("{path}: {reason}")]
    Value {
        /// Place in the manifest.
        path: String,
        /// What is missing, and who has to act.
        reason: String,
    },
    /// Ours to mend: a key or certificate could not be made.
    #[error("internal error: {0}")]
    Internal(String),
    /// A request about secrets names none.
    #[error("no secret is named, or an empty name is given")]
    NoSecretNamed,
    /// No secret of that name.
    #[error("unknown secret {0:?}: the manifest's `Secrets` section has no such entry")]
    UnknownSecret(String),
    /// The user's roles do not allow it.
    #[error(
        "user {user:?} may not {action} secret {secret:?}: none of the user's roles in the manifest says so"
    )]
    NotAllowed {
        /// Name of the user.
        user: String,
        /// `read` or `write`.
        action: &'static str,
        /// Name of the secret.
        secret: String,
    },
    /// The user's roles do not allow reading the audit.
    #[error("user {0:?} may not read the audit: none of the user's roles in the manifest has `ReadAudit`")]
    MayNotAudit(String),
    /// The user's roles do not allow updating the manifest.
    #[error(
        "user {user:?} may not update the manifest: none of the user's roles in the manifest has `UpdateManifest`"
    )]
    MayNotUpdate {
        /// Name of the user.
        user: String,
    },
    /// The user's roles do not allow raising the version of a package.
    #[error(
        "user {user:?} may not update package {package:?}: none of the user's roles in the manifest has \
         `UpdateSecurityVersion` on it"
    )]
    MayNotRaise {
        /// Name of the user.
        user: String,
        /// Name of the package.
        package: String,
    },
    /// No package of that name.
    #[error("unknown package {0:?}: the manifest's `Packages` section has no such entry")]
    UnknownPackage(String),
    /// The package has no version to raise.
    #[error(
        "Packages.{0} names its software by `UniqueID`, so it has no SecurityVersion to raise; send a whole manifest"
    )]
    NoSecurityVersion(String),
    /// Versions only go up.
    #[error(
        "Packages.{package}.SecurityVersion: {sent} is lower than {current}, which is in force; a whole manifest may \
         lower it"
    )]
    LowerVersion {
        /// Name of the package.
        package: String,
        /// As sent.
        sent: u64,
        /// In force.
        current: u64,
    },
    /// One update at a time.
    #[error(
        "an update is pending (manifest {0}): it has to be acknowledged (`marblerun manifest update acknowledge`) or \
         cancelled (`... cancel`) first"
    )]
    UpdatePending(String),
    /// Nothing to acknowledge, cancel or show.
    #[error("no update is pending")]
    NoUpdatePending,
    /// The bytes are not those of the pending update.
    #[error(
        "the manifest that was sent (SHA-256 {sent}) is not the pending one ({pending}); look at that with `marblerun \
         manifest update get`, and send the very same bytes"
    )]
    OtherUpdate {
        /// SHA-256 of what was sent, in hexadecimal.
        sent: String,
        /// SHA-256 of the pending manifest.
        pending: String,
    },
    /// The answer to this request cannot carry the recovery secrets that the update makes.
    #[error(
        "the update makes new recovery secrets, which answers of version 1 cannot carry: send it to /api/v2 (a newer \
         `marblerun`)"
    )]
    NeedsVersion2,
    /// An uploaded value does not fit the secret's definition.
    #[error("secret {secret:?}: {reason}; nothing was set")]
    Upload {
        /// Name of the secret.
        secret: String,
        /// The rule that is broken; nothing of the value.
        reason: String,
    },
    /// The name of a counter is too long.
    #[error("a counter's name has at most {limit} bytes, not {bytes}")]
    CounterName {
        /// As sent.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// There are as many counters as there can be.
    #[error("the deployment has {0} counters already; raise one of them instead of beginning a new one")]
    TooManyCounters(usize),
}

impl Refusal {
    /// [`Refusal::UnknownMarble`] with a name from the wire, cut to a length that a log can bear.
    pub(crate) fn unknown_marble(name: &str) -> Self {
        Self::UnknownMarble(cut(name))
    }

    /// [`Refusal::UnknownSecret`] with a name from the wire, cut likewise.
    pub(crate) fn unknown_secret(name: &str) -> Self {
        Self::UnknownSecret(cut(name))
    }

    /// [`Refusal::UnknownPackage`] with a name from the wire, cut likewise.
    pub(crate) fn unknown_package(name: &str) -> Self {
        Self::UnknownPackage(cut(name))
    }

    /// [`Refusal::Uuid`] with a text from the wire, cut likewise.
    pub(crate) fn uuid(text: &str) -> Self {
        Self::Uuid(cut(text))
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<PkiError> for Refusal {
    fn from(error: PkiError) -> Self {
        match error {
            PkiError::Request(_) => Self::Request(error),
            PkiError::Secret { name, cause } if matches!(*cause, PkiError::Template(_)) => {
                Self::Value { path: format!("Secrets.{name}.Cert"), reason: cause.to_string() }
            }
            other => Self::Internal(other.to_string()),
        }
    }
}

pub(crate) fn cut(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
