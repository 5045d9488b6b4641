//! What the client asks that version 3 alone knows: about the log, the audit, the Coordinator's platform. Nothing here is
//! verified.

use serde_json::{Map, Value};

use super::{Client, ClientError, Request};
use crate::rest::v3;

impl Client {
    /// What vendors publish about the Coordinator's platform, as the Coordinator has it: to be verified like anything that
    /// comes from a stranger. `None` if it has none, or does not know version 3.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn stapled_collateral(&self) -> Result<Option<Map<String, Value>>, ClientError> {
        let quote: Option<v3::Quote> = self.get("/api/v3/quote").await?;
        Ok(quote.and_then(|quote| quote.collateral))
    }

    /// The log as it is: a signed note.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn log_checkpoint(&self) -> Result<String, ClientError> {
        let answer: v3::Checkpoint = self.send(Request::get("/api/v3/log/checkpoint")).await?.data()?;
        Ok(answer.checkpoint)
    }

    /// The key that signs checkpoints, and the root key's signature over it.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn log_key(&self) -> Result<v3::LogKey, ClientError> {
        self.send(Request::get("/api/v3/log/key")).await?.data()
    }

    /// Entries from `from` to before `to`, or the first of them.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn log_entries(&self, from: u64, to: u64) -> Result<v3::Entries, ClientError> {
        self.send(Request::get(&format!("/api/v3/log/entries?from={from}&to={to}"))).await?.data()
    }

    /// Proof that the tree of `to` entries begins with that of `from`.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn log_consistency(&self, from: u64, to: u64) -> Result<v3::Proof, ClientError> {
        self.send(Request::get(&format!("/api/v3/log/consistency?from={from}&to={to}"))).await?.data()
    }

    /// Proof that the entry at `index` is in the tree of `size` entries.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn log_inclusion(&self, index: u64, size: u64) -> Result<v3::Proof, ClientError> {
        self.send(Request::get(&format!("/api/v3/log/inclusion?index={index}&size={size}"))).await?.data()
    }

    /// Who used which secret, and which marbles came; the identity must be a user with `ReadAudit`.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn audit(&self) -> Result<v3::Audit, ClientError> {
        self.send(Request::get("/api/v3/audit")).await?.data()
    }
}
