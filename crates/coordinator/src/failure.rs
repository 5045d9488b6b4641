//! Every way in which a request fails, and what it is on each wire. Two messages per failure: one for the caller, one
//! for the log.

use http::StatusCode;
use marblerun_core::Refusal;
use marblerun_core::recovery::RecoveryError;
use tonic::Code;

use crate::writer::CommitError;

/// Why a request is not carried out.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The decision was no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The marble showed no client certificate.
    #[error(
        "no client certificate: a marble connects with a self-signed certificate to which its evidence is bound"
    )]
    NoCertificate,
    /// The state could not be made durable. The log has the details.
    #[error("{0}")]
    Storage(String),
    /// Too much to do.
    #[error("{0}")]
    Busy(String),
    /// Ours to mend. The log has the details.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Failure {
    /// Work that was to be done panicked or was cancelled.
    pub fn panicked() -> Self {
        Self::Internal("the work was cancelled".into())
    }

    /// What the caller is told.
    pub fn message(&self) -> String {
        match self {
            Self::Storage(_) => {
                "the change could not be stored and nothing changed; the Coordinator's log says why".into()
            }
            Self::Internal(_) => "internal error; the Coordinator's log says more".into(),
            other => other.to_string(),
        }
    }

    /// On the client API.
    pub fn http(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => match refusal {
                Refusal::NotServing(_)
                | Refusal::ManifestAlreadySet
                | Refusal::NotInRecovery(_)
                | Refusal::TooManyCounters(_)
                | Refusal::UpdatePending(_)
                | Refusal::OtherUpdate { .. }
                | Refusal::NeedsVersion2
                | Refusal::Superseded => StatusCode::CONFLICT,
                Refusal::Recovery(error) => recovery(error),
                Refusal::UnknownSecret(_) | Refusal::UnknownPackage(_) | Refusal::NoUpdatePending => {
                    StatusCode::NOT_FOUND
                }
                Refusal::MayNotAudit(_)
                | Refusal::NotAllowed { .. }
                | Refusal::MayNotUpdate { .. }
                | Refusal::MayNotRaise { .. } => StatusCode::FORBIDDEN,
                Refusal::Collateral(_) => StatusCode::SERVICE_UNAVAILABLE,
                Refusal::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_REQUEST,
            },
            Self::NoCertificate => StatusCode::UNAUTHORIZED,
            Self::Storage(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// On the marble API.
    pub fn grpc(&self) -> Code {
        match self {
            Self::Refused(refusal) => match refusal {
                Refusal::NotServing(_) => Code::FailedPrecondition,
                Refusal::UnknownMarble(_)
                | Refusal::Evidence { .. }
                | Refusal::NotFresh { .. }
                | Refusal::LimitReached { .. }
                | Refusal::DnsName { .. } => Code::PermissionDenied,
                Refusal::Uuid(_) | Refusal::Request(_) | Refusal::Nonce { .. } => Code::InvalidArgument,
                // Both pass: a new attempt reads the new state, or begins with a new challenge.
                Refusal::Superseded | Refusal::Challenge(_) => Code::Aborted,
                Refusal::Collateral(_) => Code::Unavailable,
                // Somebody has to act first, by uploading a secret for instance; trying again later is right.
                Refusal::Value { .. } | Refusal::Parameter { .. } => Code::FailedPrecondition,
                _ => Code::Internal,
            },
            Self::NoCertificate => Code::Unauthenticated,
            Self::Storage(_) | Self::Internal(_) => Code::Internal,
            Self::Busy(_) => Code::Unavailable,
        }
    }

    /// The code's name as metrics spell it.
    pub fn grpc_name(&self) -> &'static str {
        match self.grpc() {
            Code::FailedPrecondition => "FailedPrecondition",
            Code::PermissionDenied => "PermissionDenied",
            Code::InvalidArgument => "InvalidArgument",
            Code::Unauthenticated => "Unauthenticated",
            Code::Aborted => "Aborted",
            Code::Unavailable => "Unavailable",
            _ => "Internal",
        }
    }
}

/// What does not depend on the secret that was sent is a conflict with the stored state.
fn recovery(error: &RecoveryError) -> StatusCode {
    match error {
        RecoveryError::NoHolders
        | RecoveryError::Repeated { .. }
        | RecoveryError::Unfit(_)
        | RecoveryError::Damaged
        | RecoveryError::Holders(_) => StatusCode::CONFLICT,
        _ => StatusCode::BAD_REQUEST,
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(refusal) => Self::Refused(refusal),
            CommitError::NotDurable(_) => Self::Storage(error.to_string()),
            CommitError::Busy | CommitError::Closed => Self::Busy(error.to_string()),
        }
    }
}
