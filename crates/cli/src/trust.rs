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
use marblerun_attest::{Binding, EvidenceError, RefusingVerifier, Verified, Verifier};

use crate::args::Global;
use crate::cache::{self, Saved};
use crate::era::EraConfig;
use crate::{Failure, Surroundings, console, file};

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

/// Asks for evidence and verifies it, unless the user skips that.
pub(crate) async fn verified(address: &str, context: &Context) -> Result<Coordinator, Failure> {
    let address = Address::parse(address)?;
    let policy = Policy::of(context)?;
    let nonce = context.global.nonce.as_deref().unwrap_or_default().as_bytes();
    // Whoever answers this one question may be anyone: the answer is evidence, and is judged as such.
    let quote = Client::new(address.clone(), Trust::Anyone, None)?.quote(nonce).await?;
    save_quote(&quote, context)?;
    let chain = CertificateChain::from_pem(&quote.cert)?;
    let verified = policy.judge(&quote, &chain, nonce, &address, context.surroundings.now)?;
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

/// What the evidence has to show.
enum Policy {
    /// Nothing: the user said so.
    Insecure,
    /// This identity.
    Identity { expected: EraConfig, verifier: &'static dyn Verifier },
}

impl Policy {
    fn of(context: &Context) -> Result<Self, Failure> {
        if context.global.insecure {
            warn_insecure("the Coordinator's quote is not verified");
            return Ok(Self::Insecure);
        }
        let expected = EraConfig::read(context.global.era_config.as_deref())?;
        Ok(Self::Identity { expected, verifier: &RefusingVerifier })
    }

    /// Whether the evidence was verified; an error if it should have been and was not.
    fn judge(
        &self,
        quote: &v2::Quote,
        chain: &CertificateChain,
        nonce: &[u8],
        address: &Address,
        now: SystemTime,
    ) -> Result<bool, Failure> {
        let Self::Identity { expected, verifier } = self else { return Ok(false) };
        let unverified = |reason: String| Failure::Unverified { address: address.to_string(), reason };
        let Some(evidence) = quote.quote.as_ref().filter(|quote| !quote.0.is_empty()) else {
            return Err(unverified(
                "it sent no evidence, as in simulation mode; for a test use --insecure".into(),
            ));
        };
        let verified = verifier
            .verify(&evidence.0, &binding(chain, nonce), now)
            .map_err(|error| unverified(explain(&error)))?;
        compare(&verified, expected).map_err(unverified)?;
        Ok(true)
    }
}

/// Whether the enclave that evidence proves is the expected one. [`Verified`] names no measurement yet, and an
/// identity that cannot be compared is not the expected one, however genuine the evidence may be.
fn compare(_proved: &Verified, _expected: &EraConfig) -> Result<(), String> {
    Err("this version cannot compare the Coordinator's identity with the expected one yet".into())
}

/// Evidence covers SHA-256 over the root certificate and the nonce.
fn binding(chain: &CertificateChain, nonce: &[u8]) -> Binding {
    let covered = digest(&SHA256, &[chain.root().as_ref(), nonce].concat());
    let mut hash = [0; 32];
    hash.copy_from_slice(covered.as_ref());
    Binding::CoordinatorRoot(hash)
}

fn explain(error: &EvidenceError) -> String {
    match error {
        EvidenceError::Unsupported => {
            "this version cannot verify attestation evidence yet; for a Coordinator in simulation mode use --insecure".into()
        }
        other => other.to_string(),
    }
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
    use marblerun_api::rest::Base64;
    use marblerun_attest::SimulationVerifier;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;

    fn chain() -> String {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root = params.self_signed(&root_key).unwrap().pem();
        params.signed_by(&key, &Issuer::from_params(&params, &root_key)).unwrap().pem() + &root
    }

    fn judge(policy: &Policy, evidence: Option<&[u8]>) -> Result<bool, String> {
        let quote = v2::Quote { cert: chain(), quote: evidence.map(|bytes| Base64(bytes.to_vec())) };
        let chain = CertificateChain::from_pem(&quote.cert).unwrap();
        let address = Address::parse("localhost").unwrap();
        policy.judge(&quote, &chain, b"", &address, std::time::UNIX_EPOCH).map_err(|e| e.to_string())
    }

    fn check(verifier: &'static dyn Verifier, evidence: Option<&[u8]>, reason: &str) {
        let json = format!(r#"{{"UniqueID":"{}"}}"#, "22".repeat(32));
        let policy = Policy::Identity { expected: serde_json::from_str(&json).unwrap(), verifier };
        let error = judge(&policy, evidence).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn no_evidence_of_today_makes_a_coordinator_verified() {
        check(&RefusingVerifier, Some(b"evidence"), "cannot verify attestation evidence yet");
        for verifier in [&RefusingVerifier as &'static dyn Verifier, &SimulationVerifier] {
            check(verifier, None, "sent no evidence");
            check(verifier, Some(b""), "sent no evidence");
        }
        // A verifier that lets everything through proves no identity.
        check(&SimulationVerifier, Some(b"evidence"), "cannot compare");
        assert_eq!(judge(&Policy::Insecure, None), Ok(false));
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
