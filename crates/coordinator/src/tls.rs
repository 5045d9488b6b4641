//! TLS of both listeners: which certificate they show, and what a client's certificate proves.
//!
//! Any client certificate is taken, whoever issued it: what counts is that the handshake proved its key. Whether the
//! certificate means anything is decided later, by equality with the manifest or by evidence bound to it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use marblerun_core::pki::Pki;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

use crate::spki::subject_public_key_info;

/// The leaf certificate whose key the handshake proved, in DER.
#[derive(Debug, Clone)]
pub struct PeerCertificate(pub CertificateDer<'static>);

/// The certificates that the listeners show now; replaced when the state changes.
#[derive(Debug)]
pub struct Presented {
    /// For clients: the root.
    pub client: Arc<Swappable>,
    /// For marbles: the marble root.
    pub mesh: Arc<Swappable>,
}

/// One certificate that can be replaced while connections go on.
#[derive(Debug)]
pub struct Swappable(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Swappable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Presented {
    /// Shows the certificates of `pki`.
    ///
    /// # Errors
    /// If a key cannot be used for TLS.
    pub fn new(pki: &Pki) -> Result<Self, rustls::Error> {
        let [client, mesh] = certified(pki)?;
        let swappable = |key| Arc::new(Swappable(ArcSwap::new(key)));
        Ok(Self { client: swappable(client), mesh: swappable(mesh) })
    }

    /// From the next handshake on, shows the certificates of `pki`.
    ///
    /// # Errors
    /// As [`Presented::new`].
    pub fn show(&self, pki: &Pki) -> Result<(), rustls::Error> {
        let [client, mesh] = certified(pki)?;
        self.client.0.store(client);
        self.mesh.0.store(mesh);
        Ok(())
    }
}

fn certified(pki: &Pki) -> Result<[Arc<CertifiedKey>; 2], rustls::Error> {
    let one = |certificate: &[u8], key: &marblerun_core::keys::SigningKey| {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.bytes().private.as_slice()));
        let key = aws_lc_rs::sign::any_supported_type(&key)?;
        Ok::<_, rustls::Error>(Arc::new(CertifiedKey::new(
            vec![CertificateDer::from(certificate.to_vec())],
            key,
        )))
    };
    Ok([one(&pki.root, &pki.root_key)?, one(&pki.marble_root, &pki.intermediate_key)?])
}

/// TLS 1.2 and 1.3; asks for a client certificate and lets the handler judge; no resumption, so that every
/// connection proves its key and nothing about it is kept.
///
/// # Errors
/// If the protocol versions do not fit the provider.
pub(crate) fn server_config(
    certificate: Arc<Swappable>,
    alpn: &[&[u8]],
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(AnyClientCertificate { provider }))
        .with_cert_resolver(certificate);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Takes every client certificate whose key the handshake proves.
#[derive(Debug)]
struct AnyClientCertificate {
    provider: Arc<CryptoProvider>,
}

impl AnyClientCertificate {
    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }
}

impl ClientCertVerifier for AnyClientCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crate::spki::verify_tls12(message, certificate, signature, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // Not through a certificate parser: administrators' certificates are often X.509 v1 or have critical
        // extensions that nobody knows, and only the key matters here.
        let key = subject_public_key_info(certificate)?;
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, signature, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}
