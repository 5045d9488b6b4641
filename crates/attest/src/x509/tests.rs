//! Chains and lists of an authority that the tests make.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CrlScope, CustomExtension, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, RevokedCertParams, SerialNumber, date_time_ymd,
};

use super::{Certificate, Chain, ChainFault, LinkFault, RevocationList};
use crate::error::RevocationListFault as Fault;

/// 2025-06-01, inside what everything here is valid for.
const NOW: u64 = 1_748_736_000;

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str, is_ca: IsCa) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = is_ca;
    (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2026, 1, 1));
    params.serial_number = Some(SerialNumber::from(vec![7]));
    params
}

fn ca(path_length: u8) -> IsCa {
    IsCa::Ca(BasicConstraints::Constrained(path_length))
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn root(name: &str) -> Authority {
    self_signed(params(name, ca(1)), key())
}

fn self_signed(params: CertificateParams, key: KeyPair) -> Authority {
    let certificate = Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap();
    Authority { certificate, issuer: Issuer::new(params, key) }
}

impl Authority {
    fn issue(&self, params: &CertificateParams) -> Certificate {
        Certificate::from_der(params.signed_by(&key(), &self.issuer).unwrap().der()).unwrap()
    }

    fn authority(&self, params: CertificateParams) -> Self {
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            certificate: Certificate::from_der(certificate.der()).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    fn list(&self, revoked: &[u8]) -> Vec<u8> {
        self.list_for(None, revoked)
    }

    fn list_for(&self, scope: Option<CrlIssuingDistributionPoint>, revoked: &[u8]) -> Vec<u8> {
        let entry = |serial: &u8| RevokedCertParams {
            serial_number: SerialNumber::from(vec![*serial]),
            revocation_time: date_time_ymd(2025, 2, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 5, 1),
            next_update: date_time_ymd(2025, 7, 1),
            crl_number: SerialNumber::from(vec![1]),
            issuing_distribution_point: scope,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().to_vec()
    }
}

fn verified(chain: &[&Certificate], roots: &[&Certificate], now: u64) -> Result<Chain, ChainFault> {
    Chain::verified(chain.iter().map(|one| (*one).clone()).collect(), roots.iter().copied(), now)
}

fn link(result: Result<Chain, ChainFault>) -> LinkFault {
    match result {
        Err(ChainFault::Link { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_link_must_hold() {
    let root = root("root");
    let (above, roots) = (root.authority(params("authority", ca(0))), [&root.certificate]);
    let leaf = above.issue(&params("leaf", IsCa::NoCa));
    for chain in [vec![&leaf, &above.certificate], vec![&leaf, &above.certificate, &root.certificate]] {
        assert_eq!(verified(&chain, &roots, NOW).unwrap().leaf(), &leaf);
    }
    let stranger = self::root("root").authority(params("authority", ca(0)));
    assert_eq!(link(verified(&[&leaf, &stranger.certificate], &roots, NOW)), LinkFault::Signature);
    let other = root.authority(params("other", ca(0)));
    assert_eq!(link(verified(&[&leaf, &other.certificate], &roots, NOW)), LinkFault::Name);
    let no_authority = root.authority(params("authority", IsCa::NoCa));
    let below = no_authority.issue(&params("leaf", IsCa::NoCa));
    assert_eq!(link(verified(&[&below, &no_authority.certificate], &roots, NOW)), LinkFault::NotAnAuthority);
    let too_deep = above.authority(params("deeper", ca(0)));
    let below = too_deep.issue(&params("leaf", IsCa::NoCa));
    let chain = [&below, &too_deep.certificate, &above.certificate];
    assert_eq!(link(verified(&chain, &roots, NOW)), LinkFault::TooDeep);
}

#[test]
fn what_a_certificate_says_about_itself_is_understood_or_refused() {
    let root = root("root");
    let mut strange = params("leaf", IsCa::NoCa);
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 9903, 99], vec![5, 0]);
    strange.custom_extensions = vec![extension.clone()];
    assert!(verified(&[&root.issue(&strange)], &[&root.certificate], NOW).is_ok());
    extension.set_criticality(true);
    strange.custom_extensions = vec![extension];
    let found = verified(&[&root.issue(&strange)], &[&root.certificate], NOW);
    assert_eq!(link(found), LinkFault::Critical);

    let mut signer = params("signer", ca(0));
    signer.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    let signer = root.authority(signer);
    let below = signer.issue(&params("leaf", IsCa::NoCa));
    let found = verified(&[&below, &signer.certificate], &[&root.certificate], NOW);
    assert_eq!(link(found), LinkFault::NotAnAuthority);
}

#[test]
fn a_root_is_known_by_name_and_key() {
    let (ours, theirs) = (root("root"), root("root"));
    let leaf = theirs.issue(&params("leaf", IsCa::NoCa));
    let found = verified(&[&leaf, &theirs.certificate], &[&ours.certificate], NOW);
    assert!(matches!(found, Err(ChainFault::UntrustedRoot { .. })), "{found:?}");
    // Of two roots with one name, the one that issued it is found.
    assert!(verified(&[&leaf], &[&ours.certificate, &theirs.certificate], NOW).is_ok());
    assert!(verified(&[], &[&ours.certificate], NOW).is_err());
    assert!(verified(&[&leaf], &[], NOW).is_err());
}

#[test]
fn a_root_may_be_reissued() {
    let key = key();
    let again =
        KeyPair::from_der_and_sign_algo(&key.serialize_der().try_into().unwrap(), &PKCS_ECDSA_P256_SHA256);
    let old = self_signed(params("root", ca(1)), key);
    let mut params = params("root", ca(0));
    params.serial_number = Some(SerialNumber::from(vec![8]));
    let new = self_signed(params, again.unwrap());
    let above = old.authority(self::params("authority", ca(0)));
    let leaf = above.issue(&self::params("leaf", IsCa::NoCa));
    let chain = [&leaf, &above.certificate, &new.certificate];
    assert!(verified(&chain, &[&old.certificate], NOW).is_ok());
    assert_ne!(old.certificate, new.certificate);
    let mut damaged = new.certificate.der().to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let damaged = Certificate::from_der(&damaged).unwrap();
    let chain = [&leaf, &above.certificate, &damaged];
    assert_eq!(link(verified(&chain, &[&old.certificate], NOW)), LinkFault::Signature);
}

#[test]
fn a_chain_counts_within_its_time() {
    let root = root("root");
    let leaf = root.issue(&params("leaf", IsCa::NoCa));
    let at = |now| verified(&[&leaf], &[&root.certificate], now);
    let (from, to) = at(NOW).unwrap().window();
    assert!(at(from).is_ok() && at(to).is_ok());
    for now in [0, from - 1, to + 1, u64::MAX] {
        assert!(matches!(at(now), Err(ChainFault::Time { .. })), "{now}");
    }
}

#[test]
fn a_root_ends_as_well() {
    let root = root("root");
    let mut longer = params("leaf", IsCa::NoCa);
    longer.not_after = date_time_ymd(2030, 1, 1);
    let leaf = root.issue(&longer);
    let later = verified(&[&leaf], &[&root.certificate], root.certificate.validity().end() + 1);
    assert!(matches!(later, Err(ChainFault::Time { .. })), "{later:?}");
}

#[test]
fn other_algorithms_are_no_signature() {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let params = params("root", ca(1));
    let root = Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap();
    assert_eq!(root.check_issued_by(&root), Err(LinkFault::Signature));
}

#[test]
fn a_list_counts_within_its_time_and_for_its_issuer() {
    let root = root("root");
    let list = root.list(&[]);
    let at = |now| RevocationList::verified(&list, &root.certificate, now);
    let (from, to) = at(NOW).unwrap().window();
    assert!(at(from).is_ok() && at(to).is_ok());
    assert_eq!(at(from - 1).unwrap_err(), Fault::NotYetValid);
    assert_eq!(at(to + 1).unwrap_err(), Fault::Expired);
    for other in [self::root("root"), self::root("other")] {
        let found = RevocationList::verified(&list, &other.certificate, NOW);
        assert_eq!(found.unwrap_err(), Fault::Issuer);
    }
}

/// Remembered, it counts no longer than webpki lets it count.
#[test]
fn a_list_ends_before_the_second_of_its_next_update() {
    let root = root("root");
    let list = RevocationList::verified(&root.list(&[]), &root.certificate, NOW).unwrap();
    assert_eq!(list.window().1 + 1, u64::try_from(date_time_ymd(2025, 7, 1).unix_timestamp()).unwrap());
}

#[test]
fn a_list_that_speaks_of_some_certificates_is_none() {
    let root = root("root");
    let uris = vec!["http://example.com/some.crl".to_owned()];
    let some = CrlIssuingDistributionPoint {
        distribution_point: CrlDistributionPoint { uris },
        scope: Some(CrlScope::CaCertsOnly),
    };
    let found = RevocationList::verified(&root.list_for(Some(some), &[7]), &root.certificate, NOW);
    assert_eq!(found.unwrap_err(), Fault::Partial("2.5.29.28".to_owned()));
}

#[test]
fn a_revoked_certificate_is_found() {
    let (root, other) = (self::root("root"), self::root("other"));
    let leaf = root.issue(&params("leaf", IsCa::NoCa));
    let revokes = |authority: &Authority, serials| {
        let list = RevocationList::verified(&authority.list(serials), &authority.certificate, NOW);
        list.unwrap().revokes(&leaf)
    };
    assert!(revokes(&root, &[6, 7]));
    assert!(!revokes(&root, &[6]));
    assert!(!revokes(&other, &[7]), "another issuer's list says nothing about it");
}
