//! Updates of a manifest on the wire. Null and absent are not the same here: clients of MarbleRun 1.9 read both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Base64;

/// Answer to `POST /api/v2/update` and to `POST /api/v2/update-manifest` (version 2). Version 1 answers with null to the
/// one and with the text of [`UpdateOutcome::message`] alone to the other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UpdateOutcome {
    /// What an acknowledgement led to, in words. Absent where the update was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many users still have to acknowledge; 0: the update is in force.
    pub missing_acknowledgments: u64,
    /// Who can still acknowledge; null when nobody has to.
    pub missing_users: Option<Vec<String>>,
    /// By holder: the new recovery secret, encrypted to the holder's key. Absent unless the update changed the recovery
    /// keys or their threshold; empty if it removed all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_secrets: Option<BTreeMap<String, Base64>>,
}

/// `GET /api/v2/update-manifest`, the same in version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PendingUpdate {
    /// The manifest that waits for acknowledgements, as uploaded.
    pub manifest: Base64,
    /// How many users are missing, in words.
    pub message: String,
    /// Who can still acknowledge.
    pub missing_users: Vec<String>,
}

/// Answer to `POST /api/v2/update-cancel`; version 1 answers with the text alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cancelled {
    /// That the update was cancelled, in words.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: &UpdateOutcome, json: &str) {
        assert_eq!(serde_json::to_string(outcome).unwrap(), json);
        assert_eq!(&serde_json::from_str::<UpdateOutcome>(json).unwrap(), outcome);
    }

    #[test]
    fn what_is_absent_and_what_is_null() {
        let applied = UpdateOutcome::default();
        check(&applied, r#"{"missingAcknowledgments":0,"missingUsers":null}"#);
        let removed = UpdateOutcome { recovery_secrets: Some(BTreeMap::new()), ..applied };
        check(&removed, r#"{"missingAcknowledgments":0,"missingUsers":null,"recoverySecrets":{}}"#);
        let waiting = UpdateOutcome {
            message: Some("1 user".into()),
            missing_acknowledgments: 1,
            missing_users: Some(vec!["carol".into()]),
            recovery_secrets: None,
        };
        check(&waiting, r#"{"message":"1 user","missingAcknowledgments":1,"missingUsers":["carol"]}"#);
    }
}
