//! Version 3 of the API: the log, evidence that covers it, and the audit. `docs/v3.md` says what they mean.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Base64;

/// `GET /api/v3/quote`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", schemars(rename = "QuoteV3"))]
pub struct Quote {
    /// PEM, intermediate then root.
    pub cert: String,
    /// Evidence over the root, the nonce, the log key and the checkpoint; null in simulation.
    pub quote: Option<Base64>,
    /// The log key; null before a manifest is set.
    pub log_key: Option<String>,
    /// The checkpoint that the evidence covers; null before a manifest is set.
    pub checkpoint: Option<String>,
    /// What vendors publish about the Coordinator's platform, as in a bundle of collateral: for verifiers without a network.
    /// Null in simulation, or while the Coordinator has none itself.
    pub collateral: Option<Map<String, Value>>,
}

/// `GET /api/v3/log/checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Checkpoint {
    /// A signed note (C2SP signed-note) with a checkpoint (C2SP tlog-checkpoint).
    pub checkpoint: String,
}

/// `GET /api/v3/log/key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogKey {
    /// Verifier key of signed notes, `name+id+key`.
    pub key: String,
    /// The root key's ECDSA P-384 signature with SHA-384 over `MarbleRun log key`, the verifier key, each followed by a
    /// line break; ASN.1.
    pub signature: Base64,
}

/// `GET /api/v3/log/entries`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Entries {
    /// Index of the first entry, counted from 0.
    pub from: u64,
    /// The entries as they stand in the tree; perhaps fewer than were asked for.
    pub entries: Vec<String>,
}

/// `GET /api/v3/log/inclusion` and `GET /api/v3/log/consistency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Proof {
    /// Hashes of 32 bytes, in the order of RFC 9162 sections 2.1.3 and 2.1.4.
    pub proof: Vec<Base64>,
}

/// `GET /api/v3/audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Audit {
    /// Who used which secret, by user and then by secret.
    pub secrets: Vec<SecretUse>,
    /// Which marbles came, since the Coordinator was started.
    pub marbles: Marbles,
}

/// How a user used a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SecretUse {
    /// Name of the user.
    pub user: String,
    /// Name of the secret.
    pub secret: String,
    /// Times that it was read.
    pub reads: u64,
    /// When it was read last (RFC 3339); null if never.
    pub last_read: Option<String>,
    /// Times that it was set.
    pub writes: u64,
    /// When it was set last (RFC 3339); null if never.
    pub last_written: Option<String>,
}

/// Marbles that asked to be activated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Marbles {
    /// Those that were.
    pub admitted: Arrivals,
    /// Those that were not.
    pub refused: Arrivals,
}

/// How many marbles came to this end, and the last of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Arrivals {
    /// Since the Coordinator was started.
    pub total: u64,
    /// The last ones, oldest first.
    pub last: Vec<Arrival>,
}

/// A marble that asked to be activated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Arrival {
    /// When it was answered (RFC 3339).
    pub time: String,
    /// The type that it claimed; cut short if it was refused.
    pub marble_type: String,
    /// The UUID that it claimed; cut short if it was refused.
    pub uuid: String,
    /// Why it was refused, as it was told; absent if it was admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
