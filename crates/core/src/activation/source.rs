//! The secrets of one marble, made at the moment a template encodes them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use marblerun_manifest::template::{Generation, Meta, Part, Reserved, Source};
use marblerun_manifest::{Marble, Secret, SecretKind, Validity};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Identity;
use crate::keys::KeySource;
use crate::secrets::{self, RootSecret, SecretValue};
use crate::state::Deployment;

/// What the templates of one marble may use.
pub(super) struct MarbleSecrets<'a> {
    deployment: &'a Deployment,
    marble_type: Option<&'a str>,
    uuid: Uuid,
    identity: &'a Identity,
    keys: &'a dyn KeySource,
    now: SystemTime,
    /// Per-marble values made so far: certificate and key of one secret belong together.
    made: RefCell<BTreeMap<(Generation, &'a str), SecretValue>>,
}

impl<'a> MarbleSecrets<'a> {
    pub(super) fn new(
        deployment: &'a Deployment,
        name: &'a str,
        marble: &'a Marble,
        uuid: Uuid,
        identity: &'a Identity,
        keys: &'a dyn KeySource,
        now: SystemTime,
    ) -> Self {
        let marble_type = (!marble.disable_secret_binding).then_some(name);
        Self { deployment, marble_type, uuid, identity, keys, now, made: RefCell::default() }
    }

    /// The part of a secret's value; empty if it has none.
    pub(super) fn part(
        &self,
        generation: Generation,
        name: &str,
        part: Part,
    ) -> Result<Zeroizing<Vec<u8>>, String> {
        let definitions = &self.deployment.manifest.secrets;
        let (name, definition) = definitions.get_key_value(name).ok_or("there is no such secret")?;
        if definition.shared || definition.user_defined {
            let stored = self.stored(generation, name).filter(|value| is_of(definition, value));
            return stored.map(|value| select(value, part)).ok_or_else(|| absent(generation, name));
        }
        let mut made = self.made.borrow_mut();
        if !made.contains_key(&(generation, name.as_str())) {
            let value = self.make(generation, name, definition)?;
            made.insert((generation, name), value);
        }
        Ok(made.get(&(generation, name.as_str())).map(|value| select(value, part)).unwrap_or_default())
    }

    fn stored(&self, generation: Generation, name: &str) -> Option<&SecretValue> {
        match (generation, &self.deployment.previous) {
            (Generation::Previous, Some(previous)) => previous.secrets.get(name),
            _ => self.deployment.secrets.get(name),
        }
    }

    fn root_secret(&self, generation: Generation) -> &RootSecret {
        match (generation, &self.deployment.previous) {
            (Generation::Previous, Some(previous)) => &previous.root_secret,
            _ => &self.deployment.root_secret,
        }
    }

    fn make(&self, generation: Generation, name: &str, definition: &Secret) -> Result<SecretValue, String> {
        let SecretKind::Symmetric { bytes } = definition.kind else {
            return secrets::make(definition, &self.deployment.pki, self.keys, self.now)
                .map_err(|e| e.to_string());
        };
        let root = self.root_secret(generation);
        let key = root.derive(self.marble_type, self.uuid, name, bytes).map_err(|e| e.to_string())?;
        Ok(SecretValue::Bytes(key))
    }
}

/// A previous value may be from before its definition changed.
fn is_of(definition: &Secret, value: &SecretValue) -> bool {
    definition.kind.is_certificate() == matches!(value, SecretValue::Certificate { .. })
}

fn absent(generation: Generation, name: &str) -> String {
    match generation {
        Generation::Current => {
            format!(
                "secret {name:?} is user-defined and was never set; upload it with `marblerun secret set`"
            )
        }
        Generation::Previous => format!(
            "secret {name:?} had no value of this kind before the root secret was last rotated; use `.Secrets.{name}`"
        ),
    }
}

fn select(value: &SecretValue, part: Part) -> Zeroizing<Vec<u8>> {
    match (value, part) {
        (SecretValue::Bytes(_), Part::Cert) => Zeroizing::default(),
        (SecretValue::Bytes(bytes), Part::Public | Part::Private) => bytes.clone(),
        (SecretValue::Certificate { certificate, .. }, Part::Cert) => Zeroizing::new(certificate.clone()),
        (SecretValue::Certificate { public, .. }, Part::Public) => Zeroizing::new(public.clone()),
        (SecretValue::Certificate { private, .. }, Part::Private) => private.clone(),
    }
}

impl Source for MarbleSecrets<'_> {
    fn names(&self, _: Generation) -> BTreeSet<&str> {
        self.deployment.manifest.secrets.keys().map(String::as_str).collect()
    }

    fn count(&self, _: Generation) -> usize {
        self.deployment.manifest.secrets.len()
    }

    fn meta(&self, _: Generation, name: &str) -> Option<Meta> {
        let secret = self.deployment.manifest.secrets.get(name)?;
        Some(Meta { kind: secret.kind, shared: secret.shared, user_defined: secret.user_defined })
    }

    fn secret(&self, generation: Generation, name: &str, part: Part) -> Result<Zeroizing<Vec<u8>>, String> {
        self.part(generation, name, part)
    }

    fn valid_days(&self, _: Generation, name: &str) -> u32 {
        let secret = self.deployment.manifest.secrets.get(name).filter(|secret| secret.kind.is_certificate());
        match secret.map(|secret| secret.certificate.validity) {
            Some(Validity::Days(days)) => days,
            Some(Validity::Until(_)) | None => 0,
        }
    }

    fn reserved(&self, which: Reserved, part: Part) -> Zeroizing<Vec<u8>> {
        let pki = &self.deployment.pki;
        let bytes = match (which, part) {
            (Reserved::MarbleCert, Part::Private) => return self.identity.key.private.clone(),
            (Reserved::MarbleCert, Part::Cert) => self.identity.certificate.clone(),
            (Reserved::MarbleCert, Part::Public) => self.identity.key.public.clone(),
            (Reserved::RootCa, Part::Cert) => pki.marble_root.clone(),
            (Reserved::CoordinatorRoot, Part::Cert) => pki.root.clone(),
            (Reserved::CoordinatorIntermediate, Part::Cert) => pki.intermediate.clone(),
            (_, Part::Public | Part::Private) => Vec::new(),
        };
        Zeroizing::new(bytes)
    }
}
