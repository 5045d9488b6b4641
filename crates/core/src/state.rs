//! The state of a Coordinator: one typed phase, and everything that a deployment is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use marblerun_manifest::Manifest;

use crate::access::Accesses;
use crate::counters::Counters;
use crate::encoding::pem;
use crate::journal::{Head, Header};
use crate::log::{History, LogKey};
use crate::pki::Pki;
use crate::policy::Policies;
use crate::recovery::shamir::Share;
use crate::secrets::{RootSecret, SecretValue};
use crate::update::Pending;

/// What a Coordinator is at a moment. Cheap to clone: readers get a published copy.
#[derive(Clone)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time, and it is published behind an `Arc`")]
pub enum State {
    /// No manifest yet. The certificates live in memory only: a restart makes new ones.
    Accepting(Arc<Pki>),
    /// There is sealed state that this Coordinator cannot open by itself.
    Recovery(Arc<Recovery>),
    /// A manifest is set; marbles may join.
    Serving(Deployment),
}

/// Sealed state that waits for its recovery keys, or for a new manifest. Made by [`Recovery::new`].
pub struct Recovery {
    /// Certificates for this time, in memory only.
    pub pki: Pki,
    /// What stands readable beside the sealed state; `None` if not even that can be read.
    pub header: Option<Header>,
    /// Why the state does not open by itself.
    pub reason: String,
    /// Shares that holders have sent, by holder; in memory only, wiped on drop.
    pub(crate) given: BTreeMap<String, Share>,
}

/// Everything that a deployment is. Cheap to clone: parts are shared until they change.
#[derive(Clone)]
pub struct Deployment {
    /// The manifest in force.
    pub manifest: Manifest,
    /// When it was set, as the journal has it.
    pub set_at: SystemTime,
    /// ECDSA P-384 signature of the root key over SHA-256 of the manifest, ASN.1 DER.
    pub manifest_signature: Arc<[u8]>,
    /// Certificates and keys.
    pub pki: Arc<Pki>,
    /// The same certificates as PEM, encoded once.
    pub chain: Arc<Chain>,
    /// Root of all per-marble symmetric keys.
    pub root_secret: RootSecret,
    /// Values of shared and of uploaded secrets.
    pub secrets: Arc<BTreeMap<String, SecretValue>>,
    /// Root secret and values before the last rotation; `None` if there was none.
    pub previous: Option<Arc<Previous>>,
    /// Successful activations by marble type; only of limited types.
    pub activations: Arc<BTreeMap<String, u64>>,
    /// What happened to the deployment, for its users.
    pub log: History,
    /// Signs checkpoints of the log.
    pub log_key: LogKey,
    /// The record of the journal that made this state durable; `None` where nothing is kept, or not yet.
    pub head: Option<Head>,
    /// Counts changes of certificates and secrets: an admission made under another epoch is void.
    pub epoch: u64,
    /// Who used which secret.
    pub accesses: Accesses,
    /// Monotonic counters of marbles.
    pub counters: Counters,
    /// Smallest security versions that were raised since the manifest was set, by package.
    pub raised: Arc<BTreeMap<String, u64>>,
    /// A manifest that waits for acknowledgements.
    pub pending: Option<Arc<Pending>>,
    /// What is demanded of marbles' evidence: follows from the manifest and the raised versions.
    pub policies: Arc<Policies>,
}

impl Deployment {
    /// The smallest security version of a package that is admitted now; `None` if its software is named in another way.
    pub fn security_version(&self, package: &str) -> Option<u64> {
        let raised = self.raised.get(package).copied();
        raised.or_else(|| self.manifest.packages.get(package)?.security_version)
    }
}

/// What `.Previous` means after a rotation.
#[derive(Clone)]
pub struct Previous {
    /// Root secret before it.
    pub root_secret: RootSecret,
    /// Values before it.
    pub secrets: BTreeMap<String, SecretValue>,
}

/// PEM texts that every activation hands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The Coordinator's root.
    pub root: String,
    /// The intermediate, signed by the root.
    pub intermediate: String,
    /// The marble root.
    pub marble_root: String,
}

impl Chain {
    /// Encodes the certificates.
    pub fn of(pki: &Pki) -> Self {
        Self {
            root: pem("CERTIFICATE", &pki.root),
            intermediate: pem("CERTIFICATE", &pki.intermediate),
            marble_root: pem("CERTIFICATE", &pki.marble_root),
        }
    }
}

/// The phases as clients know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// 1: recovery.
    Recovery,
    /// 2: accepting a manifest.
    AcceptingManifest,
    /// 3: accepting marbles.
    AcceptingMarbles,
}

impl Phase {
    /// The number on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Recovery => 1,
            Self::AcceptingManifest => 2,
            Self::AcceptingMarbles => 3,
        }
    }

    /// The phase in words; clients show it, scripts compare it.
    pub fn message(self) -> &'static str {
        match self {
            Self::Recovery => {
                "Coordinator is in recovery mode. Either upload a key to unseal the saved state, or set a new \
                 manifest. For more information on how to proceed, consult the documentation."
            }
            Self::AcceptingManifest => "Coordinator is ready to accept a manifest.",
            Self::AcceptingMarbles => "Coordinator is running correctly and ready to accept marbles.",
        }
    }
}

impl State {
    /// The phase.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Recovery(_) => Phase::Recovery,
            Self::Accepting(_) => Phase::AcceptingManifest,
            Self::Serving(_) => Phase::AcceptingMarbles,
        }
    }

    /// The certificates in force.
    pub fn pki(&self) -> &Pki {
        match self {
            Self::Accepting(pki) => pki,
            Self::Recovery(recovery) => &recovery.pki,
            Self::Serving(deployment) => &deployment.pki,
        }
    }

    /// The phase of recovery, if it is that.
    pub fn recovery(&self) -> Option<&Recovery> {
        match self {
            Self::Recovery(recovery) => Some(recovery),
            Self::Accepting(_) | Self::Serving(_) => None,
        }
    }

    /// The deployment, if a manifest is set.
    pub fn deployment(&self) -> Option<&Deployment> {
        match self {
            Self::Serving(deployment) => Some(deployment),
            Self::Accepting(_) | Self::Recovery(_) => None,
        }
    }
}
