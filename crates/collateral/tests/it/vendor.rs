//! A vendor of SNP processors made here: root, issuer, keys of chips and a revocation list, in AMD's forms.

use marblerun_attest::{Hex, Needs, Product, Roots, SigningKey, SnpTcb, Vendor};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, RevokedCertParams, SerialNumber,
};
use time::OffsetDateTime;

use crate::recorded::time as at;
use crate::server::{Answer, Server};

pub(crate) const NOW: &str = "2026-06-01T00:00:00Z";
pub(crate) const TCB: SnpTcb = SnpTcb { fmc: None, bootloader: 4, tee: 1, snp: 24, microcode: 217 };

/// OIDs of AMD 57230, table 8, below 1.3.6.1.4.1.3704.1.
const ARC: [u64; 8] = [1, 3, 6, 1, 4, 1, 3704, 1];

pub(crate) struct AmdVendor {
    root: (CertificateParams, KeyPair),
    issuer: (CertificateParams, KeyPair),
}

impl AmdVendor {
    pub(crate) fn new() -> Self {
        Self { root: authority("ARK-Milan", 1), issuer: authority("SEV-Milan", 2) }
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::new([(Vendor::Amd, self.root_certificate().der().to_vec())]).unwrap()
    }

    /// Serves chain and revocation list of Milan's VCEKs.
    pub(crate) fn serve(&self, server: &Server, revoked: &[u64]) {
        self.serve_list(server, 1, revoked);
    }

    /// The same, with a revocation list of this number.
    pub(crate) fn serve_list(&self, server: &Server, number: u64, revoked: &[u64]) {
        let chain = self.issuer_certificate().pem() + &self.root_certificate().pem();
        server.answer("/vcek/v1/Milan/cert_chain", Answer::ok(chain));
        server.answer("/vcek/v1/Milan/crl", Answer::ok(self.crl(number, revoked)));
    }

    /// Serves chain and revocation list of Milan's VLEKs; the issuer is the same here.
    pub(crate) fn serve_vlek_line(&self, server: &Server) {
        let chain = self.issuer_certificate().pem() + &self.root_certificate().pem();
        server.answer("/vlek/v1/Milan/cert_chain", Answer::ok(chain));
        server.answer("/vlek/v1/Milan/crl", Answer::ok(self.crl(1, &[])));
    }

    /// Serves an issuer with this serial number, and the list that revokes it.
    pub(crate) fn serve_other_issuer(&self, server: &Server, serial: u64) {
        let (other, key) = authority("SEV-Milan", serial);
        let root = Issuer::from_params(&self.root.0, &self.root.1);
        let chain = other.signed_by(&key, &root).unwrap().pem() + &self.root_certificate().pem();
        server.answer("/vcek/v1/Milan/cert_chain", Answer::ok(chain));
        server.answer("/vcek/v1/Milan/crl", Answer::ok(self.crl(2, &[serial])));
    }

    /// Serves the certificate of a chip's key.
    pub(crate) fn serve_chip(&self, server: &Server, asked: &Hex<64>, certified: &Hex<64>) {
        let target = format!("/vcek/v1/Milan/{asked}?blSPL=4&teeSPL=1&snpSPL=24&ucodeSPL=217");
        server.answer(&target, Answer::ok(self.vcek(certified)));
    }

    fn root_certificate(&self) -> rcgen::Certificate {
        self.root.0.self_signed(&self.root.1).unwrap()
    }

    fn issuer_certificate(&self) -> rcgen::Certificate {
        self.issuer.0.signed_by(&self.issuer.1, &Issuer::from_params(&self.root.0, &self.root.1)).unwrap()
    }

    fn vcek(&self, chip: &Hex<64>) -> Vec<u8> {
        let mut params = named("SEV-VCEK", 3);
        let number = |n: u8| if n < 128 { vec![2, 1, n] } else { vec![2, 2, 0, n] };
        let name = [&[0x16, 8][..], b"Milan-B0"].concat();
        let values = [
            (&[2][..], name),
            (&[3, 1], number(TCB.bootloader)),
            (&[3, 2], number(TCB.tee)),
            (&[3, 3], number(TCB.snp)),
            (&[3, 8], number(TCB.microcode)),
            (&[4], chip.0.to_vec()),
        ];
        params.custom_extensions = values
            .into_iter()
            .map(|(id, value)| CustomExtension::from_oid_content(&[&ARC[..], id].concat(), value))
            .collect();
        let issuer = Issuer::from_params(&self.issuer.0, &self.issuer.1);
        params.signed_by(&key(), &issuer).unwrap().der().to_vec()
    }

    fn crl(&self, number: u64, revoked: &[u64]) -> Vec<u8> {
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date("2026-05-01T00:00:00Z"),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date("2026-05-01T00:00:00Z"),
            next_update: date("2027-05-01T00:00:00Z"),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&Issuer::from_params(&self.root.0, &self.root.1)).unwrap();
        list.der().to_vec()
    }
}

pub(crate) fn chip(product: Option<Product>, chip_id: Hex<64>) -> Needs {
    Needs::Amd { product, chip_id, reported_tcb: TCB, signing_key: SigningKey::Vcek, has_certificate: false }
}

/// What no service has.
pub(crate) fn unobtainable() -> Vec<Needs> {
    let vlek = Needs::Amd {
        product: Some(Product::Milan),
        chip_id: Hex([1; 64]),
        reported_tcb: TCB,
        signing_key: SigningKey::Vlek,
        has_certificate: false,
    };
    vec![chip(Some(Product::Milan), Hex([0; 64])), vlek, Needs::Nvidia { has_certificates: false }]
}

fn authority(name: &str, serial: u64) -> (CertificateParams, KeyPair) {
    let mut params = named(name, serial);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params, key())
}

fn named(name: &str, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(serial));
    (params.not_before, params.not_after) = (date("2026-01-01T00:00:00Z"), date("2033-01-01T00:00:00Z"));
    params
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()
}

fn date(rfc3339: &str) -> OffsetDateTime {
    at(rfc3339).into()
}
