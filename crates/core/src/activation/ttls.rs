//! `MARBLE_TTLS_CONFIG`: which connections of a marble its runtime protects, and with what.

use std::collections::BTreeMap;

use marblerun_manifest::template::{Generation, Part};
use marblerun_manifest::{Incoming, Marble};
use serde::Serialize;
use zeroize::Zeroizing;

use super::Identity;
use super::source::MarbleSecrets;
use crate::encoding::{json, pem};
use crate::refusal::Refusal;
use crate::state::Deployment;

#[derive(Serialize)]
struct Config<'a> {
    tls: Directions<'a>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Directions<'a> {
    incoming: BTreeMap<String, Credentials<'a>>,
    outgoing: BTreeMap<String, Credentials<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Credentials<'a> {
    cacrt: &'a str,
    clicrt: String,
    clikey: Zeroizing<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_auth: Option<bool>,
}

/// The variable's content; `None` if the marble has no tags.
pub(super) fn config(
    deployment: &Deployment,
    marble: &Marble,
    identity: &Identity,
    source: &MarbleSecrets<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>, Refusal> {
    if marble.tls.is_empty() {
        return Ok(None);
    }
    let mut tls = Directions::default();
    let own = |client_auth| Credentials {
        cacrt: &deployment.chain.marble_root,
        clicrt: identity.certificate_pem.clone(),
        clikey: identity.key_pem.clone(),
        client_auth,
    };
    for (name, tag) in marble.tls.iter().filter_map(|name| deployment.manifest.tls.get_key_value(name)) {
        for incoming in &tag.incoming {
            let credentials = match &incoming.cert {
                None => own(Some(true)),
                Some(cert) => foreign(deployment, name, incoming, cert, source)?,
            };
            tls.incoming.insert(format!("*:{}", incoming.port), credentials);
        }
        for outgoing in &tag.outgoing {
            tls.outgoing.insert(format!("{}:{}", outgoing.addr, outgoing.port), own(None));
        }
    }
    json(&Config { tls }).map(Some).map_err(|e| Refusal::Internal(e.to_string()))
}

/// Credentials of the certificate secret that an incoming port presents.
fn foreign<'a>(
    deployment: &'a Deployment,
    tag: &str,
    incoming: &Incoming,
    cert: &str,
    source: &MarbleSecrets<'_>,
) -> Result<Credentials<'a>, Refusal> {
    let part = |part| {
        let bytes = source.part(Generation::Current, cert, part);
        let reason = match bytes {
            Ok(bytes) if !bytes.is_empty() => return Ok(bytes),
            Ok(_) => format!("secret {cert:?} is no certificate"),
            Err(reason) => reason,
        };
        Err(Refusal::Value { path: format!("TLS.{tag}.Incoming (port {}).Cert", incoming.port), reason })
    };
    Ok(Credentials {
        cacrt: &deployment.chain.marble_root,
        clicrt: pem("CERTIFICATE", &part(Part::Cert)?),
        clikey: Zeroizing::new(pem("PRIVATE KEY", &part(Part::Private)?)),
        client_auth: Some(!incoming.disable_client_auth),
    })
}
