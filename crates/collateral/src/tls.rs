//! TLS to collateral services. What they send is signed by vendors, so TLS only keeps others from reading which
//! platforms are asked for, and from breaking the connection unseen.

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::CollateralError;

/// Whom to take for a service.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whom<'a> {
    /// Whoever answers (`use_secure_cert: false`).
    Anyone,
    /// Whom the web trusts, whom one of these certificates trusts, and who has one of them itself.
    Known(&'a [CertificateDer<'static>]),
}

pub(crate) fn config(whom: Whom<'_>) -> Result<Arc<ClientConfig>, CollateralError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match whom {
        Whom::Anyone => Arc::new(Anyone(provider.signature_verification_algorithms.supported_schemes())),
        Whom::Known(named) => Arc::new(Known::new(named, &provider)?),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CollateralError::Tls(error.to_string()))?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What is wrong with the service's certificate, if that is why a handshake failed.
pub(crate) fn objection(error: &io::Error) -> Option<String> {
    let rustls::Error::InvalidCertificate(why) = error.get_ref()?.downcast_ref()? else { return None };
    Some(match why {
        CertificateError::UnknownIssuer => {
            "nobody vouches for it whom the web trusts or you named".to_owned()
        }
        // Above all of version 1, or an authority's that is also the server's.
        CertificateError::Other(why) => format!("it is none that an authority makes for a server ({why})"),
        // rustls says which names, or which times, it has.
        other => other.to_string(),
    })
}

#[derive(Debug)]
struct Known {
    named: Vec<CertificateDer<'static>>,
    web: Arc<WebPkiServerVerifier>,
}

impl Known {
    fn new(
        named: &[CertificateDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, CollateralError> {
        let failed = |error: &dyn std::fmt::Display| CollateralError::Tls(error.to_string());
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        named.iter().try_for_each(|one| roots.add(one.clone())).map_err(|error| failed(&error))?;
        let web = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        Ok(Self { named: named.to_vec(), web: web.map_err(|error| failed(&error))? })
    }
}

impl ServerCertVerifier for Known {
    /// A certificate that was itself named is known by its key, as a self-signed one has to be: the names and dates in
    /// it are its own word.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.named.contains(end_entity) {
            true => Ok(ServerCertVerified::assertion()),
            false => self.web.verify_server_cert(end_entity, intermediates, name, ocsp, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.web.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.web.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.web.supported_verify_schemes()
    }
}

/// Takes any certificate. Whoever is in the way can show one of their own, so a proof that the server holds its key
/// would prove nothing; and the certificates that Intel's installer makes for a PCCS are of X.509 version 1, whose keys
/// cannot be asked.
#[derive(Debug)]
struct Anyone(Vec<SignatureScheme>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
