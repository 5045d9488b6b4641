//! AMD's Key Distribution Service (AMD VCEK Certificate and KDS Interface Specification 57230, section 4).

use marblerun_attest::{AmdCollateral, Needs, Product, SigningKey, SnpTcb};

use super::{certificates, list};
use crate::http::Http;
use crate::{Address, CollateralError};

/// Product lines whose chips may send reports that do not name their line, in the order in which they are tried.
const UNNAMED: [Product; 2] = [Product::Milan, Product::Genoa];

/// Whoever issues signing keys of `product`, with the root and its revocation list.
pub(super) async fn issuers(
    http: &Http,
    kds: &Address,
    product: Product,
    key: SigningKey,
) -> Result<AmdCollateral, CollateralError> {
    let kind = match key {
        SigningKey::Vcek => "vcek",
        SigningKey::Vlek => "vlek",
    };
    let at = |what: &str| kds.below(&format!("/{kind}/v1/{product}/{what}"));
    let (chain_at, crl_at) = (at("cert_chain"), at("crl"));
    let (chain, crl) = tokio::try_join!(http.get(&chain_at, ""), http.get(&crl_at, ""))?;
    let mut ders = certificates(&chain.body).unwrap_or_default().into_iter();
    let (Some(intermediate), Some(root), None) = (ders.next(), ders.next(), ders.next()) else {
        return Err(chain.wrong("wanted two certificates in PEM, the issuer's and the root's".to_owned()));
    };
    let list = list(&crl.body).ok_or_else(|| crl.wrong("it is no revocation list".to_owned()))?;
    Ok(AmdCollateral { vek: Vec::new(), intermediate, root: Some(root), crl: Some(list) })
}

/// The certificate of a chip's key, in DER. Where the line is not known the lines are tried one after the other.
pub(super) async fn vcek(
    http: &Http,
    kds: &Address,
    needs: &Needs,
) -> Result<(Product, Vec<u8>), CollateralError> {
    let Needs::Amd { product, chip_id, reported_tcb, .. } = needs else {
        return Err(CollateralError::Unobtainable("this is no need for AMD's collateral"));
    };
    if let Some(product) = product {
        let der = vcek_of(http, kds, *product, &chip_id.to_string(), reported_tcb).await?;
        return Ok((*product, der));
    }
    let mut last = CollateralError::Unobtainable("the product line is not known");
    for product in UNNAMED {
        match vcek_of(http, kds, product, &chip_id.to_string(), reported_tcb).await {
            Ok(der) => return Ok((product, der)),
            Err(error @ CollateralError::Answer { .. }) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

async fn vcek_of(
    http: &Http,
    kds: &Address,
    product: Product,
    chip_id: &str,
    tcb: &SnpTcb,
) -> Result<Vec<u8>, CollateralError> {
    // Turin's identities have 8 bytes; zeros follow in the report.
    let hwid = if product == Product::Turin { chip_id.get(..16).unwrap_or(chip_id) } else { chip_id };
    let SnpTcb { fmc, bootloader, tee, snp, microcode } = tcb;
    let fmc = fmc.map_or_else(String::new, |fmc| format!("&fmcSPL={fmc}"));
    let query = format!("blSPL={bootloader}&teeSPL={tee}&snpSPL={snp}&ucodeSPL={microcode}{fmc}");
    let answer = http.get(&kds.below(&format!("/vcek/v1/{product}/{hwid}")), &query).await?;
    let mut ders = certificates(&answer.body).unwrap_or_default().into_iter();
    ders.next().ok_or_else(|| answer.wrong("it is no certificate".to_owned()))
}
