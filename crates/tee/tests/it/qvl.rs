//! dcap-qvl, an independent verifier of Intel quotes, on the crypto stack of this workspace.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::config::{Config, CryptoProvider};
use dcap_qvl::verify::{QuoteVerifier, VerifiedReport};
use marblerun_tee::emulated::{Answer, Settings};
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

use crate::world::{VENDOR, get, now, seconds};

/// What the verifier says about a quote, with the collateral that the emulator serves now.
pub(crate) fn verify(quote: &[u8], settings: &Settings) -> Result<VerifiedReport, String> {
    let tdx = quote[4] == 0x81;
    verify_with(quote, &collateral(settings, tdx))
}

pub(crate) fn verify_with(quote: &[u8], collateral: &QuoteCollateralV3) -> Result<VerifiedReport, String> {
    let root = VENDOR.intel_root().to_vec();
    let verifier = QuoteVerifier::<OnAwsLc>::new_with_config(root);
    verifier.verify(quote, collateral, seconds(now())).map_err(|why| format!("{why:#}"))
}

/// Everything a verifier asks a PCCS for.
pub(crate) fn collateral(settings: &Settings, tdx: bool) -> QuoteCollateralV3 {
    let tee = if tdx { "tdx" } else { "sgx" };
    let fmspc = hex::encode(settings.platforms["default"].fmspc);
    let tcb = get(settings, &format!("/{tee}/certification/v4/tcb?fmspc={fmspc}"));
    let identity = get(settings, &format!("/{tee}/certification/v4/qe/identity?update=standard"));
    let ca = if settings.platforms["default"].pck_ca == marblerun_tee::emulated::PckCa::Platform {
        "platform"
    } else {
        "processor"
    };
    let pck_crl = get(settings, &format!("/sgx/certification/v4/pckcrl?ca={ca}&encoding=der"));
    let (tcb_info, tcb_info_signature) = split(&tcb, "tcbInfo");
    let (qe_identity, qe_identity_signature) = split(&identity, "enclaveIdentity");
    QuoteCollateralV3 {
        pck_crl_issuer_chain: header(&pck_crl, "SGX-PCK-CRL-Issuer-Chain"),
        root_ca_crl: hex::decode(get(settings, "/sgx/certification/v4/rootcacrl").body).unwrap(),
        pck_crl: pck_crl.body,
        tcb_info_issuer_chain: header(&tcb, "TCB-Info-Issuer-Chain"),
        tcb_info,
        tcb_info_signature,
        qe_identity_issuer_chain: header(&identity, "SGX-Enclave-Identity-Issuer-Chain"),
        qe_identity,
        qe_identity_signature,
        pck_certificate_chain: None,
    }
}

/// The signed object as it stands in the answer, byte for byte, and its signature.
fn split(answer: &Answer, field: &str) -> (String, Vec<u8>) {
    let text = String::from_utf8(answer.body.clone()).unwrap();
    let inner = text.strip_prefix(&format!("{{\"{field}\":")).unwrap();
    let (object, signature) = inner.split_once(",\"signature\":\"").unwrap();
    (object.to_owned(), hex::decode(signature.strip_suffix("\"}").unwrap()).unwrap())
}

fn header(answer: &Answer, name: &str) -> String {
    let (_, value) = answer.headers.iter().find(|(known, _)| *known == name).unwrap();
    percent_decoded(value)
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        decoded.push(char::from(u8::from_str_radix(code, 16).unwrap()));
        decoded.push_str(rest);
    }
    decoded
}

pub(crate) fn pem_to_der(pem: &str) -> Vec<u8> {
    der::pem::decode_vec(pem.as_bytes()).unwrap().1
}

struct OnAwsLc;

impl Config for OnAwsLc {
    type X509 = dcap_qvl::x509::X509CertBackend;
    type SigEncoder = dcap_qvl::signature::DerSigEncoder;
    type Crypto = Self;
}

impl CryptoProvider for OnAwsLc {
    fn sig_algo() -> &'static dyn SignatureVerificationAlgorithm {
        &P256
    }

    fn sha256(data: &[u8]) -> [u8; 32] {
        digest::digest(&digest::SHA256, data).as_ref().try_into().unwrap()
    }

    fn sha384(data: &[u8]) -> [u8; 48] {
        digest::digest(&digest::SHA384, data).as_ref().try_into().unwrap()
    }
}

#[derive(Debug)]
struct P256;

impl SignatureVerificationAlgorithm for P256 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}
