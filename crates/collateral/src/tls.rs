//! TLS to collateral services. What they send is signed by vendors, so TLS only keeps others from reading which
//! platforms are asked for, and from breaking the connection unseen.

use std::sync::Arc;

use marblerun_api::tls::AnyServer;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use crate::CollateralError;

/// Whom to take for the service: holders of certificates that the web trusts, or anyone (`use_secure_cert: false`, as a
/// PCCS of one's own with a self-signed certificate needs it).
pub(crate) fn config(anyone: bool) -> Result<Arc<ClientConfig>, CollateralError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let any_server = AnyServer::new(&provider);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CollateralError::Tls(error.to_string()))?;
    let builder = match anyone {
        false => {
            builder.with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
        }
        true => builder.dangerous().with_custom_certificate_verifier(Arc::new(any_server)),
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
