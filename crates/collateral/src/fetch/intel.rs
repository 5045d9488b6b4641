//! Intel's Provisioning Certification Service, version 4 (Intel SGX and TDX PCS API 4.0), and a PCCS, which answers the
//! same. Issuer chains come in headers.

use marblerun_attest::{Hex, IntelCollateral, PckAuthority};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::list;
use crate::http::{Answer, Http};
use crate::{CollateralError, Sources};

/// A TCB Info or an identity, as the vendor signed it: the exact bytes of the inner object.
struct Signed {
    text: String,
    signature: Vec<u8>,
    chain: String,
}

struct Crl {
    der: Vec<u8>,
    chain: String,
}

/// Everything about one kind of platform, fetched at once.
pub(super) async fn fetch(
    http: &Http,
    sources: &Sources,
    tdx: bool,
    fmspc: &Hex<6>,
    ca: PckAuthority,
) -> Result<IntelCollateral, CollateralError> {
    let (tcb, qe, pck, root_ca_crl) = tokio::try_join!(
        tcb_info(http, sources, tdx, fmspc),
        qe_identity(http, sources, tdx),
        pck_crl(http, sources, ca),
        root_crl(http, sources),
    )?;
    Ok(IntelCollateral {
        pck_crl_issuer_chain: pck.chain,
        root_ca_crl,
        pck_crl: pck.der,
        tcb_info_issuer_chain: tcb.chain,
        tcb_info: tcb.text,
        tcb_info_signature: tcb.signature,
        qe_identity_issuer_chain: qe.chain,
        qe_identity: qe.text,
        qe_identity_signature: qe.signature,
    })
}

/// Whether the service answers with an identity of SGX's quoting enclave.
pub(super) async fn identity_is_there(http: &Http, sources: &Sources) -> Result<(), CollateralError> {
    qe_identity(http, sources, false).await.map(drop)
}

async fn tcb_info(
    http: &Http,
    sources: &Sources,
    tdx: bool,
    fmspc: &Hex<6>,
) -> Result<Signed, CollateralError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow, rename = "tcbInfo")]
        tcb_info: &'a RawValue,
        signature: String,
    }
    let path = format!("/{}/certification/v4/tcb", tee(tdx));
    let answer = http.get(&sources.intel.below(&path), &format!("fmspc={fmspc}")).await?;
    let body: Body<'_> = json(&answer)?;
    let chain = answer.decoded_header(&["TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"])?;
    signed(&answer, body.tcb_info, &body.signature, chain)
}

async fn qe_identity(http: &Http, sources: &Sources, tdx: bool) -> Result<Signed, CollateralError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow, rename = "enclaveIdentity")]
        identity: &'a RawValue,
        signature: String,
    }
    let path = format!("/{}/certification/v4/qe/identity", tee(tdx));
    let answer = http.get(&sources.intel.below(&path), "").await?;
    let body: Body<'_> = json(&answer)?;
    let chain = answer.decoded_header(&["SGX-Enclave-Identity-Issuer-Chain"])?;
    signed(&answer, body.identity, &body.signature, chain)
}

async fn pck_crl(http: &Http, sources: &Sources, ca: PckAuthority) -> Result<Crl, CollateralError> {
    let from = sources.intel.below("/sgx/certification/v4/pckcrl");
    let answer = http.get(&from, &format!("ca={}&encoding=der", ca.as_str())).await?;
    let chain = answer.decoded_header(&["SGX-PCK-CRL-Issuer-Chain"])?;
    Ok(Crl { der: revocation_list(&answer)?, chain })
}

async fn root_crl(http: &Http, sources: &Sources) -> Result<Vec<u8>, CollateralError> {
    let from = sources.root_crl.clone();
    let from = from.unwrap_or_else(|| sources.intel.below("/sgx/certification/v4/rootcacrl"));
    revocation_list(&http.get(&from, "").await?)
}

fn tee(tdx: bool) -> &'static str {
    if tdx { "tdx" } else { "sgx" }
}

fn json<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, CollateralError> {
    serde_json::from_str(answer.text()?).map_err(|error| answer.wrong(error.to_string()))
}

fn signed(
    answer: &Answer,
    text: &RawValue,
    signature: &str,
    chain: String,
) -> Result<Signed, CollateralError> {
    let signature =
        hex::decode(signature).map_err(|error| answer.wrong(format!("its signature is no hex: {error}")))?;
    Ok(Signed { text: text.get().to_owned(), signature, chain })
}

fn revocation_list(answer: &Answer) -> Result<Vec<u8>, CollateralError> {
    list(&answer.body).ok_or_else(|| answer.wrong("it is no revocation list in DER, PEM or hex".to_owned()))
}
