//! The cryptography of one activation: request checked, key made, leaf signed (RFC 2986, RFC 5280, RFC 5958).

use anyhow::{Context as _, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use der::asn1::{BitString, ObjectIdentifier, OctetString};
use der::pem::LineEnding;
use der::{Decode as _, Encode as _, Sequence};
use rcgen::{BasicConstraints, CertificateParams, IsCa, PKCS_ECDSA_P384_SHA384};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_cert::certificate::Version;
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::request::CertReq;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Validity;
use x509_cert::{Certificate, TbsCertificate};

const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");
const MARBLE_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.9903.2.1");

/// BIT STRING: digitalSignature, keyAgreement.
const LEAF_KEY_USAGE: &[u8] = &[0x03, 0x02, 0x03, 0x88];
/// SEQUENCE of serverAuth and clientAuth.
const LEAF_EXTENDED_KEY_USAGE: &[u8] =
    b"\x30\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02";

/// A throw-away authority.
pub(super) struct Issuer {
    key: EcdsaKeyPair,
    pkcs8: Vec<u8>,
    root: Certificate,
    der: CertificateDer<'static>,
    pem: String,
}

/// What one activation makes.
pub(super) struct Leaf {
    /// Leaf and root, PEM.
    pub(super) chain: String,
    /// PKCS#8, PEM.
    pub(super) key: String,
}

impl Issuer {
    /// A new P-384 root.
    pub(super) fn generate() -> anyhow::Result<Self> {
        let key = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned()])?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = parameters.self_signed(&key)?;
        let pkcs8 = key.serialize_der();
        Ok(Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &pkcs8)
                .ok()
                .context("key of the root")?,
            pkcs8,
            root: Certificate::from_der(root.der())?,
            der: root.der().clone(),
            pem: root.pem(),
        })
    }

    /// The root certificate, which the server presents as well.
    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.der.clone()
    }

    /// Its key, for the TLS server.
    pub(super) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pkcs8.clone()).into()
    }

    /// The root certificate as marbles receive it.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// Answers a request as a Coordinator would, without asking who sent it.
    pub(super) fn issue(&self, csr: &[u8], marble_type: &str, uuid: &str) -> anyhow::Result<Leaf> {
        let request = verified_request(csr)?;
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).ok().context("make a key")?;
        let body = self.body(&request, &key, marble_type, uuid)?;
        let leaf = self.sign(body)?;
        let pkcs8 = key.to_pkcs8v1().ok().context("encode the key")?;
        let chain = pem("CERTIFICATE", &leaf)? + &self.pem;
        Ok(Leaf { chain, key: pem("PRIVATE KEY", pkcs8.as_ref())? })
    }

    fn body(
        &self,
        request: &CertReq,
        key: &EcdsaKeyPair,
        marble_type: &str,
        uuid: &str,
    ) -> anyhow::Result<Body> {
        let root: &TbsCertificate = self.root.tbs_certificate();
        let mut public_key = root.subject_public_key_info().clone();
        public_key.subject_public_key = BitString::from_bytes(key.public_key().as_ref())?;
        Ok(Body {
            version: Version::V3,
            serial: serial()?,
            signature: self.root.signature_algorithm().clone(),
            issuer: root.subject().clone(),
            validity: *root.validity(),
            subject: format!("CN={}", uuid::Uuid::parse_str(uuid)?.hyphenated()).parse()?,
            public_key,
            extensions: extensions(request, marble_type)?,
        })
    }

    fn sign(&self, body: Body) -> anyhow::Result<Vec<u8>> {
        let signature = self.key.sign(&SystemRandom::new(), &body.to_der()?).ok().context("sign")?;
        let algorithm = body.signature.clone();
        Ok(Signed { body, algorithm, signature: BitString::from_bytes(signature.as_ref())? }.to_der()?)
    }
}

/// `TBSCertificate`; the one of `x509-cert` cannot be filled from outside.
#[derive(Sequence)]
struct Body {
    #[asn1(context_specific = "0", default = "Default::default")]
    version: Version,
    serial: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    public_key: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}

/// `Certificate`.
#[derive(Sequence)]
struct Signed {
    body: Body,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

/// The load generator's requests are all P-384 with SHA-384.
fn verified_request(csr: &[u8]) -> anyhow::Result<CertReq> {
    let request = CertReq::from_der(csr).context("certificate request")?;
    let key = UnparsedPublicKey::new(
        &ECDSA_P384_SHA384_ASN1,
        request.info.public_key.subject_public_key.raw_bytes(),
    );
    let valid = key.verify(&request.info.to_der()?, request.signature.raw_bytes());
    ensure!(valid.is_ok(), "the certificate request's signature is not right");
    Ok(request)
}

fn extensions(request: &CertReq, marble_type: &str) -> anyhow::Result<Extensions> {
    let mut extensions = vec![
        extension(KEY_USAGE, LEAF_KEY_USAGE)?,
        extension(EXTENDED_KEY_USAGE, LEAF_EXTENDED_KEY_USAGE)?,
        extension(MARBLE_TYPE, marble_type.as_bytes())?,
    ];
    for attribute in request.info.attributes.iter().filter(|given| given.oid == EXTENSION_REQUEST) {
        for value in attribute.values.iter() {
            let wanted: Extensions = value.decode_as()?;
            extensions.extend(wanted.into_iter().filter(|one| one.extn_id == SUBJECT_ALT_NAME));
        }
    }
    Ok(extensions)
}

fn extension(extn_id: ObjectIdentifier, value: &[u8]) -> anyhow::Result<Extension> {
    Ok(Extension { extn_id, critical: false, extn_value: OctetString::new(value)? })
}

fn serial() -> anyhow::Result<SerialNumber> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).ok().context("no randomness")?;
    Ok(SerialNumber::new(&random)?)
}

fn pem(label: &str, der: &[u8]) -> anyhow::Result<String> {
    der::pem::encode_string(label, LineEnding::LF, der).map_err(|error| anyhow::anyhow!("PEM: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

    fn request() -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let parameters = CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
        parameters.serialize_request(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_leaf_is_what_a_marble_expects() {
        let leaf = Issuer::generate().unwrap().issue(&request(), "web", UUID).unwrap();
        let chain = Certificate::load_pem_chain(leaf.chain.as_bytes()).unwrap();
        let (body, root) = (chain[0].tbs_certificate(), chain[1].tbs_certificate());
        assert_eq!(body.subject().to_string(), format!("CN={UUID}"));
        assert_eq!(body.issuer(), root.subject());
        let carries = |id| body.extensions().unwrap().iter().any(|one| one.extn_id == id);
        assert!([KEY_USAGE, EXTENDED_KEY_USAGE, SUBJECT_ALT_NAME, MARBLE_TYPE].into_iter().all(carries));
        verify(&chain[0], root);
        assert!(leaf.key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    }

    fn verify(leaf: &Certificate, root: &TbsCertificate) {
        let point = root.subject_public_key_info().subject_public_key.raw_bytes();
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point)
            .verify(&leaf.tbs_certificate().to_der().unwrap(), leaf.signature().raw_bytes())
            .unwrap();
    }

    #[test]
    fn a_request_that_was_changed_is_refused() {
        let mut csr = request();
        let last = csr.len() - 1;
        csr[last] ^= 1;
        assert!(Issuer::generate().unwrap().issue(&csr, "web", UUID).is_err());
    }
}
