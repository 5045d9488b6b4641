//! `log`: what anybody may ask about the history of the deployment. Nothing here is secret, and nothing is taken on
//! trust: answers are proofs, or can be held against one.

use http::StatusCode;
use marblerun_api::rest::{Base64, v3};
use marblerun_core::{Deployment, RangeError};

use super::answer::{Refused, Success};
use super::routes::LogEndpoint;
use crate::failure::Failure;

/// Most entries in one answer.
const MOST_ENTRIES: u64 = 1000;
/// An answer ends after the entry with which it has this many bytes.
const MOST_BYTES: usize = 1 << 20;

/// Answers a question about the log.
pub(super) fn answer(
    deployment: &Deployment,
    endpoint: LogEndpoint,
    query: Option<&str>,
) -> Result<Success, Refused> {
    let asked = Asked { query: query.unwrap_or_default(), length: deployment.log.len() as u64 };
    match endpoint {
        LogEndpoint::Checkpoint => Success::new(v3::Checkpoint { checkpoint: checkpoint(deployment)? }),
        LogEndpoint::Key => key(deployment),
        LogEndpoint::Entries => entries(deployment, &asked),
        LogEndpoint::Inclusion => {
            let (index, size) = (asked.required("index")?, asked.or_length("size")?);
            proof(deployment.log.inclusion(index, size))
        }
        LogEndpoint::Consistency => {
            let (from, to) = (asked.required("from")?, asked.or_length("to")?);
            proof(deployment.log.consistency(from, to))
        }
    }
}

/// The log as it is, signed.
fn checkpoint(deployment: &Deployment) -> Result<String, Refused> {
    deployment.checkpoint().map_err(|error| Failure::Internal(error.to_string()).into())
}

fn key(deployment: &Deployment) -> Result<Success, Refused> {
    let signature = deployment.log_key_signature().map_err(|error| Failure::Internal(error.to_string()))?;
    Success::new(v3::LogKey { key: deployment.log_verifier().to_string(), signature: Base64(signature) })
}

fn entries(deployment: &Deployment, asked: &Asked<'_>) -> Result<Success, Refused> {
    let (from, to) = (asked.or("from", 0)?, asked.or_length("to")?);
    if to > asked.length {
        return Err(range(&RangeError::Size { size: to, length: asked.length }));
    }
    if from > to {
        return Err(range(&RangeError::Order { from, to }));
    }
    let mut bytes = 0;
    let lines = (from..to.min(from.saturating_add(MOST_ENTRIES))).filter_map(|i| deployment.log.line(i));
    let fitting = lines.take_while(|line| {
        let room = bytes < MOST_BYTES;
        bytes += line.len();
        room
    });
    Success::new(v3::Entries { from, entries: fitting.map(str::to_owned).collect() })
}

fn proof(made: Result<Vec<[u8; 32]>, RangeError>) -> Result<Success, Refused> {
    let hashes = made.map_err(|error| range(&error))?;
    Success::new(v3::Proof { proof: hashes.into_iter().map(|hash| Base64(hash.to_vec())).collect() })
}

fn range(error: &RangeError) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, &error.to_string())
}

/// What the query says.
struct Asked<'a> {
    query: &'a str,
    /// How many entries there are.
    length: u64,
}

impl Asked<'_> {
    fn required(&self, name: &str) -> Result<u64, Refused> {
        self.number(name)?.ok_or_else(|| {
            Refused::new(
                StatusCode::BAD_REQUEST,
                &format!("the parameter `{name}` is required: a number from 0"),
            )
        })
    }

    fn or_length(&self, name: &str) -> Result<u64, Refused> {
        self.or(name, self.length)
    }

    fn or(&self, name: &str, default: u64) -> Result<u64, Refused> {
        Ok(self.number(name)?.unwrap_or(default))
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Refused> {
        let mut found = form_urlencoded::parse(self.query.as_bytes()).filter(|(key, _)| key == name);
        let Some((_, value)) = found.next() else { return Ok(None) };
        match value.parse() {
            Ok(number) if found.next().is_none() => Ok(Some(number)),
            _ => Err(Refused::new(
                StatusCode::BAD_REQUEST,
                &format!("{name}: expected one number from 0, in decimal"),
            )),
        }
    }
}
