//! From an address to a Coordinator that is trusted, the two ways there are.
//!
//! [`verified`] asks for evidence, verifies it, and from then on talks only to whoever holds the key of the root
//! certificate that the evidence speaks of. [`known`] trusts the root certificate that an earlier command saved.
//! `--insecure` skips the evidence of the first and the certificate of the second, and says so.

use std::path::PathBuf;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use marblerun_api::client::{Address, CertificateChain, CertificateDer, Client, Identity, Trust};
use marblerun_api::rest::v2;
use marblerun_attest::era::{Expectation, Tolerance};
use marblerun_attest::policy::Mismatch;
use marblerun_attest::{Appraisal, Binding, EvidenceError, Memory, TcbStatus};
use marblerun_collateral::Service;

use crate::args::Global;
use crate::cache::{self, Saved};
use crate::{Failure, Surroundings, collateral, console, era, file};

/// What a command knows about its surroundings.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) surroundings: Surroundings,
}

/// A Coordinator whose root certificate is pinned.
pub(crate) struct Coordinator {
    pub(crate) client: Client,
    pub(crate) chain: CertificateChain,
    /// Whether evidence for the root certificate was verified.
    pub(crate) verified: bool,
}

impl Coordinator {
    /// The certificates as the Coordinator itself gives them. Evidence speaks of the root alone: whoever stood between when
    /// it was fetched could put in an intermediate certificate that is no longer in force.
    pub(crate) async fn chain_in_force(&self) -> Result<CertificateChain, Failure> {
        let chain = CertificateChain::from_pem(&self.client.quote(b"").await?.cert)?;
        if chain.root() == self.chain.root() {
            return Ok(chain);
        }
        Err(Failure::Contradiction("it shows another root certificate than the one that it proved".into()))
    }
}

/// Asks for evidence and verifies it, unless the user skips that.
pub(crate) async fn verified(address: &str, context: &Context) -> Result<Coordinator, Failure> {
    let address = Address::parse(address)?;
    let judge = Judge::of(context)?;
    let nonce = context.global.nonce.as_deref().unwrap_or_default().as_bytes();
    // Whoever answers this one question may be anyone: the answer is evidence, and is judged as such.
    let stranger = Client::new(address.clone(), Trust::Anyone, None)?;
    let quote = stranger.quote(nonce).await?;
    save_quote(&quote, context)?;
    let chain = CertificateChain::from_pem(&quote.cert)?;
    let binding = binding(&chain, nonce);
    let verified = judge.judge(&quote, &binding, (&address, &stranger), context.surroundings.now).await?;
    let client = Client::new(address, Trust::Pinned(vec![chain.root().clone()]), None)?;
    Ok(Coordinator { client, chain, verified })
}

/// Trusts the cached root certificate, unless the user trusts anyone.
pub(crate) fn known(address: &str, context: &Context) -> Result<Client, Failure> {
    known_as(address, None, context)
}

/// As [`known`], logged in as a user.
pub(crate) fn known_as(
    address: &str,
    identity: Option<Identity>,
    context: &Context,
) -> Result<Client, Failure> {
    let address = Address::parse(address)?;
    if context.global.insecure {
        warn_insecure("the Coordinator's certificate is not checked");
        return Ok(Client::new(address, Trust::Anyone, identity)?);
    }
    Ok(Client::new(address, Trust::Pinned(vec![context.cached_root()?]), identity)?)
}

/// As [`known`], with the root certificate that is trusted: the cached one, or, if the user trusts anyone, the one that
/// is shown.
pub(crate) async fn known_root(
    address: &str,
    context: &Context,
) -> Result<(Client, CertificateDer<'static>), Failure> {
    if context.global.insecure {
        let coordinator = verified(address, context).await?;
        return Ok((coordinator.client, coordinator.chain.root().clone()));
    }
    let root = context.cached_root()?;
    let client = Client::new(Address::parse(address)?, Trust::Pinned(vec![root.clone()]), None)?;
    Ok((client, root))
}

impl Context {
    /// What the flags tolerate of a platform.
    ///
    /// # Errors
    /// A flag that names no TCB status.
    pub(crate) fn tolerance(&self) -> Result<Tolerance, Failure> {
        let named = &self.global.accepted_tcb_statuses;
        let statuses = self.global.accepted_tcb_statuses_given.then(|| tcb_statuses(named)).transpose()?;
        Ok(Tolerance { statuses, advisories: self.global.accepted_advisories.clone() })
    }

    /// Where the Coordinator's certificates are cached.
    pub(crate) fn cache_path(&self) -> Result<PathBuf, Failure> {
        self.global.coordinator_cert.clone().map_or_else(|| cache::default_path(&self.surroundings), Ok)
    }

    /// The root certificate that an earlier command saved.
    fn cached_root(&self) -> Result<CertificateDer<'static>, Failure> {
        let path = self.cache_path()?;
        let cached = cache::load(&path)?;
        if !cached.verified {
            console::note(&format!(
                "Note: the certificate in {} was saved without verification; `marblerun manifest verify` makes up for it",
                path.display()
            ));
        }
        Ok(cached.root)
    }

    /// Saves the certificates for the commands that come later.
    pub(crate) fn remember(&self, coordinator: &Coordinator) -> Result<(), Failure> {
        let path = self.cache_path()?;
        if cache::save(&path, &coordinator.chain, coordinator.verified)? == Saved::KeptVerified {
            console::warn(&format!(
                "{} holds a verified certificate, which --insecure does not replace; it is left as it was",
                path.display()
            ));
        }
        Ok(())
    }
}

fn tcb_statuses(names: &[String]) -> Result<Vec<TcbStatus>, Failure> {
    let wrong = |error| Failure::Argument(format!("--accepted-tcb-statuses: {error}"));
    names.iter().map(|name| name.trim().parse().map_err(wrong)).collect()
}

/// What the evidence has to show.
enum Judge {
    /// Nothing: the user said so.
    Insecure,
    /// This identity, by the word of these roots.
    Identity { expected: Box<Expectation>, collateral: Service },
}

impl Judge {
    fn of(context: &Context) -> Result<Self, Failure> {
        if context.global.insecure {
            warn_insecure("the Coordinator's quote is not verified");
            return Ok(Self::Insecure);
        }
        let era = era::read(context.global.era_config.as_deref())?;
        let expected = Box::new(era.expectation(&context.tolerance()?)?);
        let collateral = collateral::service(context, expected.roots.clone())?;
        Ok(Self::Identity { expected, collateral })
    }

    /// Whether the evidence was verified; an error if it should have been and was not.
    async fn judge(
        &self,
        quote: &v2::Quote,
        binding: &Binding,
        (address, stranger): (&Address, &Client),
        now: SystemTime,
    ) -> Result<bool, Failure> {
        let Self::Identity { expected, collateral } = self else { return Ok(false) };
        let unverified = |reason: String| Failure::Unverified { address: address.to_string(), reason };
        let Some(evidence) = quote.quote.as_ref().filter(|quote| !quote.0.is_empty()) else {
            return Err(unverified(
                "it sent no evidence, as in simulation mode; for a test use --insecure".into(),
            ));
        };
        let collateral =
            collateral::published(&evidence.0, collateral, stranger, now).await.map_err(unverified)?;
        let (roots, memory) = (&expected.roots, &Memory::default());
        let appraisal = Appraisal { roots, collateral: &collateral, memory, now };
        let verified = appraisal.verify(&evidence.0, binding, &expected.policy);
        verified.map(|_| true).map_err(|error| unverified(explain(&error)))
    }
}

/// Evidence covers SHA-256 over the root certificate and the nonce.
fn binding(chain: &CertificateChain, nonce: &[u8]) -> Binding {
    let covered = digest(&SHA256, &[chain.root().as_ref(), nonce].concat());
    let mut hash = [0; 32];
    hash.copy_from_slice(covered.as_ref());
    Binding::CoordinatorRoot(hash)
}

/// A refusal names a manifest's fields; here they stand in the era-config.
fn explain(error: &EvidenceError) -> String {
    match error {
        EvidenceError::Refused(refusal) => {
            let all: Vec<_> = refusal.mismatches.iter().map(mismatch).collect();
            format!("it is not the expected one: {}", all.join("; "))
        }
        other => other.to_string(),
    }
}

fn mismatch(mismatch: &Mismatch) -> String {
    let field = mismatch.field.strip_prefix("Packages.Coordinator.").unwrap_or(&mismatch.field);
    format!("{field} is {}, the era-config wants {}", mismatch.seen, mismatch.wanted)
}

fn save_quote(quote: &v2::Quote, context: &Context) -> Result<(), Failure> {
    let Some(path) = &context.global.save_sgx_quote else { return Ok(()) };
    let evidence = quote.quote.as_ref().map_or(&[][..], |quote| &quote.0);
    file::write(path, evidence)
        .map_err(|source| Failure::Io { doing: format!("writing the quote to {}", path.display()), source })
}

fn warn_insecure(what: &str) {
    console::warn(&format!(
        "--insecure: {what}. Whoever answers at this address is taken for the Coordinator"
    ));
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, UNIX_EPOCH};

    use marblerun_api::rest::Base64;
    use marblerun_attest::era::EraConfig;
    use marblerun_attest::{Collateral, needs};
    use marblerun_collateral::{Bundle, Entry, Options, Sources};
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;

    /// A recorded SGX quote that is genuine and neither debug nor out of date, with its collateral.
    const CASE: &str = "../../testdata/vectors/sgx/v3-icx-eval17-swhardening";
    const NOW: Duration = Duration::from_secs(1_750_416_900);

    struct Recorded {
        evidence: Vec<u8>,
        expected: serde_json::Value,
        bundle: Bundle,
    }

    fn recorded() -> Recorded {
        let read = |file: &str| std::fs::read(Path::new(CASE).join(file)).unwrap();
        let evidence = read("quote.bin");
        let expected: serde_json::Value = serde_json::from_slice(&read("expected.json")).unwrap();
        let intel = serde_json::from_slice(&read("collateral/collateral.json")).unwrap();
        let collateral = Collateral { intel: Some(intel), ..Collateral::default() };
        let bundle = Bundle::new(vec![Entry::new(needs(&evidence).unwrap(), collateral)]);
        Recorded { evidence, expected: expected["expected"].clone(), bundle }
    }

    impl Recorded {
        fn text(&self, field: &str) -> &str {
            self.expected[field].as_str().unwrap()
        }

        fn era(&self) -> String {
            format!(r#"{{"UniqueID":"{}"}}"#, self.text("mrenclave"))
        }

        fn binding(&self) -> Binding {
            Binding::Exactly(hex::decode(self.text("report_data")).unwrap())
        }

        async fn judge(&self, era: &str, binding: &Binding, evidence: Option<&[u8]>) -> Result<bool, String> {
            let era = EraConfig::from_json(era.as_bytes()).unwrap();
            let expected = Box::new(era.expectation(&Tolerance::default()).unwrap());
            let sources = Sources::of_vendors().unwrap();
            let collateral = Service::new(sources, Options::new(expected.roots.clone())).unwrap();
            assert_eq!(collateral.import(&self.bundle, UNIX_EPOCH + NOW), []);
            let judge = Judge::Identity { expected, collateral };
            let evidence = evidence.map(|bytes| Base64(bytes.to_vec()));
            let quote = v2::Quote { cert: String::new(), quote: evidence };
            let address = Address::parse("localhost").unwrap();
            let nobody = Client::new(address.clone(), Trust::Anyone, None).unwrap();
            let judged = judge.judge(&quote, binding, (&address, &nobody), UNIX_EPOCH + NOW).await;
            judged.map_err(|error| error.to_string())
        }

        async fn refused(&self, era: &str, binding: &Binding, evidence: &[u8], words: &str) {
            let error = self.judge(era, binding, Some(evidence)).await.unwrap_err();
            assert!(error.contains(words) && error.contains("Nothing was sent"), "{era}: {error}");
        }
    }

    #[tokio::test]
    async fn only_the_expected_software_bound_to_the_root_certificate_is_verified() {
        let recorded = recorded();
        let (era, binding, evidence) = (recorded.era(), recorded.binding(), &recorded.evidence);
        assert_eq!(recorded.judge(&era, &binding, Some(evidence)).await, Ok(true));
        let by_signer = format!(
            r#"{{"SignerID":"{}","ProductID":{},"SecurityVersion":{}}}"#,
            recorded.text("mrsigner"),
            recorded.expected["isvprodid"],
            recorded.expected["isvsvn"]
        );
        assert_eq!(recorded.judge(&by_signer, &binding, Some(evidence)).await, Ok(true));

        let another = format!(r#"{{"UniqueID":"{}"}}"#, "22".repeat(32));
        recorded.refused(&another, &binding, evidence, "UniqueID is").await;
        let strict = era.replace('}', r#","AcceptedTCBStatuses":["UpToDate"]}"#);
        recorded.refused(&strict, &binding, evidence, "AcceptedTCBStatuses is SWHardeningNeeded").await;
        let elsewhere = era.replace('}', r#","Infrastructures":{"lab":{"FMSPCs":["000000000000"]}}}"#);
        recorded.refused(&elsewhere, &binding, evidence, "Infrastructures.lab.FMSPCs").await;
        recorded.refused(&era, &Binding::CoordinatorRoot([7; 32]), evidence, "bound to").await;
        let mut changed = evidence.clone();
        changed[200] ^= 1;
        recorded.refused(&era, &binding, &changed, "signature").await;
        recorded.refused(&era, &binding, b"evidence", "no known format").await;
    }

    #[tokio::test]
    async fn without_evidence_nobody_is_verified() {
        let recorded = recorded();
        for evidence in [None, Some(&b""[..])] {
            let error = recorded.judge(&recorded.era(), &recorded.binding(), evidence).await.unwrap_err();
            assert!(error.contains("sent no evidence"), "{error}");
        }
        let quote = v2::Quote { cert: String::new(), quote: None };
        let address = Address::parse("localhost").unwrap();
        let nobody = Client::new(address.clone(), Trust::Anyone, None).unwrap();
        let asked = (&address, &nobody);
        let judged = Judge::Insecure.judge(&quote, &recorded.binding(), asked, UNIX_EPOCH).await;
        assert!(matches!(judged, Ok(false)));
    }

    fn chain() -> String {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root = params.self_signed(&root_key).unwrap().pem();
        params.signed_by(&key, &Issuer::from_params(&params, &root_key)).unwrap().pem() + &root
    }

    #[test]
    fn a_flag_that_names_no_tcb_status_is_an_error() {
        let read = |flag: &str| tcb_statuses(&flag.split(',').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(read("UpToDate, OutOfDate").unwrap(), [TcbStatus::UpToDate, TcbStatus::OutOfDate]);
        assert!(read("uptodate").unwrap_err().to_string().contains("uptodate"));
        assert!(read("").is_err());
    }

    #[test]
    fn evidence_is_bound_to_the_root_and_the_nonce() {
        let chain = CertificateChain::from_pem(&chain()).unwrap();
        let bound = |nonce: &[u8]| {
            let mut hash = [0; 32];
            hash.copy_from_slice(digest(&SHA256, &[chain.root(), nonce].concat()).as_ref());
            Binding::CoordinatorRoot(hash)
        };
        assert_eq!(binding(&chain, b""), bound(b""));
        assert_eq!(binding(&chain, b"fresh"), bound(b"fresh"));
        assert_ne!(bound(b""), bound(b"fresh"));
    }
}
