//! `secrets`: users read and upload values.

use std::collections::BTreeMap;

use http::Request;
use marblerun_api::rest::{self, SecretBytes, SecretUpload, SecretUploads, SetSecrets};
use marblerun_core::secrets::{SecretValue, Upload};
use marblerun_core::{Refusal, State, User, read_secrets};
use marblerun_manifest::{Secret, Validity};
use zeroize::Zeroizing;

use super::answer::{Refused, Success};
use super::body;
use super::routes::Version;
use crate::failure::Failure;
use crate::service::Coordinator;
use crate::traffic::Received;

/// What an upload looks like.
const SHAPE_V1: &str =
    r#"{NAME: {"Key": base64} or {"Cert": base64, "Private": base64}, ...} with each name once"#;
const SHAPE_V2: &str =
    r#"{"secrets": {NAME: {"Key": base64} or {"Cert": base64, "Private": base64}, ...}} with each name once"#;

/// Largest upload: room for several of the largest plain secrets. More go into further requests.
const MOST: usize = 8 << 20;

/// Values of the secrets named in the query as `s`.
pub(super) async fn read(
    user: User,
    coordinator: &Coordinator,
    version: Version,
    query: Option<&str>,
) -> Result<Success, Refused> {
    let parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let names: Vec<String> =
        parameters.filter(|(key, _)| key == "s").map(|(_, name)| name.into_owned()).collect();
    let state = coordinator.read_secrets(user.clone(), names.clone()).await?;
    let secrets = values(&state, &user, &names)?;
    tracing::info!(user = user.name(), secrets = ?secrets.keys(), "secrets read");
    match version {
        Version::V1 => Success::new(secrets),
        Version::V2 => Success::new(rest::Secrets { secrets }),
    }
}

fn values(state: &State, user: &User, names: &[String]) -> Result<BTreeMap<String, rest::Secret>, Refused> {
    let deployment = state.deployment().ok_or(Failure::Refused(Refusal::NotServing(state.phase())))?;
    let found = read_secrets(deployment, user, names).map_err(Failure::from)?;
    let on_the_wire =
        |(name, (definition, value)): (&str, _)| (name.to_owned(), on_the_wire(definition, value));
    Ok(found.into_iter().map(on_the_wire).collect())
}

/// Sets all uploaded values, or none.
pub(super) async fn set(
    user: User,
    coordinator: &Coordinator,
    version: Version,
    request: Request<Received>,
) -> Result<Success, Refused> {
    let uploads = match version {
        Version::V1 => body::json::<SecretUploads>(request.into_body(), MOST, SHAPE_V1).await?,
        Version::V2 => body::json::<SetSecrets>(request.into_body(), MOST, SHAPE_V2).await?.secrets,
    };
    let uploads = uploads.0.into_iter().map(|(name, upload)| (name, inner(upload))).collect();
    coordinator.set_secrets(user, uploads).await?;
    Success::new(())
}

fn inner(upload: SecretUpload) -> Upload {
    Upload {
        key: upload.key.map(|bytes| bytes.0),
        certificate: upload.cert.map(|bytes| bytes.0.to_vec()),
        private: upload.private.map(|bytes| bytes.0),
    }
}

fn on_the_wire(definition: &Secret, value: Option<&SecretValue>) -> rest::Secret {
    let (cert, private, public) = parts(value);
    rest::Secret {
        r#type: definition.kind.type_name().into(),
        size: definition.kind.size_bits(),
        shared: definition.shared,
        user_defined: definition.user_defined,
        cert,
        valid_for: valid_days(definition),
        private,
        public,
    }
}

/// Certificate, private and public part. Bytes without halves stand as both.
fn parts(value: Option<&SecretValue>) -> (Option<SecretBytes>, Option<SecretBytes>, Option<SecretBytes>) {
    let copy = |bytes: &[u8]| Some(SecretBytes(Zeroizing::new(bytes.to_vec())));
    match value {
        None => (None, None, None),
        Some(SecretValue::Bytes(bytes)) => (None, copy(bytes), copy(bytes)),
        Some(SecretValue::Certificate { certificate, public, private }) => {
            (copy(certificate), copy(private), copy(public))
        }
    }
}

fn valid_days(definition: &Secret) -> u32 {
    let made = definition.kind.is_certificate() && !definition.user_defined;
    match definition.certificate.validity {
        Validity::Days(days) if made => days,
        Validity::Days(_) | Validity::Until(_) => 0,
    }
}
