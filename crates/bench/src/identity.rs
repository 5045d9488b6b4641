//! Who the load generator pretends to be: marbles with certificate and request made before the clock runs.

use std::sync::Arc;

use anyhow::Context as _;
use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};
use rustls::ClientConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::cli::KeyExchange;
use crate::lab::Lab;
use crate::tls;

/// Size of a quote with its certificates, as marbles send it. In simulation its content does not matter.
const QUOTE_BYTES: usize = 4_700;

/// One marble: P-384, self-signed, its request signed with the same key.
pub(crate) struct Identity {
    /// Presents the certificate; never resumes a session.
    pub(crate) tls: Arc<ClientConfig>,
    /// PKCS#10 request, DER.
    pub(crate) csr: Vec<u8>,
    /// What it shows for its certificate.
    pub(crate) evidence: Vec<u8>,
    /// SHA-256 of the certificate: what evidence has to cover.
    certificate: Vec<u8>,
}

impl Identity {
    /// Makes a new key and everything that hangs on it.
    pub(crate) fn generate(key_exchange: KeyExchange) -> anyhow::Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names.clone())?.self_signed(&key)?;
        let csr = CertificateParams::new(names)?.serialize_request(&key)?;
        let private = PrivatePkcs8KeyDer::from(key.serialize_der());
        let tls = tls::marble(certificate.der().clone(), private.into(), key_exchange)?;
        Ok(Self {
            tls: Arc::new(tls),
            csr: csr.der().to_vec(),
            evidence: vec![0; QUOTE_BYTES],
            certificate: digest(&SHA256, certificate.der()).as_ref().to_vec(),
        })
    }

    /// As [`Identity::several`], with evidence that counts. A marble that activates again shows the same.
    pub(crate) async fn attested(
        count: u16,
        key_exchange: KeyExchange,
        lab: &Lab,
    ) -> anyhow::Result<Arc<[Self]>> {
        let mut all = Vec::new();
        for _ in 0..count {
            let identity = Self::generate(key_exchange)?;
            let report_data = hex(&identity.certificate);
            all.push(Self { evidence: lab.evidence(&report_data).await?, ..identity });
        }
        Ok(all.into())
    }

    /// As many as shall be in flight.
    pub(crate) fn several(count: u16, key_exchange: KeyExchange) -> anyhow::Result<Arc<[Self]>> {
        (0..count).map(|_| Self::generate(key_exchange)).collect::<Result<_, _>>().context("make marbles")
    }
}

/// Of a hash; zeros follow it in report data.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
