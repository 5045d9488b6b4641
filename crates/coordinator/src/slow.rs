//! Which activations take long, and which keys are made ahead of them.
//!
//! Decides from the manifest alone: nothing here makes a key or starts a thread.

use std::collections::BTreeMap;

use marblerun_core::Deployment;
use marblerun_core::keys::KeyKind;
use marblerun_manifest::{Marble, Parameter, Secret};

/// Keys kept ready for every kind of RSA key that a marble type uses.
const POOL_RSA: usize = 64;
/// More templates or certificates than this in one activation, and it runs beside the async threads.
const QUICK: usize = 8;

/// Whether activating this type may take long: RSA keys, many certificates or templates, or any secret at all.
pub(crate) fn is_slow(deployment: &Deployment, marble: &Marble) -> bool {
    let used = marble.uses.secrets.iter().chain(&marble.uses.previous);
    let secrets = || used.clone().filter_map(|name| deployment.manifest.secrets.get(name));
    let certificates = secrets().filter(|secret| makes_key(secret)).count();
    let parameters = marble.files.values().chain(marble.env.values()).chain(&marble.argv);
    let templates = parameters.filter(|parameter| matches!(parameter, Parameter::Template(_))).count();
    marble.uses.any || certificates > QUICK || templates > QUICK || secrets().any(makes_rsa)
}

/// Whether each activation makes a key pair for this secret.
fn makes_key(secret: &Secret) -> bool {
    !secret.shared && !secret.user_defined && secret.kind.is_certificate()
}

fn makes_rsa(secret: &Secret) -> bool {
    makes_key(secret) && matches!(KeyKind::of(secret.kind), Some(KeyKind::Rsa(_)))
}

/// The kinds of RSA key that activations of this deployment need, and how many of each.
pub(crate) fn kinds_to_keep_ready(deployment: &Deployment) -> BTreeMap<KeyKind, usize> {
    let manifest = &deployment.manifest;
    let used = manifest.marbles.values().flat_map(|marble| {
        let all = manifest.secrets.keys().filter(|_| marble.uses.any);
        marble.uses.secrets.iter().chain(all)
    });
    used.filter_map(|name| manifest.secrets.get(name))
        .filter(|secret| makes_rsa(secret))
        .filter_map(|secret| KeyKind::of(secret.kind))
        .map(|kind| (kind, POOL_RSA))
        .collect()
}
