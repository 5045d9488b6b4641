//! Whether the Coordinator that answers is the one that this marble was built for.
//!
//! The expectation is a file (an era-config) that is part of the marble's image, and so of what its own evidence says:
//! only there it is out of the host's reach. The Coordinator's evidence covers its root certificate, the certificate that
//! this very connection showed, and a nonce of ours. So who holds the other end of the connection is who made the
//! evidence, and everything that arrives on it is his word; what arrives is held against the same certificates once more.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use marblerun_api::client::{CertificateChain, pem_certificates};
use marblerun_api::grpc::ChallengeResp;
use marblerun_attest::era::{EraConfig, Expectation, Tolerance};
use marblerun_attest::{Appraisal, Binding, Collateral, Memory, needs};
use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::counters::COORDINATOR_ROOT_CA;
use crate::parameters::Parameters;
use crate::tls::{CERTIFICATE_CHAIN, ROOT_CA};

/// Far above what vendors publish about one platform.
const MAX_COLLATERAL: usize = 1 << 20;
/// Longer era-configs are not read, in bytes.
const LONGEST: u64 = 1 << 20;

/// What evidence of the Coordinator must show.
pub(crate) struct Expected {
    expectation: Expectation,
    now: SystemTime,
}

/// The certificates of a Coordinator whose evidence was verified.
#[derive(Debug)]
pub(crate) struct Attested {
    root: CertificateDer<'static>,
    marble_root: CertificateDer<'static>,
}

impl Expected {
    /// From an era-config. Collateral and certificates must be valid at `now`.
    pub(crate) fn read(file: &Path, now: SystemTime) -> Result<Self, CoordinatorError> {
        let bad = |why: String| CoordinatorError::Era { file: file.to_owned(), why };
        let text = read(file).map_err(|error| bad(error.to_string()))?;
        let era = EraConfig::from_json(&text).map_err(|error| bad(error.to_string()))?;
        let expectation = era.expectation(&Tolerance::default()).map_err(|error| bad(error.to_string()))?;
        Ok(Self { expectation, now })
    }

    /// Verifies what answered `nonce` on a connection whose server showed the certificate `shown`.
    pub(crate) fn judge(
        &self,
        nonce: &[u8],
        answer: &ChallengeResp,
        shown: &CertificateDer<'static>,
    ) -> Result<Attested, CoordinatorError> {
        if answer.quote.is_empty() {
            return Err(CoordinatorError::NoEvidence);
        }
        if answer.marble_root_certificate != shown.as_ref() {
            return Err(CoordinatorError::OtherCertificate);
        }
        self.verify(nonce, answer)?;
        Ok(Attested { root: answer.root_certificate.clone().into(), marble_root: shown.clone() })
    }

    /// Who answers chooses the collateral too, so it must be all that a collateral service would keep: an issuer of AMD's that
    /// was revoked is not to be hidden by leaving the list out.
    fn verify(&self, nonce: &[u8], answer: &ChallengeResp) -> Result<(), CoordinatorError> {
        let (root, marble_root) = (&answer.root_certificate, &answer.marble_root_certificate);
        let binding = Binding::coordinator_for_marble(root, marble_root, nonce);
        let collateral = &collateral(&answer.collateral)?;
        let (roots, memory) = (&self.expectation.roots, &Memory::default());
        let counts = needs(&answer.quote).and_then(|needs| collateral.validity(&needs, roots, self.now));
        counts.map_err(|error| CoordinatorError::Evidence(error.to_string()))?;
        let appraisal = Appraisal { roots, collateral, memory, now: self.now };
        let verified = appraisal.verify(&answer.quote, &binding, &self.expectation.policy);
        verified.map(drop).map_err(|error| CoordinatorError::Evidence(error.to_string()))
    }
}

fn collateral(json: &[u8]) -> Result<Collateral, CoordinatorError> {
    if json.is_empty() {
        return Err(CoordinatorError::NoCollateral);
    }
    let unusable = |why: String| CoordinatorError::Evidence(format!("the collateral with it: {why}"));
    if json.len() > MAX_COLLATERAL {
        return Err(unusable(format!("more than {MAX_COLLATERAL} bytes")));
    }
    serde_json::from_slice(json).map_err(|error| unusable(error.to_string()))
}

impl Attested {
    /// That the certificates among the parameters are those of the Coordinator that was verified, and belong together.
    pub(crate) fn check(&self, parameters: &Parameters) -> Result<(), CoordinatorError> {
        only(COORDINATOR_ROOT_CA, parameters, &self.root)?;
        only(ROOT_CA, parameters, &self.marble_root)?;
        let chain = certificates(CERTIFICATE_CHAIN, parameters)?;
        let wrong = |why: &str| CoordinatorError::Parameter { name: CERTIFICATE_CHAIN, why: why.to_owned() };
        let [_, intermediate] = chain.as_slice() else {
            return Err(wrong("it is not the marble's and the intermediate certificate"));
        };
        CertificateChain::new(intermediate.clone(), self.root.clone())
            .map_err(|error| wrong(&error.to_string()))?;
        match public_key(intermediate).zip(public_key(&self.marble_root)) {
            Some((key, same)) if key == same => Ok(()),
            _ => Err(wrong("its intermediate certificate has another key than the connection's certificate")),
        }
    }
}

fn only(
    name: &'static str,
    parameters: &Parameters,
    wanted: &CertificateDer<'static>,
) -> Result<(), CoordinatorError> {
    let same = certificates(name, parameters)?.as_slice() == [wanted.clone()];
    let why = "it is not the certificate that the Coordinator's evidence speaks of".to_owned();
    if same { Ok(()) } else { Err(CoordinatorError::Parameter { name, why }) }
}

fn certificates(
    name: &'static str,
    parameters: &Parameters,
) -> Result<Vec<CertificateDer<'static>>, CoordinatorError> {
    let pem = parameters.variable(name).unwrap_or_default();
    pem_certificates(pem.as_bytes())
        .map_err(|error| CoordinatorError::Parameter { name, why: error.to_string() })
}

fn public_key(certificate: &CertificateDer<'_>) -> Option<x509_cert::SubjectPublicKeyInfo> {
    let certificate = Certificate::from_der(certificate).ok()?;
    Some(certificate.tbs_certificate().subject_public_key_info().clone())
}

/// The Coordinator is not known to be the expected one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoordinatorError {
    /// The expectation cannot be used.
    #[error("EDG_MARBLE_COORDINATOR_ERA: {}: {why}", file.display())]
    Era {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A Coordinator of an earlier version.
    #[error(
        "the Coordinator is too old to prove itself to marbles (it knows no rpc.Marble/Challenge); update it, or leave \
         EDG_MARBLE_COORDINATOR_ERA out of the image to trust any Coordinator"
    )]
    TooOld,
    /// Nothing to verify.
    #[error("the Coordinator sent no evidence for itself, as in simulation mode")]
    NoEvidence,
    /// Nothing to verify evidence with.
    #[error(
        "the Coordinator sent no collateral for its evidence: its log says why it has none; the root of its platform \
         must be a hardware vendor's or stand in the manifest's Infrastructures"
    )]
    NoCollateral,
    /// The evidence was made for another connection than this.
    #[error(
        "the connection shows another certificate than the Coordinator's evidence speaks of: the manifest was updated \
         at this moment, or somebody sits between"
    )]
    OtherCertificate,
    /// The evidence does not count.
    #[error("the Coordinator's evidence does not count: {0}")]
    Evidence(String),
    /// What arrived is not from the mesh that was verified.
    #[error(
        "{name}: {why}; the manifest was updated at this moment, or the Coordinator is not what it proved to be"
    )]
    Parameter {
        /// The variable.
        name: &'static str,
        /// What is wrong.
        why: String,
    },
    /// No nonce.
    #[error("the system gives no randomness")]
    NoRandomness,
}

impl CoordinatorError {
    /// Whether another attempt may end otherwise.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::NoCollateral | Self::OtherCertificate | Self::Parameter { .. })
    }
}

/// The host may have put something without an end in its place.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(file)?.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 <= LONGEST {
        return Ok(text);
    }
    let why = format!("it has more than {LONGEST} bytes, more than an era-config may have");
    Err(io::Error::new(io::ErrorKind::FileTooLarge, why))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use marblerun_attest::AmdCollateral;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn an_era_config_without_an_end_is_refused() {
        let error = Expected::read(Path::new("/dev/zero"), SystemTime::UNIX_EPOCH).err().unwrap().to_string();
        assert!(error.contains("/dev/zero") && error.contains("1048576 bytes"), "{error}");
    }

    /// A Coordinator's certificates: root, intermediate, and marble root with the intermediate's key; PEM.
    struct Pki {
        root: rcgen::Certificate,
        intermediate: rcgen::Certificate,
        marble_root: rcgen::Certificate,
    }

    impl Pki {
        fn new() -> Self {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
            let root = params.self_signed(&root_key).unwrap();
            let intermediate = params.signed_by(&key, &Issuer::from_params(&params, &root_key)).unwrap();
            Self { root, intermediate, marble_root: params.self_signed(&key).unwrap() }
        }

        fn attested(&self) -> Attested {
            Attested { root: self.root.der().clone(), marble_root: self.marble_root.der().clone() }
        }

        fn parameters(&self) -> Parameters {
            let chain = self.marble_root.pem() + &self.intermediate.pem();
            let all = [
                (COORDINATOR_ROOT_CA, self.root.pem()),
                (ROOT_CA, self.marble_root.pem()),
                (CERTIFICATE_CHAIN, chain),
            ];
            let environment = all.map(|(name, pem)| (name.to_owned(), Zeroizing::new(pem.into_bytes())));
            Parameters { environment: environment.into(), ..Parameters::default() }
        }
    }

    /// Recorded evidence of an SNP guest, with all of AMD's certificates and no revocation list.
    #[test]
    fn a_revocation_list_cannot_be_left_out() {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors/snp/genoa-v3-vcek");
        let read = |file: &str| std::fs::read(case.join(file)).unwrap();
        let der = |file| pem_certificates(&read(file)).unwrap().remove(0).to_vec();
        let amd = AmdCollateral {
            vek: der("vcek.pem"),
            intermediate: der("ask.pem"),
            root: Some(der("ark.pem")),
            crl: None,
        };
        let collateral = Collateral { amd: Some(amd), ..Collateral::default() };
        let era = format!(r#"{{"SNP":{{"Measurement":"{}"}}}}"#, "11".repeat(48));
        let era = EraConfig::from_json(era.as_bytes()).unwrap();
        let expectation = era.expectation(&Tolerance::default()).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_849_107);
        let answer = ChallengeResp {
            quote: read("report.bin"),
            marble_root_certificate: b"shown".into(),
            collateral: serde_json::to_vec(&collateral).unwrap(),
            ..ChallengeResp::default()
        };
        let judged = Expected { expectation, now }.judge(b"nonce", &answer, &b"shown".to_vec().into());
        let error = judged.unwrap_err().to_string();
        assert!(error.contains("AMD's revocation list is needed"), "{error}");
    }

    #[test]
    fn what_arrives_must_be_from_the_mesh_that_was_verified() {
        let (pki, other) = (Pki::new(), Pki::new());
        assert_eq!(pki.attested().check(&pki.parameters()), Ok(()));
        let refused = |name: &'static str, value: Option<String>| {
            let mut parameters = pki.parameters();
            parameters.environment.remove(name);
            parameters.environment.extend(value.map(|pem| (name.to_owned(), Zeroizing::new(pem.into()))));
            let error = pki.attested().check(&parameters).unwrap_err();
            assert!(
                matches!(error, CoordinatorError::Parameter { name: said, .. } if said == name),
                "{error}"
            );
            assert!(error.passes());
        };
        for name in [COORDINATOR_ROOT_CA, ROOT_CA, CERTIFICATE_CHAIN] {
            refused(name, None);
            refused(name, Some("nonsense".into()));
        }
        refused(COORDINATOR_ROOT_CA, Some(other.root.pem()));
        refused(COORDINATOR_ROOT_CA, Some(pki.root.pem() + &other.root.pem()));
        refused(ROOT_CA, Some(other.marble_root.pem()));
        refused(CERTIFICATE_CHAIN, Some(pki.marble_root.pem() + &other.intermediate.pem()));
        // Signed by the root, but with another key than the connection's.
        let rotated = Pki { marble_root: Pki::new().marble_root, ..Pki::new() };
        let error = rotated.attested().check(&rotated.parameters()).unwrap_err();
        assert!(error.to_string().contains("another key than the connection"), "{error}");
    }
}
