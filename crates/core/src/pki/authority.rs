//! What a Coordinator signs with, and what it signs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use marblerun_manifest::{CertificateTemplate, Validity};
use serde::{Deserialize, Serialize};
use x509_cert::ext::Extension;
use x509_cert::name::Name;

use super::certificate::Certificate;
use super::extensions::{self, Alternatives, Usage};
use super::request::CertificateRequest;
use super::{PkiError, name};
use crate::keys::{KeySource, SigningKey};

const ROOT_NAME: &str = "MarbleRun Coordinator";
const INTERMEDIATE_NAME: &str = "MarbleRun Coordinator - Intermediate CA";

/// The common name of a certificate secret that says nothing of its own and has no single DNS name.
const UNNAMED: &str = "MarbleRun Generated Certificate";

/// How long the Coordinator's and the marbles' certificates are valid: 2^63-1 ns, 292 years.
const LIFETIME: Duration = Duration::from_nanos(i64::MAX as u64);

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// The three certificates of a Coordinator and their two keys. Cheap to clone where shared in an `Arc`.
///
/// As data (serde) it contains both private keys: it belongs into the sealed state and nowhere else.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pki {
    /// Key of the root.
    pub root_key: SigningKey,
    /// DER of the root certificate, CN `MarbleRun Coordinator`.
    #[serde(with = "crate::encoding::base64")]
    pub root: Vec<u8>,
    /// Key of the intermediate and of the marble root.
    pub intermediate_key: SigningKey,
    /// DER of the intermediate, signed by the root.
    #[serde(with = "crate::encoding::base64")]
    pub intermediate: Vec<u8>,
    /// DER of the marble root: key and name of the intermediate, self-signed.
    #[serde(with = "crate::encoding::base64")]
    pub marble_root: Vec<u8>,
}

impl Pki {
    /// New root, intermediate and marble root for these DNS names and addresses (127.0.0.1 and ::1 are added).
    ///
    /// # Errors
    /// If no key can be made or a name fits no certificate.
    pub fn generate(
        names: &[String],
        addresses: &[IpAddr],
        keys: &dyn KeySource,
        now: SystemTime,
    ) -> Result<Self, PkiError> {
        let root_key = SigningKey::generate(keys)?;
        let addresses = with_loopback(addresses);
        let san = Alternatives { dns: names, ip: &addresses, ..Alternatives::default() };
        let root = Authority::root(&root_key).issue_authority(ROOT_NAME, &root_key, &san, keys, now)?;
        Self::below(root_key, root, &san, keys, now)
    }

    /// The same root with a new intermediate and marble root: on every update.
    ///
    /// # Errors
    /// As [`Pki::generate`].
    pub fn with_new_intermediate(
        &self,
        names: &[String],
        addresses: &[IpAddr],
        keys: &dyn KeySource,
        now: SystemTime,
    ) -> Result<Self, PkiError> {
        let addresses = with_loopback(addresses);
        let san = Alternatives { dns: names, ip: &addresses, ..Alternatives::default() };
        Self::below(self.root_key.clone(), self.root.clone(), &san, keys, now)
    }

    fn below(
        root_key: SigningKey,
        root: Vec<u8>,
        san: &Alternatives<'_>,
        keys: &dyn KeySource,
        now: SystemTime,
    ) -> Result<Self, PkiError> {
        let key = SigningKey::generate(keys)?;
        let intermediate =
            Authority::root(&root_key).issue_authority(INTERMEDIATE_NAME, &key, san, keys, now)?;
        let marble_root =
            Authority::intermediate(&key).issue_authority(INTERMEDIATE_NAME, &key, san, keys, now)?;
        Ok(Self { root_key, root, intermediate_key: key, intermediate, marble_root })
    }

    /// A marble's certificate under the marble root. `public` is the SubjectPublicKeyInfo of the key that the
    /// Coordinator made for it; subject, DNS names and addresses come from the request, CN is `uuid`.
    ///
    /// # Errors
    /// If the certificate cannot be encoded or signed.
    pub fn issue_marble(
        &self,
        request: &CertificateRequest,
        marble_type: &str,
        uuid: &str,
        public: &[u8],
        keys: &dyn KeySource,
        now: SystemTime,
    ) -> Result<Vec<u8>, PkiError> {
        let own = [
            extensions::key_usage(Usage::DIGITAL_SIGNATURE | Usage::KEY_AGREEMENT)?,
            extensions::server_and_client()?,
            extensions::basic_constraints(false)?,
            extensions::alternatives(&Alternatives {
                dns: &request.dns_names,
                ip: &request.ip_addresses,
                ..Alternatives::default()
            })?,
            Some(extensions::marble_type(marble_type)?),
        ];
        Authority::intermediate(&self.intermediate_key).issue(
            &Subject { name: name::encode(&request.subject_of(uuid))?, public, until: lifetime_end(now)? },
            own.into_iter().flatten().collect(),
            keys,
            now,
        )
    }

    /// The certificate of a certificate secret under the marble root.
    ///
    /// # Errors
    /// If the certificate cannot be encoded or signed, would be expired at `now`, or would make its holder an
    /// authority or a marble.
    pub fn issue_secret(
        &self,
        template: &CertificateTemplate,
        public: &[u8],
        keys: &dyn KeySource,
        now: SystemTime,
    ) -> Result<Vec<u8>, PkiError> {
        let subject = Subject { name: secret_name(template)?, public, until: secret_end(template, now)? };
        let extensions = extensions::of_template(template)?;
        Authority::intermediate(&self.intermediate_key).issue(&subject, extensions, keys, now)
    }
}

/// A name and the key that signs under it.
struct Authority<'a> {
    name: &'static str,
    key: &'a SigningKey,
}

/// Whom a certificate is for, and until when.
struct Subject<'a> {
    name: Name,
    public: &'a [u8],
    until: SystemTime,
}

impl<'a> Authority<'a> {
    fn root(key: &'a SigningKey) -> Self {
        Self { name: ROOT_NAME, key }
    }

    fn intermediate(key: &'a SigningKey) -> Self {
        Self { name: INTERMEDIATE_NAME, key }
    }

    fn issue_authority(
        &self,
        common_name: &str,
        key: &SigningKey,
        san: &Alternatives<'_>,
        keys: &dyn KeySource,
        now: SystemTime,
    ) -> Result<Vec<u8>, PkiError> {
        let own = [
            extensions::key_usage(Usage::DIGITAL_SIGNATURE | Usage::CERT_SIGN)?,
            extensions::server_and_client()?,
            extensions::basic_constraints(true)?,
            Some(extensions::subject_key(&key.bytes().public)?),
            extensions::alternatives(san)?,
        ];
        let name = name::encode(&name::with_common_name(&[], common_name))?;
        let subject = Subject { name, public: &key.bytes().public, until: lifetime_end(now)? };
        self.issue(&subject, own.into_iter().flatten().collect(), keys, now)
    }

    fn issue(
        &self,
        subject: &Subject<'_>,
        mut extensions: Vec<Extension>,
        keys: &dyn KeySource,
        now: SystemTime,
    ) -> Result<Vec<u8>, PkiError> {
        extensions.push(extensions::authority_key(&self.key.bytes().public)?);
        Certificate {
            issuer: name::encode(&name::with_common_name(&[], self.name))?,
            subject: &subject.name,
            not_before: now,
            not_after: subject.until,
            public: subject.public,
            extensions,
        }
        .sign(self.key, keys)
    }
}

/// The addresses of a Coordinator's certificates: those given and, always, the loopback ones; each once.
fn with_loopback(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = Vec::new();
    for address in addresses.iter().copied().chain([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

/// The subject that the manifest names; without a common name, the single DNS name or a fixed text.
fn secret_name(template: &CertificateTemplate) -> Result<Name, PkiError> {
    let subject = name::from_template(&template.subject)?;
    if name::has_common_name(&subject) {
        return name::encode(&subject).map_err(in_template);
    }
    let common_name = match template.dns_names.as_slice() {
        [single] => single,
        _ => UNNAMED,
    };
    name::encode(&name::with_common_name(&subject, common_name)).map_err(in_template)
}

fn in_template(error: der::Error) -> PkiError {
    PkiError::Template(format!("Subject: {error}"))
}

/// When a secret's certificate ends. One that ended already is an error: a template may name a date, and what was
/// in the future when the manifest was set may be past when the certificate is issued again.
fn secret_end(template: &CertificateTemplate, now: SystemTime) -> Result<SystemTime, PkiError> {
    let end = match template.validity {
        Validity::Days(days) => now.checked_add(Duration::from_secs(u64::from(days) * SECONDS_PER_DAY)),
        Validity::Until(end) => Some(end),
    };
    let end = end.ok_or_else(|| PkiError::Template("ValidFor: ends beyond any calendar".into()))?;
    if end <= now {
        let rule = "NotAfter: the certificate would be expired when it is issued; name a later date";
        return Err(PkiError::Template(rule.into()));
    }
    Ok(end)
}

fn lifetime_end(now: SystemTime) -> Result<SystemTime, PkiError> {
    now.checked_add(LIFETIME).ok_or_else(|| PkiError::Encoding("the clock is beyond any calendar".into()))
}
