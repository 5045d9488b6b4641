//! One activation: a marble with a fresh certificate, and the request that the step describes.

use anyhow::{Context as _, Result, anyhow, bail};
use marblerun_api::grpc::{ActivationReq, Parameters};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::super::json::Json;
use super::super::{Outcome, Run};
use crate::client::grpc;
use crate::client::tls::Identity;

/// What a marble logs in with: self-signed, ECDSA P-384.
pub(super) struct Marble {
    key: KeyPair,
    pub(super) identity: Identity,
}

impl Marble {
    pub(super) fn new() -> Result<Self> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).context("marble key")?;
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned()]).context("marble certificate")?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "marble");
        let certificate = params.self_signed(&key).context("marble certificate")?.der().clone();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Self { key, identity: Identity::new(vec![certificate], &private)? })
    }
}

impl Run {
    pub(super) fn activate(&mut self, step: &Json) -> Result<Outcome> {
        let marble = Marble::new()?;
        let anonymous = step.field_text("client") == Some("none");
        let identity = (!anonymous).then_some(&marble.identity);
        let call = grpc::activate(self.coordinator.mesh_addr, identity, request(step, &marble.key)?);
        let (answer, message) = match self.runtime.block_on(call) {
            Ok(Ok(response)) => {
                (granted(response.parameters.context("an answer without parameters")?)?, String::new())
            }
            Ok(Err(status)) => (refused(&format!("{:?}", status.code())), status.message().to_owned()),
            // Without a certificate, the end of the handshake may be the refusal.
            Err(why) if anonymous => (refused("handshake"), format!("{why:#}")),
            Err(why) => return Err(why),
        };
        let mut reasons = self.judge_activation(step, &answer);
        if let Err(why) = self.save(step, &answer) {
            reasons.push(format!("{why:#}"));
        }
        if !reasons.is_empty() && !message.is_empty() {
            reasons.push(format!("(its message: {message})"));
        }
        Ok(Outcome { reasons, not_built: false })
    }

    fn judge_activation(&self, step: &Json, answer: &Json) -> Vec<String> {
        if step.at("/answer/grpc").and_then(Json::as_text) != Some("<refused>") {
            return self.compare(step, answer);
        }
        let granted = answer.field_text("grpc") == Some("OK");
        if granted { vec!["expected a refusal, seen OK".to_owned()] } else { Vec::new() }
    }
}

fn refused(code: &str) -> Json {
    Json::Object(vec![("grpc".to_owned(), Json::text(code))])
}

/// `{grpc, argv, env, files}`, the TTLS configuration parsed.
fn granted(parameters: Parameters) -> Result<Json> {
    let map = |map: std::collections::BTreeMap<String, Vec<u8>>| {
        Json::Object(map.into_iter().map(|(name, bytes)| (name, Json::from_bytes(bytes))).collect())
    };
    let mut env = map(parameters.env);
    if let Some(ttls) = env.field_text("MARBLE_TTLS_CONFIG").map(str::to_owned) {
        let ttls = Json::parse(&ttls).context("MARBLE_TTLS_CONFIG")?;
        env.replace_at("/MARBLE_TTLS_CONFIG", |_| Some(ttls));
    }
    let argv = Json::List(parameters.argv.into_iter().map(Json::Text).collect());
    let fields = [("grpc", Json::text("OK")), ("argv", argv), ("env", env), ("files", map(parameters.files))];
    Ok(Json::Object(fields.map(|(name, value)| (name.to_owned(), value)).into()))
}

fn request(step: &Json, key: &KeyPair) -> Result<ActivationReq> {
    let nothing = Json::Object(Vec::new());
    Ok(ActivationReq {
        quote: hex::decode(step.field_text("quote").unwrap_or_default()).context("quote")?,
        csr: csr(step.field("csr").unwrap_or(&nothing), key)?,
        marble_type: step.field_text("type").unwrap_or_default().to_owned(),
        uuid: step.field_text("uuid").unwrap_or_default().to_owned(),
        challenge: Vec::new(),
    })
}

fn csr(wish: &Json, marble_key: &KeyPair) -> Result<Vec<u8>> {
    let own;
    let key = match wish.field_text("key") {
        Some(kind) => {
            own = key_of_kind(kind)?;
            &own
        }
        None => marble_key,
    };
    let request = csr_params(wish)?.serialize_request(key).context("certificate request")?.der().to_vec();
    spoil(request, wish.field_text("spoil"))
}

fn key_of_kind(kind: &str) -> Result<KeyPair> {
    let algorithm = match kind {
        "p256" => &rcgen::PKCS_ECDSA_P256_SHA256,
        "rsa" => &rcgen::PKCS_RSA_SHA256,
        "ed25519" => &rcgen::PKCS_ED25519,
        other => bail!("no key of kind {other}"),
    };
    KeyPair::generate_for(algorithm).context("key of the request")
}

fn csr_params(wish: &Json) -> Result<CertificateParams> {
    let listed = |name: &str, default: &str| -> Vec<String> {
        let default = Json::List(vec![Json::text(default)]);
        let list = wish.field(name).unwrap_or(&default);
        list.items().iter().filter_map(Json::as_text).map(str::to_owned).collect()
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(subject) = wish.field_text("subject") {
        params.distinguished_name.push(DnType::CommonName, subject.strip_prefix("CN=").unwrap_or(subject));
    }
    for name in listed("dns", "localhost") {
        let name = name.as_str().try_into().map_err(|_| anyhow!("{name:?} is no DNS name"))?;
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    for address in listed("ips", "127.0.0.1") {
        params.subject_alt_names.push(SanType::IpAddress(address.parse().context("IP address")?));
    }
    Ok(params)
}

fn spoil(mut request: Vec<u8>, how: Option<&str>) -> Result<Vec<u8>> {
    match how {
        None => Ok(request),
        Some("empty") => Ok(Vec::new()),
        Some("garbage") => Ok(b"no certificate request".to_vec()),
        Some("signature") => {
            // The last byte belongs to the integer s of the signature: the encoding stays sound.
            *request.last_mut().context("an empty request")? ^= 1;
            Ok(request)
        }
        Some(other) => bail!("no way to spoil {other}"),
    }
}

#[cfg(test)]
mod tests {
    use der::{Decode as _, Encode as _};
    use x509_cert::request::CertReq;

    use super::super::super::x509;
    use super::*;

    fn made(wish: &str) -> Vec<u8> {
        csr(&Json::parse(wish).expect("JSON"), &Marble::new().expect("marble").key).expect("request")
    }

    /// A request has the outer form of a certificate, signed by its own key.
    fn is_valid(request: &[u8]) -> bool {
        let Ok(parsed) = CertReq::from_der(request) else { return false };
        x509::check_signed_by(request, &parsed.info.public_key.to_der().expect("public key")).is_ok()
    }

    fn contains(request: &[u8], part: &[u8]) -> bool {
        is_valid(request) && request.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn requests_carry_the_names() {
        let usual = made("{}");
        assert!(contains(&usual, b"localhost") && contains(&usual, &[127, 0, 0, 1]));
        let none = made(r#"{"dns":[],"ips":[]}"#);
        assert!(is_valid(&none) && !contains(&none, b"localhost") && !contains(&none, &[127, 0, 0, 1]));
        assert!(contains(&made(r#"{"dns":["*.a.example"],"ips":["2001:db8::7"]}"#), b"*.a.example"));
        assert!(contains(&made(r#"{"subject":"CN=orchard"}"#), b"orchard"));
    }

    #[test]
    fn keys_of_other_kinds_sign() {
        for kind in ["p256", "rsa", "ed25519"] {
            assert!(is_valid(&made(&format!(r#"{{"key":"{kind}"}}"#))), "{kind}");
        }
    }

    #[test]
    fn spoilt_requests_are_no_requests() {
        assert!(is_valid(&made("{}")));
        assert!(!is_valid(&made(r#"{"spoil":"garbage"}"#)));
        assert!(!is_valid(&made(r#"{"spoil":"signature"}"#)));
        assert!(CertReq::from_der(&made(r#"{"spoil":"signature"}"#)).is_ok(), "only the signature is spoilt");
        assert!(made(r#"{"spoil":"empty"}"#).is_empty());
    }

    #[test]
    fn parameters_become_an_answer() {
        let env = [("A", &b"b"[..]), ("MARBLE_TTLS_CONFIG", br#"{"tls":{}}"#), ("Z", &[255])];
        let env = env.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).into();
        let answer =
            granted(Parameters { files: [("/f".to_owned(), vec![])].into(), env, argv: vec!["x".into()] });
        assert_eq!(
            answer.expect("an answer").compact(),
            r#"{"grpc":"OK","argv":["x"],"env":{"A":"b","MARBLE_TTLS_CONFIG":{"tls":{}},"Z":{"raw":"ff"}},"files":{"/f":""}}"#
        );
    }
}
