//! `Users`, `Roles` and `RecoveryKeys`: who may do what.

use std::collections::BTreeMap;

use super::pem::{MIN_RSA_BITS, PublicKey, first_block};
use super::{Check, Place, Secrets, section};
use crate::finding::{choices, shown};
use crate::model::{Package, RecoveryKey, Role, User};
use crate::written::{self, Map};

impl Check {
    pub(super) fn users(
        &mut self,
        written: Map<written::User>,
        roles: &BTreeMap<String, Role>,
    ) -> BTreeMap<String, User> {
        let users = section("Users");
        let mut checked = BTreeMap::new();
        let mut owners = BTreeMap::new();
        for (name, user) in written {
            let place = users.key(&name);
            self.name(&place, "user", &name);
            let user = self.user(&place, user, roles, &name, &mut owners);
            checked.insert(name, user);
        }
        checked
    }

    fn user(
        &mut self,
        place: &Place<'_>,
        written: written::User,
        roles: &BTreeMap<String, Role>,
        name: &str,
        owners: &mut BTreeMap<Vec<u8>, String>,
    ) -> User {
        let names = written.roles.unwrap_or_default();
        let list = place.key("Roles");
        for (i, role) in names.iter().enumerate().filter(|(_, role)| !roles.contains_key(*role)) {
            self.error(&list.item(i), format!("there is no role `{}`", shown(role)));
        }
        let place = place.key("Certificate");
        let certificate = self.certificate_pem(&place, written.certificate.as_deref().unwrap_or_default());
        if let Some(key) = certificate.as_deref().and_then(|der| self.user_key(&place, der)) {
            self.unique(&place, key, name, owners);
        }
        User { certificate: certificate.unwrap_or_default(), roles: names }
    }

    /// DER of the first certificate in a PEM text.
    fn certificate_pem(&mut self, place: &Place<'_>, text: &str) -> Option<Vec<u8>> {
        if text.is_empty() {
            self.error(place, "required: the user's certificate in PEM");
            return None;
        }
        let Some(block) = first_block(text).filter(|block| block.label == "CERTIFICATE") else {
            self.error(place, "not a PEM block `CERTIFICATE`");
            return None;
        };
        if block.more {
            self.warn(place, "holds several PEM blocks: only the first certificate counts");
        }
        Some(block.der)
    }

    fn user_key(&mut self, place: &Place<'_>, der: &[u8]) -> Option<Vec<u8>> {
        let Some(key) = PublicKey::of_certificate(der) else {
            self.error(place, "the PEM block holds no X.509 certificate");
            return None;
        };
        self.strong(place, &key);
        Some(key.der)
    }

    fn strong(&mut self, place: &Place<'_>, key: &PublicKey) {
        if let Some(bits) = key.rsa_bits.filter(|bits| *bits < MIN_RSA_BITS) {
            self.error(place, format!("an RSA key of {bits} bits, but at least {MIN_RSA_BITS} are needed"));
        }
    }

    /// By key, not by text: two certificates for one key would be two names for one person.
    fn unique(
        &mut self,
        place: &Place<'_>,
        key: Vec<u8>,
        name: &str,
        owners: &mut BTreeMap<Vec<u8>, String>,
    ) {
        match owners.get(&key) {
            Some(other) => self.error(place, format!("the same public key as `{}`", shown(other))),
            None => drop(owners.insert(key, name.to_owned())),
        }
    }

    pub(super) fn recovery_keys(&mut self, written: Map<String>) -> BTreeMap<String, RecoveryKey> {
        let keys = section("RecoveryKeys");
        let mut checked = BTreeMap::new();
        let mut owners = BTreeMap::new();
        for (name, pem) in written {
            let place = keys.key(&name);
            self.name(&place, "recovery key", &name);
            let public_key = self.recovery_key(&place, &pem);
            if let Some(key) = &public_key {
                self.unique(&place, key.clone(), &name, &mut owners);
            }
            checked.insert(name, RecoveryKey { public_key: public_key.unwrap_or_default() });
        }
        checked
    }

    fn recovery_key(&mut self, place: &Place<'_>, pem: &str) -> Option<Vec<u8>> {
        let block = first_block(pem).filter(|block| block.label == "PUBLIC KEY");
        let Some(key) = block.and_then(|block| PublicKey::from_der(&block.der)) else {
            self.error(place, "not a public key in PKIX PEM (`-----BEGIN PUBLIC KEY-----`)");
            return None;
        };
        if key.rsa_bits.is_none() {
            self.error(place, "not an RSA key: shares are encrypted with RSA-OAEP");
            return None;
        }
        self.strong(place, &key);
        // The library that will encrypt to it decides what else a key must be.
        if key.rsa_bits >= Some(MIN_RSA_BITS)
            && aws_lc_rs::rsa::PublicEncryptingKey::from_der(&key.der).is_err()
        {
            self.error(place, "this RSA key cannot be encrypted to: at most 8192 bits and an odd exponent");
        }
        Some(key.der)
    }

    pub(super) fn roles(
        &mut self,
        written: Map<written::Role>,
        packages: &BTreeMap<String, Package>,
        secrets: &Secrets,
    ) -> BTreeMap<String, Role> {
        let roles = section("Roles");
        let mut checked = BTreeMap::new();
        for (name, role) in written {
            let place = roles.key(&name);
            self.name(&place, "role", &name);
            let role = self.role(&place, role, packages, secrets);
            checked.insert(name, role);
        }
        checked
    }

    /// A role with errors becomes one that allows nothing, so that its users do not look as if it was missing.
    fn role(
        &mut self,
        place: &Place<'_>,
        written: written::Role,
        packages: &BTreeMap<String, Package>,
        secrets: &Secrets,
    ) -> Role {
        let names = written.resource_names.unwrap_or_default();
        let actions = written.actions.unwrap_or_default();
        match written.resource_type.as_deref().unwrap_or_default() {
            "Packages" => self.package_role(place, names, &actions, packages),
            "Secrets" => self.secret_role(place, names, &actions, secrets),
            "Manifest" => self.manifest_role(place, &names, &actions),
            "Audit" => self.audit_role(place, &names, &actions),
            other => {
                let known = choices(&["Packages", "Secrets", "Manifest", "Audit"]);
                let message = match other {
                    "" => format!("required: {known}"),
                    _ => format!("`{}` is no type of resource; write {known}", shown(other)),
                };
                self.error(&place.key("ResourceType"), message);
                Role::Manifest { update: false }
            }
        }
    }

    fn package_role(
        &mut self,
        place: &Place<'_>,
        names: Vec<String>,
        actions: &[String],
        packages: &BTreeMap<String, Package>,
    ) -> Role {
        let list = place.key("ResourceNames");
        for (i, name) in names.iter().enumerate().filter(|(_, name)| !packages.contains_key(*name)) {
            self.error(&list.item(i), format!("there is no package `{}`", shown(name)));
        }
        let [update_security_version] = self.actions(place, "Packages", actions, ["UpdateSecurityVersion"]);
        Role::Packages { names, update_security_version }
    }

    fn secret_role(
        &mut self,
        place: &Place<'_>,
        names: Vec<String>,
        actions: &[String],
        secrets: &Secrets,
    ) -> Role {
        let [read, write] = self.actions(place, "Secrets", actions, ["ReadSecret", "WriteSecret"]);
        let list = place.key("ResourceNames");
        for (i, name) in names.iter().enumerate() {
            let seen = shown(name);
            let message = match secrets.get(name) {
                None => format!("there is no secret `{seen}`"),
                Some(Some(secret)) if write && !secret.user_defined => {
                    format!("WriteSecret is for user-defined secrets only, and `{seen}` is generated")
                }
                Some(Some(secret)) if read && !secret.shared && !secret.user_defined => {
                    format!("ReadSecret needs one value to read, but each marble has its own `{seen}`")
                }
                Some(_) => continue,
            };
            self.error(&list.item(i), message);
        }
        Role::Secrets { names, read, write }
    }

    fn manifest_role(&mut self, place: &Place<'_>, names: &[String], actions: &[String]) -> Role {
        self.no_resources(place, "the manifest", names);
        let [update] = self.actions(place, "Manifest", actions, ["UpdateManifest"]);
        Role::Manifest { update }
    }

    fn audit_role(&mut self, place: &Place<'_>, names: &[String], actions: &[String]) -> Role {
        self.no_resources(place, "the audit", names);
        let [read] = self.actions(place, "Audit", actions, ["ReadAudit"]);
        Role::Audit { read }
    }

    fn no_resources(&mut self, place: &Place<'_>, what: &str, names: &[String]) {
        if !names.is_empty() {
            let message = format!("a role for {what} names no resources: remove them");
            self.error(&place.key("ResourceNames"), message);
        }
    }

    /// Which of the `known` actions are given, in any case.
    fn actions<const N: usize>(
        &mut self,
        place: &Place<'_>,
        resource: &str,
        actions: &[String],
        known: [&str; N],
    ) -> [bool; N] {
        let list = place.key("Actions");
        for (i, action) in actions.iter().enumerate() {
            if !known.iter().any(|name| name.eq_ignore_ascii_case(action)) {
                let (seen, known) = (shown(action), choices(&known));
                self.error(&list.item(i), format!("`{seen}` is no action for {resource}; write {known}"));
            }
        }
        known.map(|name| actions.iter().any(|action| name.eq_ignore_ascii_case(action)))
    }
}
