//! SEV-SNP reports of the emulator: the fields where AMD puts them, the signature by hand, the chain by OpenSSL.

use std::path::Path;
use std::process::Command;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use der::Decode as _;
use marblerun_tee::emulated::{Kind, Product, Settings, certificate_pem};
use spki::SubjectPublicKeyInfoRef;
use x509_cert::Certificate;

use crate::world::{REPORT_DATA, VENDOR, get, guest, with};

fn on(product: Product, version: u32) -> Settings {
    with(|platform| {
        (platform.tee, platform.product, platform.snp_report) = (Kind::Snp, product, version);
        platform.snp_tcb.fmc = u8::from(product == Product::Turin);
    })
}

fn report(settings: &Settings) -> Vec<u8> {
    VENDOR.platform("default", settings).unwrap().snp_report(&guest(), &REPORT_DATA).unwrap()
}

/// The address that follows from a report, as clients of KDS build it.
fn vcek(settings: &Settings, product: Product, report: &[u8]) -> Vec<u8> {
    let tcb = &report[0x180..0x188];
    let (chip, svns) = match product {
        Product::Turin => {
            (8, format!("fmcSPL={}&blSPL={}&teeSPL={}&snpSPL={}", tcb[0], tcb[1], tcb[2], tcb[3]))
        }
        _ => (64, format!("blSPL={}&teeSPL={}&snpSPL={}", tcb[0], tcb[1], tcb[6])),
    };
    let chip = hex::encode(&report[0x1a0..0x1a0 + chip]);
    get(settings, &format!("/vcek/v1/{}/{chip}?{svns}&ucodeSPL={}", product.name(), tcb[7])).body
}

/// A report of the default platform, and what a host says beside it that has the certificate of its key.
pub(crate) fn report_and_table(settings: &Settings, product: Product) -> (Vec<u8>, Vec<u8>) {
    let report = report(settings);
    let certificate = vcek(settings, product, &report);
    let guid = hex::decode("63da758de6644564adc5f4b93be8accd").unwrap();
    let (offset, length) = (48_u32.to_le_bytes(), u32::try_from(certificate.len()).unwrap().to_le_bytes());
    let table = [&guid[..], &offset, &length, &[0; 24], &certificate].concat();
    (report, table)
}

#[test]
fn fields_are_where_amd_puts_them() {
    let report = report(&on(Product::Genoa, 3));
    assert_eq!(report.len(), 1184);
    assert_eq!((&report[..4], &report[4..8]), (&[3, 0, 0, 0][..], &[6, 0, 0, 0][..]));
    assert_eq!(report[0x34], 1);
    assert_eq!(report[0x50..0x90], REPORT_DATA);
    assert_eq!(report[0x90..0xc0], [0x44; 48]);
    assert_eq!(report[0xc0..0xe0], [5; 32]);
    assert_eq!(report[0x188..0x18b], [0x19, 0x11, 1]);
    assert_eq!(report[0x180..0x188], [10, 1, 0, 0, 0, 0, 24, 88]);
}

#[test]
fn the_vcek_of_the_report_signed_it_and_no_other() {
    for (product, version) in [(Product::Milan, 2), (Product::Genoa, 3), (Product::Turin, 5)] {
        let settings = on(product, version);
        let report = report(&settings);
        let der = vcek(&settings, product, &report);
        verify_signature(&report, &der).unwrap();
        let older = with(|platform| {
            (platform.product, platform.snp_report) = (product, version);
            platform.snp_tcb.microcode -= 1;
        });
        let other = VENDOR.platform("default", &older).unwrap().snp_report(&guest(), &REPORT_DATA).unwrap();
        verify_signature(&other, &der).unwrap_err();
    }
}

#[test]
fn openssl_follows_the_chain_until_the_signer_is_revoked() {
    for product in Product::ALL {
        let settings = on(product, 3);
        let der = vcek(&settings, product, &report(&settings));
        let folder = tempfile::tempdir().unwrap();
        chain_files(folder.path(), &settings, product, &der);
        let Some(verdict) = openssl_verify(folder.path()) else { return };
        verdict.unwrap();
        let mut revoked = settings.clone();
        revoked.published.revoked_ask = true;
        chain_files(folder.path(), &revoked, product, &der);
        let why = openssl_verify(folder.path()).unwrap().unwrap_err();
        assert!(why.contains("revoked"), "{why}");
    }
}

#[test]
fn a_vcek_names_its_chip_and_its_product() {
    let settings = on(Product::Milan, 3);
    let report = report(&settings);
    let certificate = Certificate::from_der(&vcek(&settings, Product::Milan, &report)).unwrap();
    let extensions = certificate.tbs_certificate().extensions().unwrap();
    let value = |oid: &str| {
        let found = extensions.iter().find(|extension| extension.extn_id.to_string() == oid);
        found.unwrap().extn_value.as_bytes().to_vec()
    };
    assert_eq!(value("1.3.6.1.4.1.3704.1.4"), report[0x1a0..0x1e0]);
    assert_eq!(value("1.3.6.1.4.1.3704.1.2"), b"\x16\x08Milan-B0");
    assert_eq!(value("1.3.6.1.4.1.3704.1.3.8"), [2, 1, 88]);
}

/// r and s are little-endian with room for 72 bytes each.
fn verify_signature(report: &[u8], vcek: &[u8]) -> Result<(), aws_lc_rs::error::Unspecified> {
    let certificate = Certificate::from_der(vcek).unwrap();
    let key = der::Encode::to_der(certificate.tbs_certificate().subject_public_key_info()).unwrap();
    let key = SubjectPublicKeyInfoRef::from_der(&key).unwrap().subject_public_key.raw_bytes();
    let number = |at: usize| report[at..at + 48].iter().rev().copied().collect::<Vec<u8>>();
    let signature = [number(0x2a0), number(0x2a0 + 72)].concat();
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key).verify(&report[..0x2a0], &signature)
}

fn chain_files(folder: &Path, settings: &Settings, product: Product, vcek: &[u8]) {
    let get = |what| get(settings, &format!("/vcek/v1/{}/{what}", product.name())).body;
    let crl = der::pem::encode_string("X509 CRL", der::pem::LineEnding::LF, &get("crl")).unwrap();
    let ark = certificate_pem(VENDOR.amd_root(product).unwrap()).unwrap();
    std::fs::write(folder.join("vcek.der"), vcek).unwrap();
    std::fs::write(folder.join("chain.pem"), get("cert_chain")).unwrap();
    std::fs::write(folder.join("trusted.pem"), ark).unwrap();
    std::fs::write(folder.join("crl.pem"), crl).unwrap();
    // OpenSSL checks lists of the leaf's issuer or of all: the signer is checked as the leaf here.
    let chain = std::fs::read_to_string(folder.join("chain.pem")).unwrap();
    let ask = chain.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    std::fs::write(folder.join("ask.pem"), ask).unwrap();
}

/// `None`, aloud, where OpenSSL is not installed.
fn openssl_verify(folder: &Path) -> Option<Result<(), String>> {
    let at = crate::world::seconds(crate::world::now()).to_string();
    let of = ["verify", "-attime", &at, "-CAfile", "trusted.pem"];
    let leaf = openssl(folder, &[&of[..], &["-untrusted", "chain.pem", "vcek.der"]].concat())?;
    let signer = openssl(folder, &[&of[..], &["-crl_check", "-CRLfile", "crl.pem", "ask.pem"]].concat())?;
    Some(leaf.and(signer))
}

fn openssl(folder: &Path, args: &[&str]) -> Option<Result<(), String>> {
    let Ok(output) = Command::new("openssl").args(args).current_dir(folder).output() else {
        println!("SKIPPED: openssl is not installed");
        return None;
    };
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Some(if output.status.success() { Ok(()) } else { Err(said) })
}
