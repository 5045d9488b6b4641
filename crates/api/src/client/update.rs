//! Updates of a manifest: send, look, acknowledge, cancel.
//!
//! Version 1 says less: nothing about what an update led to, and a text instead of numbers. What it leaves out is asked
//! for, or read from that text, so that a caller sees one form.

use super::exchange::{Answer, Request};
use super::{Client, ClientError};
use crate::rest::{Base64, Cancelled, PendingUpdate, UpdateOutcome, v2};

/// What a Coordinator says after it took an update or an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateTaken {
    /// What it led to.
    pub outcome: UpdateOutcome,
    /// What the Coordinator wants the user to know (unknown keys and the like).
    pub remark: Option<String>,
}

impl Client {
    /// Sends an update of packages, or a whole new manifest, as a user; the bytes are sent as they are.
    ///
    /// # Errors
    /// As [`ClientError`] says. After [`ClientError::Interrupted`] the update may have been taken. A Coordinator that
    /// speaks only version 1 is asked afterwards whether the update waits; if that fails, it was taken all the same.
    pub async fn update(&self, raw: &[u8]) -> Result<UpdateTaken, ClientError> {
        match self.post_manifest("/update", raw).await? {
            Sent::V2(answer) => taken(answer),
            Sent::V1(answer) => {
                let (_, remark) = answer.success::<serde_json::Value>()?;
                let outcome = self.pending_update().await?.map(waiting).unwrap_or_default();
                Ok(UpdateTaken { outcome, remark })
            }
        }
    }

    /// The manifest that waits for acknowledgements; `None` if there is none.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn pending_update(&self) -> Result<Option<PendingUpdate>, ClientError> {
        let pending = match self.get("/api/v2/update-manifest").await {
            Ok(None) => self.get("/update-manifest").await,
            known => known,
        };
        match pending {
            Err(ClientError::Refused { status: 404, .. }) => Ok(None),
            answered => answered,
        }
    }

    /// Agrees, as a user, to the pending update, of which `raw` must be the very bytes.
    ///
    /// # Errors
    /// As [`ClientError`] says. After [`ClientError::Interrupted`] the acknowledgement may have been taken.
    pub async fn acknowledge(&self, raw: &[u8]) -> Result<UpdateTaken, ClientError> {
        match self.post_manifest("/update-manifest", raw).await? {
            Sent::V2(answer) => taken(answer),
            Sent::V1(answer) => {
                let (message, remark) = answer.success::<String>()?;
                let missing_acknowledgments = message.as_deref().map_or(0, leading_number);
                let outcome = UpdateOutcome { message, missing_acknowledgments, ..UpdateOutcome::default() };
                Ok(UpdateTaken { outcome, remark })
            }
        }
    }

    /// Withdraws the pending update as a user, and says so in the Coordinator's words.
    ///
    /// # Errors
    /// As [`ClientError`] says; 404 if none is pending.
    pub async fn cancel_update(&self) -> Result<String, ClientError> {
        let answer = self.send(Request::post("/api/v2/update-cancel", Vec::new())).await?;
        if answer.unknown_endpoint() {
            return self.send(Request::post("/update-cancel", Vec::new())).await?.data();
        }
        answer.data::<Cancelled>().map(|cancelled| cancelled.message)
    }

    async fn post_manifest(&self, path: &str, raw: &[u8]) -> Result<Sent, ClientError> {
        let body = v2::SetManifest { manifest: Base64(raw.to_vec()) };
        let answer = self.send(Request::post_json(&format!("/api/v2{path}"), &body)).await?;
        if answer.unknown_endpoint() {
            return self.send(Request::post(path, raw.to_vec())).await.map(Sent::V1);
        }
        Ok(Sent::V2(answer))
    }
}

/// An answer, and the version whose shape it has.
enum Sent {
    V1(Answer),
    V2(Answer),
}

fn taken(answer: Answer) -> Result<UpdateTaken, ClientError> {
    let (outcome, remark) = answer.data_and_message()?;
    Ok(UpdateTaken { outcome, remark })
}

/// What version 2 would have said of an update that waits.
fn waiting(pending: PendingUpdate) -> UpdateOutcome {
    UpdateOutcome {
        missing_acknowledgments: leading_number(&pending.message).max(1),
        missing_users: Some(pending.missing_users),
        ..UpdateOutcome::default()
    }
}

/// `2 users still need to acknowledge ...` -> 2; 0 where the text begins otherwise.
fn leading_number(text: &str) -> u64 {
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}
