//! One activation: from a verified marble to its certificate and parameters.
//!
//! The cost depends on what the marble uses, never on the size of the manifest: secrets are made when a template
//! encodes them.

mod source;
mod ttls;

use std::collections::BTreeMap;
use std::time::SystemTime;

use marblerun_attest::Verified;
use marblerun_manifest::{Marble, Parameter};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::decide::{Command, check_limit};
use crate::encoding::pem;
use crate::keys::{KeyKind, KeyPair, KeySource};
use crate::pki::CertificateRequest;
use crate::refusal::Refusal;
use crate::state::Deployment;
use source::MarbleSecrets;

/// Variables that every marble receives; the manifest cannot set them.
pub const ROOT_CA: &str = "MARBLE_PREDEFINED_ROOT_CA";
/// The marble's leaf, then the intermediate.
pub const CERTIFICATE_CHAIN: &str = "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN";
/// The marble's private key.
pub const PRIVATE_KEY: &str = "MARBLE_PREDEFINED_PRIVATE_KEY";
/// The Coordinator's root.
pub const COORDINATOR_ROOT_CA: &str = "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA";
/// Transparent TLS; only for marbles with tags.
pub const TTLS_CONFIG: &str = "MARBLE_TTLS_CONFIG";

/// What a marble asks for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Name of its entry in the manifest.
    pub marble_type: &'a str,
    /// Its UUID, in any of the usual spellings.
    pub uuid: &'a str,
    /// PKCS#10 request, DER.
    pub csr: &'a [u8],
}

/// What a marble may have, once `count` (if any) is durable.
pub struct Admission {
    /// The marble's identity.
    pub uuid: Uuid,
    /// Files, environment, arguments.
    pub parameters: Parameters,
    /// The command that must be durable before the marble receives anything; `None` for unlimited types.
    pub count: Option<Command>,
}

/// Files, environment and arguments, rendered.
pub struct Parameters {
    /// By path.
    pub files: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// By name.
    pub env: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// In order; empty means that the marble's own default holds.
    pub argv: Vec<Zeroizing<String>>,
}

/// The marble's own certificate and key.
pub(crate) struct Identity {
    pub(crate) certificate: Vec<u8>,
    pub(crate) certificate_pem: String,
    pub(crate) key: KeyPair,
    pub(crate) key_pem: Zeroizing<String>,
}

/// Admits a marble whose evidence was verified: issues its certificate and renders its parameters.
///
/// # Errors
/// Why the marble is refused. An unknown type is reported before anything else of the request is looked at.
pub fn admit(
    deployment: &Deployment,
    _verified: &Verified,
    request: Request<'_>,
    keys: &dyn KeySource,
    now: SystemTime,
) -> Result<Admission, Refusal> {
    let (name, marble) = marble(deployment, request.marble_type)?;
    let uuid = Uuid::try_parse(request.uuid).map_err(|_| Refusal::uuid(request.uuid))?;
    check_limit(deployment, name)?;
    let csr = CertificateRequest::parse(request.csr)?;
    check_names(deployment, name, marble, &csr)?;
    let identity = issue(deployment, name, uuid, &csr, keys, now)?;
    let source = MarbleSecrets::new(deployment, name, marble, uuid, &identity, keys, now);
    let parameters = render(deployment, name, marble, &identity, &source)?;
    let count = (marble.max_activations != 0)
        .then(|| Command::CountActivation { marble_type: name.to_owned(), epoch: deployment.epoch });
    Ok(Admission { uuid, parameters, count })
}

/// Refuses names that the marble's package does not list, where it lists any (T17).
fn check_names(
    deployment: &Deployment,
    marble_type: &str,
    marble: &Marble,
    csr: &CertificateRequest,
) -> Result<(), Refusal> {
    let package = deployment.manifest.packages.get(&marble.package);
    let Some(allowed) = package.and_then(|package| package.allowed_dns_names.as_ref()) else { return Ok(()) };
    let same = |name: &str| allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
    match csr.dns_names.iter().find(|name| !same(name)) {
        None => Ok(()),
        Some(name) => Err(Refusal::DnsName {
            marble_type: marble_type.to_owned(),
            package: marble.package.clone(),
            name: crate::refusal::cut(name),
        }),
    }
}

/// The manifest's entry of a type, with the name as the manifest has it.
///
/// # Errors
/// [`Refusal::UnknownMarble`].
pub fn marble<'a>(deployment: &'a Deployment, marble_type: &str) -> Result<(&'a str, &'a Marble), Refusal> {
    let entry = deployment.manifest.marbles.get_key_value(marble_type);
    entry.map(|(name, marble)| (name.as_str(), marble)).ok_or_else(|| Refusal::unknown_marble(marble_type))
}

fn issue(
    deployment: &Deployment,
    marble_type: &str,
    uuid: Uuid,
    csr: &CertificateRequest,
    keys: &dyn KeySource,
    now: SystemTime,
) -> Result<Identity, Refusal> {
    let key = keys.key_pair(KeyKind::Ecdsa(marblerun_manifest::Curve::P384))?;
    let uuid = uuid.hyphenated().to_string();
    let certificate = deployment.pki.issue_marble(csr, marble_type, &uuid, &key.public, keys, now)?;
    let certificate_pem = pem("CERTIFICATE", &certificate);
    let key_pem = Zeroizing::new(pem("PRIVATE KEY", &key.private));
    Ok(Identity { certificate, certificate_pem, key, key_pem })
}

fn render(
    deployment: &Deployment,
    name: &str,
    marble: &Marble,
    identity: &Identity,
    source: &MarbleSecrets<'_>,
) -> Result<Parameters, Refusal> {
    let files =
        render_section(&marble.files, source, |key| format!("Marbles.{name}.Parameters.Files.{key}"))?;
    let mut env = render_section(&marble.env, source, |key| format!("Marbles.{name}.Parameters.Env.{key}"))?;
    let argv = render_argv(&marble.argv, source, name)?;
    let chain = &deployment.chain;
    let mut set = |key: &str, text: String| env.insert(key.into(), Zeroizing::new(text.into_bytes()));
    set(ROOT_CA, chain.marble_root.clone());
    set(COORDINATOR_ROOT_CA, chain.root.clone());
    set(CERTIFICATE_CHAIN, format!("{}{}", identity.certificate_pem, chain.intermediate));
    set(PRIVATE_KEY, (*identity.key_pem).clone());
    match ttls::config(deployment, marble, identity, source)? {
        Some(config) => env.insert(TTLS_CONFIG.into(), config),
        None => env.remove(TTLS_CONFIG),
    };
    Ok(Parameters { files, env, argv })
}

fn render_section(
    section: &BTreeMap<String, Parameter>,
    source: &MarbleSecrets<'_>,
    path: impl Fn(&str) -> String,
) -> Result<BTreeMap<String, Zeroizing<Vec<u8>>>, Refusal> {
    let rendered = section
        .iter()
        .map(|(key, parameter)| Ok((key.clone(), render_one(parameter, source, || path(key))?)));
    rendered.collect()
}

fn render_argv(
    argv: &[Parameter],
    source: &MarbleSecrets<'_>,
    name: &str,
) -> Result<Vec<Zeroizing<String>>, Refusal> {
    let path = |index: usize| format!("Marbles.{name}.Parameters.Argv[{index}]");
    let rendered = argv.iter().enumerate().map(|(index, argument)| {
        let bytes = render_one(argument, source, || path(index))?;
        match std::str::from_utf8(&bytes) {
            Ok(text) if !text.contains('\0') => Ok(Zeroizing::new(text.to_owned())),
            _ => Err(Refusal::Value {
                path: path(index),
                reason: "an argument must be UTF-8 text without NUL; encode the secret with hex or base64"
                    .into(),
            }),
        }
    });
    rendered.collect()
}

fn render_one(
    parameter: &Parameter,
    source: &MarbleSecrets<'_>,
    path: impl Fn() -> String,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    match parameter {
        Parameter::Literal(bytes) => Ok(Zeroizing::new(bytes.clone())),
        Parameter::Template(template) => {
            template.render(source).map_err(|error| Refusal::Parameter { path: path(), error })
        }
    }
}
