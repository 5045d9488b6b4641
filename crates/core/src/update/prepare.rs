//! Everything slow of an update, made before the decision: new certificates, secrets, signature, data key and shares.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use marblerun_manifest::{FeatureGate, Finding, Manifest, PackageUpdate, Update};

use super::apply::{Change, Updated};
use super::decide::{may_update, none_pending, pending};
use crate::journal::Dek;
use crate::keys::KeySource;
use crate::log::milliseconds;
use crate::pki::Pki;
use crate::recovery::{self, Shares};
use crate::refusal::Refusal;
use crate::secrets::{self, RootSecret, SecretValue};
use crate::setup::{Abilities, refuse_unsupported};
use crate::state::Deployment;
use crate::user::User;

/// What a user sent, once the rights and the document are checked.
pub enum Sent {
    /// It takes effect with this user's word: prepare it.
    Ready(Ready),
    /// More users have to agree: it is to wait. With what the operator should know.
    Waits {
        /// The checked manifest.
        manifest: Manifest,
        /// Accepted, but worth a word.
        warnings: Vec<Finding>,
    },
    /// An acknowledgement that is not the last.
    Counts,
}

/// A checked update that nothing but slow work keeps from taking effect.
pub struct Ready {
    kind: Kind,
    change: Checked,
    warnings: Vec<Finding>,
}

/// What is to change.
enum Checked {
    Packages(BTreeMap<String, u64>),
    Manifest { manifest: Manifest, checked_at: SystemTime },
}

/// How an update came to take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Packages,
    Sent,
    /// The last acknowledgement of the pending manifest with this SHA-256.
    Acknowledged([u8; 32]),
}

/// An update that is ready to take effect in the state that it was prepared for.
pub struct PreparedUpdate {
    pub(crate) user: User,
    pub(crate) epoch: u64,
    pub(crate) kind: Kind,
    pub(crate) updated: Updated,
    /// A new data key, if others than before are to recover the state, or it is sealed in another way.
    pub rekey: Option<Rekey>,
    /// What the operator should know.
    pub warnings: Vec<Finding>,
}

/// A new data key and its shares.
pub struct Rekey {
    /// The key.
    pub dek: Dek,
    /// The key as shares for the holders of recovery keys; none if there are no holders any more.
    pub shares: Shares,
}

/// What is needed to make certificates and keys.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    /// DNS names of the Coordinator.
    pub names: &'a [String],
    /// Addresses of the Coordinator.
    pub addresses: &'a [IpAddr],
    /// Makes keys.
    pub keys: &'a dyn KeySource,
    /// What time it is.
    pub now: SystemTime,
}

/// Checks what a user sent as an update: rights first, then whether another one is pending, then the document.
///
/// # Errors
/// The first of these that is wrong; of the document, all errors at once.
pub fn begin_update(
    deployment: &Deployment,
    user: &User,
    raw: &[u8],
    abilities: &Abilities,
    now: SystemTime,
) -> Result<Sent, Refusal> {
    user.must_belong_to(deployment)?;
    if !user.may_update_anything() {
        return Err(Refusal::MayNotUpdate { user: user.name().into() });
    }
    none_pending(deployment)?;
    match Update::parse(raw, now)? {
        Update::Packages(update) => begin_packages(deployment, user, update),
        Update::Manifest(checked) => {
            may_update(deployment, user)?;
            refuse_unsupported(&checked.manifest, abilities)?;
            let (manifest, warnings) = (checked.manifest, checked.warnings);
            if deployment.standing_with(user.name()).missing > 0 {
                return Ok(Sent::Waits { manifest, warnings });
            }
            let change = Checked::Manifest { manifest, checked_at: now };
            Ok(Sent::Ready(Ready { kind: Kind::Sent, change, warnings }))
        }
    }
}

/// Checks an acknowledgement: rights, then the bytes.
///
/// # Errors
/// The first of these that is wrong.
pub fn begin_acknowledgement(
    deployment: &Deployment,
    user: &User,
    fingerprint: &[u8; 32],
) -> Result<Sent, Refusal> {
    may_update(deployment, user)?;
    let pending = pending(deployment, fingerprint)?;
    if pending.acknowledged.contains(user.name()) || deployment.standing_with(user.name()).missing > 0 {
        return Ok(Sent::Counts);
    }
    let change = Checked::Manifest { manifest: pending.manifest.clone(), checked_at: pending.proposed_at };
    Ok(Sent::Ready(Ready { kind: Kind::Acknowledged(*fingerprint), change, warnings: Vec::new() }))
}

/// Makes everything that the update needs. May take long: keys of shared certificates.
///
/// # Errors
/// If a key or certificate cannot be made, with its name.
pub fn prepare_update(
    deployment: &Deployment,
    user: User,
    ready: Ready,
    making: Making<'_>,
) -> Result<PreparedUpdate, Refusal> {
    let Making { names, addresses, keys, now } = making;
    let pki = deployment.pki.with_new_intermediate(names, addresses, keys, now)?;
    let (change, secrets, rekey) = match ready.change {
        Checked::Packages(versions) => {
            let secrets = all_secrets(deployment, &deployment.manifest, false, &pki, making)?;
            (Change::Packages(versions), secrets, None)
        }
        Checked::Manifest { manifest, checked_at } => {
            let rotated = rotated(&manifest, keys)?;
            let secrets = all_secrets(deployment, &manifest, rotated.is_some(), &pki, making)?;
            let change = Change::Manifest {
                checked_at: milliseconds(checked_at),
                manifest: manifest.raw.clone(),
                signature: pki.root_key.sign_sha256(&manifest.raw)?,
                rotated,
            };
            (change, secrets, rekey(deployment, &manifest, keys)?)
        }
    };
    let updated = Updated { at: milliseconds(now), user: user.name().into(), pki, secrets, change };
    let (kind, warnings) = (ready.kind, ready.warnings);
    Ok(PreparedUpdate { user, epoch: deployment.epoch, kind, updated, rekey, warnings })
}

impl Ready {
    /// Whether it gives new recovery secrets to hand out: callers whose answers cannot carry them must refuse it.
    pub fn makes_recovery_secrets(&self, deployment: &Deployment) -> bool {
        match &self.change {
            Checked::Packages(_) => false,
            Checked::Manifest { manifest, .. } => needs_new_key(deployment, manifest),
        }
    }
}

/// Whether `manifest` lets others recover the state than today, or seals it in another way.
pub fn needs_new_key(deployment: &Deployment, manifest: &Manifest) -> bool {
    let (before, after) = (&deployment.manifest, manifest);
    before.recovery_keys != after.recovery_keys
        || before.config.recovery_threshold != after.config.recovery_threshold
        || before.config.seal_mode != after.config.seal_mode
        || is_sealed_by_hsm(before) != is_sealed_by_hsm(after)
}

fn is_sealed_by_hsm(manifest: &Manifest) -> bool {
    manifest.config.feature_gates.contains(&FeatureGate::AzureHsmSealing)
}

fn begin_packages(deployment: &Deployment, user: &User, update: PackageUpdate) -> Result<Sent, Refusal> {
    for (package, version) in &update.versions {
        let known = deployment.manifest.packages.get(package);
        let known = known.ok_or_else(|| Refusal::unknown_package(package))?;
        if !user.may_raise(package) {
            return Err(Refusal::MayNotRaise { user: user.name().into(), package: package.clone() });
        }
        let current = deployment.security_version(package).or(known.security_version);
        match current {
            None => return Err(Refusal::NoSecurityVersion(package.clone())),
            Some(current) if *version < current => {
                let (package, sent) = (package.clone(), *version);
                return Err(Refusal::LowerVersion { package, sent, current });
            }
            Some(_) => {}
        }
    }
    let change = Checked::Packages(update.versions);
    Ok(Sent::Ready(Ready { kind: Kind::Packages, change, warnings: update.warnings }))
}

/// Values of all secrets that are kept or made under `manifest`: what has the same definition as before stays, unless
/// it is rotated; certificates are always made anew.
fn all_secrets(
    deployment: &Deployment,
    manifest: &Manifest,
    rotate: bool,
    pki: &Pki,
    making: Making<'_>,
) -> Result<BTreeMap<String, SecretValue>, Refusal> {
    let before = &deployment.manifest.secrets;
    let unchanged =
        |name: &String| manifest.secrets.get(name).is_some_and(|new| before.get(name) == Some(new));
    let uploaded = |name: &String| manifest.secrets.get(name).is_some_and(|new| new.user_defined);
    let kept = deployment.secrets.iter().filter(|(name, _)| unchanged(name));
    let kept: BTreeMap<String, SecretValue> = kept
        .filter(|(name, _)| uploaded(name) || !rotate)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let made = secrets::make_shared(manifest, &kept, pki, making.keys, making.now)?;
    let uploaded = kept.into_iter().filter(|(name, _)| uploaded(name));
    Ok(uploaded.chain(made).collect())
}

fn rotated(manifest: &Manifest, keys: &dyn KeySource) -> Result<Option<RootSecret>, Refusal> {
    let fresh = manifest.config.rotate_root_secret.then(|| RootSecret::generate(keys));
    Ok(fresh.transpose()?)
}

fn rekey(
    deployment: &Deployment,
    manifest: &Manifest,
    keys: &dyn KeySource,
) -> Result<Option<Rekey>, Refusal> {
    if !needs_new_key(deployment, manifest) {
        return Ok(None);
    }
    let dek = Dek::generate(keys)?;
    let shares = recovery::split(&dek.0, &manifest.recovery_keys, manifest.config.recovery_threshold, keys)?;
    Ok(Some(Rekey { dek, shares }))
}
