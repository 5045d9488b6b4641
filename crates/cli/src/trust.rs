//! From an address to a Coordinator that is trusted, the two ways there are.
//!
//! [`verified`] asks for evidence, verifies it, and from then on talks only to whoever holds the key of the root
//! certificate that the evidence speaks of. [`known`] trusts the root certificate that an earlier command saved.
//! `--insecure` skips the evidence of the first and the certificate of the second, and says so.

use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use marblerun_api::client::{Address, CertificateChain, Client, Trust};
use marblerun_api::rest::v2;
use marblerun_attest::{Binding, EvidenceError, RefusingVerifier, Verifier};

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
    let verified = policy.judge(&quote, &chain, nonce, &address, context)?;
    let client = Client::new(address, Trust::Pinned(vec![chain.root().clone()]), None)?;
    Ok(Coordinator { client, chain, verified })
}

/// Trusts the cached root certificate, unless the user trusts anyone.
pub(crate) fn known(address: &str, context: &Context) -> Result<Client, Failure> {
    let address = Address::parse(address)?;
    if context.global.insecure {
        warn_insecure("the Coordinator's certificate is not checked");
        return Ok(Client::new(address, Trust::Anyone, None)?);
    }
    let path = context.cache_path()?;
    let cached = cache::load(&path)?;
    if !cached.verified {
        console::note(&format!(
            "Note: the certificate in {} was saved without verification; `marblerun manifest verify` makes up for it",
            path.display()
        ));
    }
    Ok(Client::new(address, Trust::Pinned(vec![cached.root]), None)?)
}

impl Context {
    /// Where the Coordinator's certificates are cached.
    pub(crate) fn cache_path(&self) -> Result<PathBuf, Failure> {
        self.global.coordinator_cert.clone().map_or_else(|| cache::default_path(&self.surroundings), Ok)
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
        context: &Context,
    ) -> Result<bool, Failure> {
        let Self::Identity { expected, verifier } = self else { return Ok(false) };
        let unverified = |reason: String| Failure::Unverified { address: address.to_string(), reason };
        let Some(evidence) = quote.quote.as_ref().filter(|quote| !quote.0.is_empty()) else {
            return Err(unverified(
                "it sent no evidence, as in simulation mode; for a test use --insecure".into(),
            ));
        };
        let verified = verifier
            .verify(&evidence.0, &binding(chain, nonce), context.surroundings.now)
            .map_err(|error| unverified(explain(&error)))?;
        // No verifier of today's gets here outside simulation, and none may: an identity that is not compared is no identity.
        let _ = (verified, expected);
        Err(unverified(
            "this version cannot compare the Coordinator's identity with the expected one yet".into(),
        ))
    }
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
