//! A marble that is logged in with the certificate that its activation gave it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

use crate::counters::CounterId;
use crate::pki::Pki;
use crate::refusal::Refusal;
use crate::state::Deployment;

/// An activated marble, proven by the leaf certificate of a connection.
#[derive(Clone)]
pub struct ActiveMarble {
    marble_type: String,
    uuid: Uuid,
    /// Who issued the certificate: once an update replaced it, the proof is void.
    issuer: Arc<Pki>,
}

impl ActiveMarble {
    /// The marble whose certificate is `leaf` (DER). `None` if it was not issued under the marble root in force, has
    /// expired, or its type has gone. `leaf` must be the certificate whose key the handshake proved.
    pub fn login(deployment: &Deployment, leaf: &[u8], now: SystemTime) -> Option<Self> {
        let (marble_type, uuid) = deployment.pki.marble_of(leaf, now)?;
        let known = deployment.manifest.marbles.contains_key(&marble_type);
        known.then(|| Self { marble_type, uuid, issuer: Arc::clone(&deployment.pki) })
    }

    /// The counter of this name that belongs to the marble.
    pub fn counter(&self, name: String) -> CounterId {
        CounterId { marble_type: self.marble_type.clone(), uuid: self.uuid, name }
    }

    /// Refuses a proof that an update made void.
    pub(crate) fn must_belong_to(&self, deployment: &Deployment) -> Result<(), Refusal> {
        if self.issuer.marble_root == deployment.pki.marble_root {
            return Ok(());
        }
        Err(Refusal::Superseded)
    }
}

impl fmt::Debug for ActiveMarble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveMarble")
            .field("marble_type", &self.marble_type)
            .field("uuid", &self.uuid)
            .finish_non_exhaustive()
    }
}
