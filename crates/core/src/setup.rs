//! Setting a manifest: everything slow is made here, before the decision.

use std::collections::BTreeMap;
use std::time::SystemTime;

use marblerun_manifest::{FeatureGate, Finding, Manifest};

use crate::access::Accesses;
use crate::counters::Counters;
use crate::event::Stored;
use crate::journal::Dek;
use crate::keys::KeySource;
use crate::log::{History, LogKey, LogLine, milliseconds};
use crate::pki::Pki;
use crate::recovery::{self, Shares};
use crate::refusal::Refusal;
use crate::secrets::{self, RootSecret};

/// A deployment that is ready to begin.
pub struct Prepared {
    pub(crate) stored: Stored,
    /// The checked manifest.
    pub manifest: Manifest,
    /// What the operator should know.
    pub warnings: Vec<Finding>,
    /// The state key of the deployment.
    pub dek: Dek,
    /// The state key as shares for the holders of recovery keys.
    pub shares: Shares,
}

/// Optional machinery of this Coordinator, which a manifest asks for by a feature gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// Whether the state can be sealed with a key of an Azure managed HSM; if not, why, and what to do.
    pub hsm_sealing: Result<(), String>,
}

impl Default for Abilities {
    /// None of it.
    fn default() -> Self {
        Self { hsm_sealing: Err("this Coordinator was given no Azure managed HSM; remove the gate".into()) }
    }
}

/// Checks a manifest and makes everything that the deployment begins with: shared secrets, root secret, signature,
/// state key and its shares. `pki` are the certificates that the Coordinator shows at this moment.
///
/// # Errors
/// If the manifest is refused, or a key cannot be made.
pub fn prepare(
    raw: &[u8],
    pki: &Pki,
    keys: &dyn KeySource,
    abilities: &Abilities,
    now: SystemTime,
) -> Result<Prepared, Refusal> {
    let checked = Manifest::parse(raw, now)?;
    let manifest = checked.manifest;
    refuse_unsupported(&manifest, abilities)?;
    let dek = Dek::generate(keys)?;
    let config = &manifest.config;
    let shares = recovery::split(&dek.0, &manifest.recovery_keys, config.recovery_threshold, keys)?;
    let stored = Stored {
        set_at: milliseconds(now),
        manifest: raw.to_vec(),
        manifest_signature: pki.root_key.sign_sha256(raw)?,
        pki: pki.clone(),
        root_secret: RootSecret::generate(keys)?,
        secrets: secrets::make_shared(&manifest, &BTreeMap::new(), pki, keys, now)?,
        previous: None,
        activations: BTreeMap::new(),
        log: History::default().with(LogLine::new(now, "Initial manifest set")),
        log_key: LogKey::generate(keys)?,
        epoch: 0,
        accesses: Accesses::default(),
        counters: Counters::default(),
        raised: BTreeMap::new(),
        pending: None,
    };
    Ok(Prepared { stored, manifest, warnings: checked.warnings, dek, shares })
}

/// A gate whose machinery is missing is refused: ignoring it would promise a protection that is not there.
pub(crate) fn refuse_unsupported(manifest: &Manifest, abilities: &Abilities) -> Result<(), Refusal> {
    match &abilities.hsm_sealing {
        Err(why) if manifest.config.feature_gates.contains(&FeatureGate::AzureHsmSealing) => {
            let reason = format!("AzureHSMSealing is not possible: {why}");
            Err(Refusal::Unsupported { path: "Config.FeatureGates".into(), reason })
        }
        _ => Ok(()),
    }
}
