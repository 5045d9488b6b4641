//! From what is needed to requests, and from answers to collateral. Nothing here judges whether it counts.

mod amd;
mod intel;

use marblerun_attest::{AmdCollateral, Collateral, Needs, Product, SigningKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::http::{Http, Limits};
use crate::tls::{self, Whom};
use crate::{CollateralError, Sources};

/// Asks the services.
#[derive(Debug)]
pub(crate) struct Fetcher {
    sources: Sources,
    pccs: Http,
    kds: Http,
}

impl Fetcher {
    pub(crate) fn new(sources: Sources, limits: Limits) -> Result<Self, CollateralError> {
        let known = Whom::Known(&sources.authorities);
        let pccs = Http { tls: tls::config(if sources.any_pccs { Whom::Anyone } else { known })?, limits };
        let kds = Http { tls: tls::config(known)?, limits };
        Ok(Self { sources, pccs, kds })
    }

    /// The whole collateral, where it does not rest on other collateral.
    pub(crate) async fn whole(&self, needs: &Needs) -> Result<Collateral, CollateralError> {
        match needs {
            Needs::Intel { tdx, fmspc, ca } => {
                let intel = intel::fetch(&self.pccs, &self.sources, *tdx, fmspc, *ca).await?;
                Ok(Collateral { intel: Some(intel), ..Collateral::default() })
            }
            Needs::Amd { product, signing_key, .. } => {
                let product =
                    product.ok_or(CollateralError::Unobtainable("the product line is not known"))?;
                let amd = self.issuers(product, *signing_key).await?;
                Ok(Collateral { amd: Some(amd), ..Collateral::default() })
            }
            _ => Err(CollateralError::Unobtainable("there is no service for it")),
        }
    }

    /// Whether the services answer: what is asked for here is the same for all platforms.
    pub(crate) async fn reach(&self) -> [(String, Result<(), CollateralError>); 2] {
        let (pccs, kds) = tokio::join!(
            intel::identity_is_there(&self.pccs, &self.sources),
            self.issuers(Product::Genoa, SigningKey::Vcek),
        );
        [(self.sources.pccs(), pccs), (self.sources.kds(), kds.map(drop))]
    }

    async fn issuers(&self, product: Product, key: SigningKey) -> Result<AmdCollateral, CollateralError> {
        amd::issuers(&self.kds, &self.sources.amd, product, key).await
    }

    /// The certificate of a chip's signing key, and the product line whose it is.
    pub(crate) async fn vcek(&self, needs: &Needs) -> Result<(Product, Vec<u8>), CollateralError> {
        amd::vcek(&self.kds, &self.sources.amd, needs).await
    }
}

/// A revocation list as services send it: DER, PEM, or DER in hexadecimal.
fn list(body: &[u8]) -> Option<Vec<u8>> {
    match body.trim_ascii() {
        _ if body.first() == Some(&DER_SEQUENCE) => Some(body.to_vec()),
        text if text.starts_with(b"-----") => {
            CertificateRevocationListDer::from_pem_slice(text).ok().map(|list| list.to_vec())
        }
        text => hex::decode(text).ok().filter(|der| !der.is_empty()),
    }
}

/// The certificates of a PEM text, or the one that is there in DER.
fn certificates(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    if body.first() == Some(&DER_SEQUENCE) {
        return Some(vec![body.to_vec()]);
    }
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(body).collect();
    Some(all.ok()?.into_iter().map(|der| der.to_vec()).collect())
}

const DER_SEQUENCE: u8 = 0x30;
