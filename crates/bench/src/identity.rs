//! Who the load generator pretends to be: marbles with certificate and request made before the clock runs.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};
use rustls::ClientConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::cli::KeyExchange;
use crate::tls;

/// One marble: P-384, self-signed, its request signed with the same key.
pub(crate) struct Identity {
    /// Presents the certificate; never resumes a session.
    pub(crate) tls: Arc<ClientConfig>,
    /// PKCS#10 request, DER.
    pub(crate) csr: Vec<u8>,
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
        Ok(Self { tls: Arc::new(tls), csr: csr.der().to_vec() })
    }

    /// As many as shall be in flight.
    pub(crate) fn several(count: u16, key_exchange: KeyExchange) -> anyhow::Result<Arc<[Self]>> {
        (0..count).map(|_| Self::generate(key_exchange)).collect::<Result<_, _>>().context("make marbles")
    }
}
