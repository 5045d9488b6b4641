//! Activation: show the Coordinator what this marble is, receive its parameters.
//!
//! What may pass (no connection, a Coordinator that has no manifest yet or is in recovery) is tried again until a
//! deadline; what will not pass by itself (the manifest does not admit this marble) is reported at once. Where an
//! answer is lost on the way, the Coordinator may have counted the activation; the next attempt then counts again.
//!
//! Each attempt asks for a challenge first, so that evidence is known to be made for it; and, where the image says which
//! Coordinator is expected, for the Coordinator's evidence, which is verified before anything else is sent.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use marblerun_api::grpc::{ActivationReq, ChallengeReq, ChallengeResp};
use marblerun_attest::Binding;
use marblerun_tee::{Tee, TeeError};
use rustls_pki_types::CertificateDer;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};
use tracing::{info, warn};
use uuid::Uuid;

use crate::config::Config;
use crate::connection::{Client, Connection, connect};
use crate::coordinator::{Attested, CoordinatorError, Expected};
use crate::identity::{Identity, IdentityError};
use crate::parameters::Parameters;
use crate::retry::Patience;
use crate::uuid_file::{UuidFileError, load_or_create};

/// For one answer. Long, because the Coordinator may have to make several RSA keys for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// What the Coordinator's evidence has to cover to be fresh.
const NONCE_BYTES: usize = 32;

/// Of a message from the peer, which nobody authenticated, this many characters are repeated.
const MAX_MESSAGE: usize = 2000;

/// An admitted marble. Has no `Debug`, since parameters are secrets.
pub struct Activation {
    /// Who this marble is.
    pub uuid: Uuid,
    /// What it received.
    pub parameters: Parameters,
}

/// Activates this process as the marble that `config` describes, with evidence from `tee`. If `config` says which
/// Coordinator is expected, whatever it shows must be valid at `now`.
///
/// # Errors
/// Why the marble was not admitted, or could not ask; or why the Coordinator is not the expected one.
pub async fn activate(
    config: &Config,
    tee: &dyn Tee,
    patience: &Patience,
    now: SystemTime,
) -> Result<Activation, ActivationError> {
    let expected = config.coordinator_era.as_deref().map(|file| Expected::read(file, now)).transpose()?;
    let uuid = load_or_create(&config.uuid_file)?;
    let identity = Identity::generate(&config.names)?;
    let csr = identity.certificate_request()?;
    let applicant = Applicant { config, tee, uuid, identity, csr, expected };
    info!(marble_type = config.marble_type, %uuid, coordinator = %config.coordinator, "activating");
    let parameters = persist(&applicant, patience).await?;
    info!(%uuid, "activated");
    Ok(Activation { uuid, parameters })
}

/// [`activate`] for programs without an async runtime.
///
/// # Errors
/// As [`activate`]; and when called from async code, which must not block.
pub fn activate_blocking(
    config: &Config,
    tee: &dyn Tee,
    patience: &Patience,
    now: SystemTime,
) -> Result<Activation, ActivationError> {
    if tokio::runtime::Handle::try_current().is_ok() {
        return Err(ActivationError::Runtime("called from async code; use activate".into()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ActivationError::Runtime(error.to_string()))?;
    runtime.block_on(activate(config, tee, patience, now))
}

/// Tries until it works, is refused, or the deadline passes.
async fn persist(applicant: &Applicant<'_>, patience: &Patience) -> Result<Parameters, ActivationError> {
    let start = Instant::now();
    let mut attempt: u32 = 1;
    loop {
        let why = match applicant.ask().await {
            Ok(parameters) => return Ok(parameters),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Passing(why)) => why,
        };
        let wait = patience.wait(attempt, chance());
        if start.elapsed() + wait > patience.deadline {
            let coordinator = applicant.config.coordinator.to_string();
            return Err(ActivationError::Deadline { coordinator, attempts: attempt, last: why });
        }
        warn!(attempt, why, wait = ?wait, "not activated yet, trying again");
        sleep(wait).await;
        attempt = attempt.saturating_add(1);
    }
}

/// How one attempt failed.
enum Failure {
    /// Trying again may help.
    Passing(String),
    /// It will not.
    Final(ActivationError),
}

impl<E: Into<ActivationError>> From<E> for Failure {
    fn from(error: E) -> Self {
        match error.into() {
            ActivationError::Coordinator(error) if error.passes() => Self::Passing(error.to_string()),
            error => Self::Final(error),
        }
    }
}

/// A process that wants to be this marble.
struct Applicant<'a> {
    config: &'a Config,
    tee: &'a dyn Tee,
    uuid: Uuid,
    identity: Identity,
    /// PKCS#10, DER.
    csr: Vec<u8>,
    /// Who the Coordinator must be, if it may not be anybody.
    expected: Option<Expected>,
}

impl Applicant<'_> {
    /// One attempt, on a connection of its own.
    async fn ask(&self) -> Result<Parameters, Failure> {
        let Connection { mut client, shown } =
            connect(&self.config.coordinator, &self.identity).await.map_err(Failure::Passing)?;
        let nonce = self.nonce()?;
        let invitation = self.invitation(&mut client, &nonce).await?;
        let attested = self.attested(&nonce, &invitation, &shown)?;
        let request = self.request(invitation.challenge)?;
        let answer = self.answer(client.activate(request)).await?;
        let parameters = answer.parameters.ok_or(ActivationError::NoParameters)?.into();
        attested.map_or(Ok(()), |attested| attested.check(&parameters))?;
        Ok(parameters)
    }

    /// Empty if the Coordinator may be anybody: then it need not make evidence.
    fn nonce(&self) -> Result<Vec<u8>, CoordinatorError> {
        let mut nonce = vec![0; if self.expected.is_some() { NONCE_BYTES } else { 0 }];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| CoordinatorError::NoRandomness)?;
        Ok(nonce)
    }

    /// A Coordinator that knows of no challenge gives an empty one: evidence is then bound to the certificate alone.
    async fn invitation(&self, client: &mut Client, nonce: &[u8]) -> Result<ChallengeResp, Failure> {
        let asking = client.challenge(ChallengeReq { nonce: nonce.to_vec() });
        match self.answer(asking).await {
            Err(Failure::Final(ActivationError::Refused { code: Code::Unimplemented, .. })) => {
                match self.expected {
                    None => Ok(ChallengeResp::default()),
                    Some(_) => Err(CoordinatorError::TooOld.into()),
                }
            }
            answered => answered,
        }
    }

    fn attested(
        &self,
        nonce: &[u8],
        invitation: &ChallengeResp,
        shown: &CertificateDer<'static>,
    ) -> Result<Option<Attested>, CoordinatorError> {
        let Some(expected) = &self.expected else { return Ok(None) };
        let attested = expected.judge(nonce, invitation, shown)?;
        info!("the Coordinator is the expected one");
        Ok(Some(attested))
    }

    fn request(&self, challenge: Vec<u8>) -> Result<ActivationReq, ActivationError> {
        let certificate = self.identity.certificate();
        let binding = match &*challenge {
            [] => Binding::marble(certificate),
            challenge => Binding::fresh_marble(certificate, challenge),
        };
        Ok(ActivationReq {
            quote: self.tee.evidence(&binding.report_data())?.unwrap_or_default(),
            csr: self.csr.clone(),
            marble_type: self.config.marble_type.clone(),
            uuid: self.uuid.to_string(),
            challenge,
        })
    }

    async fn answer<T>(
        &self,
        asking: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let answered = timeout(ANSWER_TIMEOUT, asking).await.map_err(|_| {
            Failure::Passing(format!("no answer within {} seconds", ANSWER_TIMEOUT.as_secs()))
        })?;
        answered.map(tonic::Response::into_inner).map_err(|status| judge(&status, self.config))
    }
}

/// A status with a source was made here, from a broken connection; the others are the Coordinator's word.
fn judge(status: &Status, config: &Config) -> Failure {
    let broken = std::error::Error::source(status).is_some();
    let message = printable(status.message());
    match status.code() {
        code if broken => Failure::Passing(format!("the connection broke ({code:?}): {message}")),
        Code::FailedPrecondition => {
            Failure::Passing(format!("the Coordinator is not ready for marbles: {message}"))
        }
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Aborted => {
            Failure::Passing(format!("the Coordinator is busy ({:?}): {message}", status.code()))
        }
        code => Failure::Final(ActivationError::Refused {
            marble_type: config.marble_type.clone(),
            coordinator: config.coordinator.to_string(),
            code,
            message,
        }),
    }
}

/// Cut and escaped: it goes to terminals and logs.
fn printable(message: &str) -> String {
    let mut out = String::new();
    for c in message.chars().take(MAX_MESSAGE) {
        if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Without randomness the wait is simply the shortest.
fn chance() -> u8 {
    let mut byte = [0];
    let _ = aws_lc_rs::rand::fill(&mut byte);
    byte[0]
}

/// The marble was not activated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActivationError {
    /// The Coordinator said no.
    #[error("the Coordinator at {coordinator} refused marble type {marble_type:?} ({code:?}): {message}{}", hint(*code))]
    Refused {
        /// What this process claims to be.
        marble_type: String,
        /// Who refused it.
        coordinator: String,
        /// The gRPC code.
        code: Code,
        /// The Coordinator's words, control characters escaped.
        message: String,
    },
    /// Time is up.
    #[error(
        "not activated by the Coordinator at {coordinator} after {attempts} attempts; the last one: {last}"
    )]
    Deadline {
        /// Who was asked.
        coordinator: String,
        /// How often.
        attempts: u32,
        /// Why the last attempt failed.
        last: String,
    },
    /// The answer holds nothing.
    #[error("the Coordinator answered without parameters; what listens there speaks another protocol")]
    NoParameters,
    /// The UUID cannot be read or kept.
    #[error(transparent)]
    Uuid(#[from] UuidFileError),
    /// No key or certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The Coordinator is not known to be the expected one.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    /// No evidence.
    #[error("evidence for the Coordinator: {0}")]
    Tee(TeeError),
    /// No async runtime.
    #[error("starting the async runtime: {0}")]
    Runtime(String),
}

// Not as a source: its text stands in the message, and whoever prints the chain would print it twice.
impl From<TeeError> for ActivationError {
    fn from(error: TeeError) -> Self {
        Self::Tee(error)
    }
}

fn hint(code: Code) -> &'static str {
    match code {
        Code::PermissionDenied => {
            "; check the type's name, its package and MaxActivations in the manifest (marblerun manifest get)"
        }
        Code::InvalidArgument => "; check EDG_MARBLE_DNS_NAMES and the UUID file",
        Code::Unimplemented => "; check that the address is the Coordinator's mesh address (port 2001)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_message_cannot_write_to_the_terminal() {
        assert_eq!(printable("no\u{1b}[2Jgo\n"), "no\\u{1b}[2Jgo\\n");
        assert_eq!(printable(&"x".repeat(3 * MAX_MESSAGE)).len(), MAX_MESSAGE);
        assert_eq!(printable("größer"), "größer");
    }
}
