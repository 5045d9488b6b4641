//! `Config`: sealing, thresholds and optional parts.

use std::collections::BTreeMap;

use super::{Check, Place, section};
use crate::finding::{choices, shown};
use crate::model::{Config, FeatureGate, Role, SealMode, User};
use crate::written;

/// Shamir's scheme over GF(2^8) has 255 points to give away.
const MAX_SHARES: usize = 255;

const FEATURE_GATES: [(&str, FeatureGate); 3] = [
    ("SignQuoteEndpoint", FeatureGate::SignQuoteEndpoint),
    ("MonotonicCounter", FeatureGate::MonotonicCounter),
    ("AzureHSMSealing", FeatureGate::AzureHsmSealing),
];

impl Check {
    pub(super) fn config(
        &mut self,
        written: written::Config,
        users: &BTreeMap<String, User>,
        roles: &BTreeMap<String, Role>,
        recovery_keys: usize,
    ) -> Config {
        let config = section("Config");
        let may_update = |name: &String| matches!(roles.get(name), Some(Role::Manifest { update: true }));
        let updaters = users.values().filter(|user| user.roles.iter().any(may_update)).count();
        Config {
            seal_mode: self
                .seal_mode(&config.key("SealMode"), written.seal_mode.as_deref().unwrap_or_default()),
            update_threshold: self.update_threshold(
                &config.key("UpdateThreshold"),
                written.update_threshold.unwrap_or_default(),
                updaters,
            ),
            recovery_threshold: self.recovery_threshold(
                &config.key("RecoveryThreshold"),
                written.recovery_threshold.unwrap_or_default(),
                recovery_keys,
            ),
            feature_gates: self
                .feature_gates(&config.key("FeatureGates"), &written.feature_gates.unwrap_or_default()),
            rotate_root_secret: written.rotate_root_secret.unwrap_or_default(),
        }
    }

    fn seal_mode(&mut self, place: &Place<'_>, written: &str) -> SealMode {
        match written {
            "" | "ProductKey" => SealMode::ProductKey,
            "UniqueKey" => SealMode::UniqueKey,
            "Disabled" => SealMode::Disabled,
            other => {
                let known = choices(&["ProductKey", "UniqueKey", "Disabled"]);
                self.error(place, format!("`{}` is no seal mode; write {known}", shown(other)));
                SealMode::default()
            }
        }
    }

    fn update_threshold(&mut self, place: &Place<'_>, written: u64, updaters: usize) -> usize {
        let threshold = usize::try_from(written).unwrap_or(usize::MAX);
        if threshold > updaters {
            self.error(place, format!("{written}, but only {updaters} users may update the manifest"));
        }
        threshold
    }

    fn recovery_threshold(&mut self, place: &Place<'_>, written: u64, keys: usize) -> usize {
        let threshold = usize::try_from(written).unwrap_or(usize::MAX);
        if threshold == 1 {
            self.error(
                place,
                "1 would let any single owner recover alone: write 0 for all keys, or at least 2",
            );
        } else if threshold > keys {
            self.error(place, format!("{written}, but there are only {keys} recovery keys"));
        } else if threshold > 0 && threshold < keys && keys > MAX_SHARES {
            self.error(
                place,
                format!("a threshold is possible with at most {MAX_SHARES} keys; there are {keys}"),
            );
        }
        threshold
    }

    fn feature_gates(&mut self, place: &Place<'_>, written: &[String]) -> Vec<FeatureGate> {
        let mut gates = Vec::new();
        for (i, name) in written.iter().enumerate() {
            match FEATURE_GATES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, gate)) if gates.contains(gate) => {}
                Some((_, gate)) => gates.push(*gate),
                None => {
                    let known = choices(&FEATURE_GATES.map(|(name, _)| name));
                    self.error(&place.item(i), format!("`{}` is no feature; write {known}", shown(name)));
                }
            }
        }
        gates
    }
}
