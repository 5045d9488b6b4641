//! Why a call failed, in words for the person at the command line.

/// Largest part of a Coordinator's message that is repeated to people, in characters.
const MAX_MESSAGE: usize = 16_384;

/// Why a call to a Coordinator failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address cannot be one.
    #[error("{address:?} is no address of a Coordinator: {reason}")]
    Address {
        /// As given.
        address: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// Trust or identity cannot be used.
    #[error("preparing the TLS connection: {0}")]
    Setup(String),
    /// No TCP connection.
    #[error("connecting to {address}: {reason}")]
    Unreachable {
        /// Where to.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The server did not prove to be the Coordinator that is trusted. Nothing was sent to it.
    #[error(
        "{address} did not prove to be the trusted Coordinator ({reason}); nothing was sent. If the Coordinator was set up anew, verify it again with `marblerun manifest verify`"
    )]
    Untrusted {
        /// Who was called.
        address: String,
        /// What is wrong with its certificate.
        reason: String,
    },
    /// The connection or the exchange broke. A request that changes something may or may not have been carried out.
    #[error("{request}: the connection broke: {reason}")]
    Interrupted {
        /// Method and URL.
        request: String,
        /// What broke.
        reason: String,
    },
    /// No answer in time. A request that changes something may or may not have been carried out.
    #[error("{request}: no answer within {seconds} seconds")]
    TimedOut {
        /// Method and URL.
        request: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The Coordinator wants to know who asks (401).
    #[error("{request}: not authorised: {message}")]
    Unauthorised {
        /// Method and URL.
        request: String,
        /// The Coordinator's words.
        message: String,
    },
    /// The Coordinator refused.
    #[error("{request}: {status}: {message}")]
    Refused {
        /// Method and URL.
        request: String,
        /// HTTP status.
        status: u16,
        /// The Coordinator's words.
        message: String,
    },
    /// The answer is not one of this API.
    #[error("{request}: {status}: this is not the answer of a Coordinator: {reason}")]
    Malformed {
        /// Method and URL.
        request: String,
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// Whether a request that changes something may have been carried out all the same.
    #[must_use]
    pub fn leaves_open(&self) -> bool {
        matches!(self, Self::Interrupted { .. } | Self::TimedOut { .. })
    }
}

/// A server's text made fit for a terminal: no control characters but line breaks (an answer must not be able to
/// move the cursor or hide what stood before), and not endless.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().take(MAX_MESSAGE).map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc\r"), "a\u{fffd}[2Jb\nc\u{fffd}");
        assert_eq!(printable(&"x".repeat(MAX_MESSAGE + 5)).len(), MAX_MESSAGE);
    }
}
