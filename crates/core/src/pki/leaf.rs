//! Reading back a marble's own certificate: who it names, if it is one that this Coordinator issued.
//!
//! The certificates of secrets are issued under the same authority; what tells a marble's apart is the extension with
//! its type, which no manifest can put into a secret's certificate.

use std::time::SystemTime;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode as _, Encode as _, Reader, SliceReader, Tag};
use spki::ObjectIdentifier;
use uuid::Uuid;
use x509_cert::time::Validity;

use super::Pki;
use super::certificate::Signed;
use super::extensions::MARBLE_TYPE_OID;
use super::name::COMMON_NAME;

/// Largest certificate that is looked at, in bytes: as large as the request that it follows from may be, and the
/// Coordinator's part.
const MAX_BYTES: usize = super::MAX_REQUEST_BYTES + 4096;

impl Pki {
    /// Type and UUID of the marble whose certificate (DER) this is; `None` unless it was issued under the marble root
    /// in force and has not expired.
    pub fn marble_of(&self, certificate: &[u8], now: SystemTime) -> Option<(String, Uuid)> {
        if certificate.len() > MAX_BYTES {
            return None;
        }
        let signed = Signed::from_der(certificate).ok()?;
        self.check_signature(&signed)?;
        read(signed.body.value(), now).ok()?
    }

    /// Before anything else is read: what the Coordinator did not sign says nothing.
    fn check_signature(&self, signed: &Signed<'_>) -> Option<()> {
        let public = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, &self.intermediate_key.bytes().public);
        public.verify(&signed.body.to_der().ok()?, signed.signature.raw_bytes()).ok()
    }
}

/// Fields of a `TBSCertificate` (RFC 5280 section 4.1) of version 3.
fn read(body: &[u8], now: SystemTime) -> der::Result<Option<(String, Uuid)>> {
    let mut fields = SliceReader::new(body)?;
    // Version, serial number, algorithm, issuer.
    for _ in 0..4 {
        AnyRef::decode(&mut fields)?;
    }
    let validity: Validity = Validity::decode(&mut fields)?;
    let subject = AnyRef::decode(&mut fields)?;
    AnyRef::decode(&mut fields)?;
    let extensions = AnyRef::from_der(AnyRef::decode(&mut fields)?.value())?;
    if validity.not_after.to_system_time() < now {
        return Ok(None);
    }
    Ok(marble_type(extensions.value())?.zip(uuid(subject.value())?))
}

fn marble_type(extensions: &[u8]) -> der::Result<Option<String>> {
    let wanted = ObjectIdentifier::new_unwrap(MARBLE_TYPE_OID);
    for extension in items(extensions)? {
        let (oid, value) = extension.sequence(|reader| {
            let oid = ObjectIdentifier::decode(reader)?;
            if Tag::peek(reader)? == Tag::Boolean {
                bool::decode(reader)?;
            }
            Ok::<_, der::Error>((oid, <&OctetStringRef>::decode(reader)?.as_bytes().to_vec()))
        })?;
        if oid == wanted {
            return Ok(String::from_utf8(value).ok());
        }
    }
    Ok(None)
}

/// The UUID is the only common name.
fn uuid(subject: &[u8]) -> der::Result<Option<Uuid>> {
    for part in items(subject)?.into_iter().map(|rdn| items(rdn.value())) {
        for attribute in part? {
            let (oid, value) = attribute
                .sequence(|r| Ok::<_, der::Error>((ObjectIdentifier::decode(r)?, AnyRef::decode(r)?)))?;
            if oid == COMMON_NAME {
                return Ok(Uuid::try_parse_ascii(value.value()).ok());
            }
        }
    }
    Ok(None)
}

fn items(bytes: &[u8]) -> der::Result<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(bytes)?;
    let mut all = Vec::new();
    while !reader.is_finished() {
        all.push(AnyRef::decode(&mut reader)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use marblerun_manifest::CertificateTemplate;

    use super::*;
    use crate::keys::{FreshKeys, KeyKind, KeySource as _};
    use crate::pki::CertificateRequest;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn pki() -> Pki {
        Pki::generate(&[], &[], &FreshKeys, now()).unwrap()
    }

    fn issue(pki: &Pki, marble_type: &str) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "orchard");
        params.distinguished_name.push(rcgen::DnType::CommonName, "somebody else");
        let request = CertificateRequest::parse(params.serialize_request(&key).unwrap().der()).unwrap();
        let public = FreshKeys.key_pair(KeyKind::Ed25519).unwrap().public;
        pki.issue_marble(&request, marble_type, &uuid_of_test().to_string(), &public, &FreshKeys, now())
            .unwrap()
    }

    fn uuid_of_test() -> Uuid {
        Uuid::from_u128(0x0d1e_2f30_4152_4637_8a9b_acbd_cedf_f001)
    }

    #[test]
    fn a_marble_is_who_its_certificate_says() {
        let pki = pki();
        for marble_type in ["press", "", "weird \u{1F34F}\n\0"] {
            let leaf = issue(&pki, marble_type);
            assert_eq!(pki.marble_of(&leaf, now()), Some((marble_type.to_owned(), uuid_of_test())));
        }
    }

    #[test]
    fn nobody_else_is_a_marble() {
        let pki = pki();
        let updated = pki.with_new_intermediate(&[], &[], &FreshKeys, now()).unwrap();
        let leaf = issue(&pki, "press");
        assert_eq!(updated.marble_of(&leaf, now()), None, "issued before an update");
        let later = now() + Duration::from_secs(400 * 365 * 86_400);
        assert_eq!(pki.marble_of(&leaf, later), None, "expired");
        for own in [&pki.root, &pki.intermediate, &pki.marble_root] {
            assert_eq!(pki.marble_of(own, now()), None);
        }
        let mut template = CertificateTemplate::default();
        template.subject = vec![("2.5.4.3".into(), vec![uuid_of_test().to_string()])];
        let public = FreshKeys.key_pair(KeyKind::Ed25519).unwrap().public;
        let secret = pki.issue_secret(&template, &public, &FreshKeys, now()).unwrap();
        assert_eq!(pki.marble_of(&secret, now()), None, "the certificate of a secret");
    }

    #[test]
    fn any_other_byte_makes_it_nobodys() {
        let pki = pki();
        let leaf = issue(&pki, "press");
        for at in 0..leaf.len() {
            let mut other = leaf.clone();
            other[at] ^= 1;
            // Unsigned is only the algorithm's name beside the signature.
            if let Some(who) = pki.marble_of(&other, now()) {
                assert_eq!(who, ("press".to_owned(), uuid_of_test()), "byte {at}");
            }
            assert_eq!(pki.marble_of(&leaf[..at], now()), None);
        }
    }
}
