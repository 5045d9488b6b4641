//! Uploading and reading secrets: what a user may, and what a value must be. All of an upload is checked before any
//! of it is accepted.

use std::collections::BTreeMap;
use std::time::SystemTime;

use marblerun_manifest::{Secret, SecretKind};

use crate::decide::Command;
use crate::log::milliseconds;
use crate::refusal::Refusal;
use crate::secrets::{SecretValue, Upload, refusing_nul};
use crate::state::Deployment;
use crate::user::User;

/// The command that accepts an upload, once all of it was checked. May be slow with many RSA keys.
///
/// # Errors
/// In this order: nothing uploaded, a name that does not exist, a right that is missing, a value that does not fit.
pub fn upload_secrets(
    deployment: &Deployment,
    user: &User,
    uploads: BTreeMap<String, Upload>,
    now: SystemTime,
) -> Result<Command, Refusal> {
    user.must_belong_to(deployment)?;
    if uploads.is_empty() {
        return Err(Refusal::NoSecretNamed);
    }
    for name in uploads.keys() {
        definition(deployment, name)?;
        check_right(user, "write", name, User::may_write)?;
    }
    let checked = uploads.into_iter().map(|(name, upload)| {
        let value = check_value(deployment, &name, upload)?;
        Ok((name, value))
    });
    let values = checked.collect::<Result<_, Refusal>>()?;
    Ok(Command::SetSecrets { user: user.clone(), values, at: milliseconds(now) })
}

/// Definitions and values of secrets that a user asks for; an unset one has no value.
///
/// # Errors
/// No name, an empty one, one that does not exist, or a right that is missing.
pub fn read_secrets<'a>(
    deployment: &'a Deployment,
    user: &User,
    names: &[String],
) -> Result<BTreeMap<&'a str, (&'a Secret, Option<&'a SecretValue>)>, Refusal> {
    user.must_belong_to(deployment)?;
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err(Refusal::NoSecretNamed);
    }
    let secrets = names.iter().map(|name| {
        let (name, definition) = definition(deployment, name)?;
        check_right(user, "read", name, User::may_read)?;
        Ok((name, (definition, deployment.secrets.get(name))))
    });
    secrets.collect()
}

fn definition<'a>(deployment: &'a Deployment, name: &str) -> Result<(&'a str, &'a Secret), Refusal> {
    let entry = deployment.manifest.secrets.get_key_value(name);
    entry.map(|(name, secret)| (name.as_str(), secret)).ok_or_else(|| Refusal::unknown_secret(name))
}

fn check_right(
    user: &User,
    action: &'static str,
    name: &str,
    may: fn(&User, &str) -> bool,
) -> Result<(), Refusal> {
    if may(user, name) {
        return Ok(());
    }
    Err(Refusal::NotAllowed { user: user.name().into(), action, secret: name.into() })
}

fn check_value(deployment: &Deployment, name: &str, upload: Upload) -> Result<SecretValue, Refusal> {
    let (_, definition) = definition(deployment, name)?;
    let refused = |reason: String| Refusal::Upload { secret: name.into(), reason };
    // A role that lets users write anything else passes no manifest; the state does not depend on that.
    if !definition.user_defined {
        return Err(refused("it is made by the Coordinator, not uploaded".into()));
    }
    let value = upload.check(definition).map_err(refused)?;
    match &value {
        SecretValue::Bytes(bytes) if definition.kind == SecretKind::Plain => {
            match refusing_nul(&deployment.manifest, name, bytes) {
                Some(place) => Err(refused(format!("it contains a NUL byte, which {place} cannot hold"))),
                None => Ok(value),
            }
        }
        _ => Ok(value),
    }
}
