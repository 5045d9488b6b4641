//! Whether a quote is genuine: the order of the checks.
//!
//! What does not depend on the report's contents, but only on who vouches for the attestation key and on collateral,
//! makes an [`Endorsement`] and is remembered. With one at hand, a check is one signature.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use dcap_qvl::verify::QuoteVerifier;
use dcap_qvl::{QeIdentity, QuoteClaims, QuotePolicy, TcbInfo};

use super::collateral::{IntelCollateral, narrow};
use super::provider::AwsLc;
use super::tcb::{Appraisal, TcbStatus, appraise, own};
use super::{Body, PckExtensions, Quote, refusal};
use crate::bytes::Hex;
use crate::error::{Failure, PCK_CHAIN};
use crate::memory::{Edition, Key, Memory};
use crate::roots::{Roots, Vendor};
use crate::x509::{Certificate, Chain, ChainFault, certificates_of_pem};

/// Intel's word on an attestation key and the platform that holds it.
#[derive(Debug, Clone)]
pub(crate) struct Endorsement {
    pub(crate) root: Certificate,
    pub(crate) platform: PckExtensions,
    pub(crate) status: TcbStatus,
    pub(crate) qe_status: TcbStatus,
    pub(crate) qe_isvsvn: u16,
    pub(crate) advisories: Vec<String>,
    pub(crate) tcb_date: String,
    /// By which TCB evaluation (TCB Info, QE identity).
    pub(crate) evaluation: (u32, u32),
    /// The seconds since 1970 at which all of it holds.
    pub(crate) window: (u64, u64),
}

/// Checks that `quote` is genuine, at `now` (seconds since 1970).
pub(crate) fn check(
    quote: &Quote,
    collateral: Option<&IntelCollateral>,
    roots: &Roots,
    now: u64,
    memory: &Memory,
) -> Result<Arc<Endorsement>, Failure> {
    let key = collateral.map(|collateral| key(quote, collateral));
    let remembered = key.and_then(|key| memory.intel(&key)).filter(|known| known.holds(roots, now));
    let endorsement = match remembered {
        Some(known) => {
            check_signature(quote)?;
            known
        }
        None => Arc::new(endorse(quote, collateral, roots, now)?),
    };
    endorsement.editions(quote).iter().try_for_each(|edition| memory.admit(edition))?;
    if let Some(key) = key {
        memory.remember_intel(key, &endorsement);
    }
    Ok(endorsement)
}

impl Endorsement {
    /// Whether it counts now, for whoever trusts these roots.
    fn holds(&self, roots: &Roots, now: u64) -> bool {
        (self.window.0..=self.window.1).contains(&now)
            && roots.of(Vendor::Intel).any(|root| *root == self.root)
    }

    /// Of TCB Info and QE identity.
    fn editions(&self, quote: &Quote) -> [Edition; 2] {
        let [tcb_info, qe_identity] = match quote.body {
            Body::Sgx(_) => ["SGX TCB Info", "SGX QE identity"],
            Body::Tdx(_) => ["TDX TCB Info", "TDX QE identity"],
        };
        let root = Key::of("root", &[self.root.der()]);
        let edition = |part, number| Edition { part, of: (root, self.platform.fmspc), number };
        [edition(tcb_info, self.evaluation.0), edition(qe_identity, self.evaluation.1)]
    }
}

/// All of the checks, the signature of the quote included.
fn endorse(
    quote: &Quote,
    collateral: Option<&IntelCollateral>,
    roots: &Roots,
    now: u64,
) -> Result<Endorsement, Failure> {
    let chain = pck_chain(quote, roots, now)?;
    let collateral = collateral.ok_or(Failure::MissingCollateral("Intel collateral"))?;
    let (tcb_edition, qe_edition) = (collateral.tcb_edition()?, collateral.qe_edition()?);
    let platform = PckExtensions::of(chain.leaf())?;
    check_fmspc(&platform.fmspc, &tcb_edition.fmspc)?;
    check_pceid(&platform.pceid, &tcb_edition.pce_id)?;
    let lists = collateral.revocation_lists(&chain, now)?;
    if let Some(revoked) = chain.all().find(|certificate| lists.iter().any(|list| list.revokes(certificate)))
    {
        return Err(revocation(revoked));
    }
    let claims = dcap_qvl_verdict(quote, collateral, chain.root(), now)?;
    let appraisal = our_verdict(quote, collateral, &platform)?;
    check_agreement(appraisal.status, claims.map(|claims| own(claims.tcb.status)))?;
    let windows = [
        chain.window(),
        lists[0].window(),
        lists[1].window(),
        tcb_edition.window("TCB Info")?,
        qe_edition.window("QE identity")?,
        collateral.signers_window()?,
    ];
    Ok(Endorsement {
        root: chain.root().clone(),
        platform,
        status: appraisal.status,
        qe_status: appraisal.qe_status,
        qe_isvsvn: quote.authentication.qe_report.isvsvn,
        advisories: appraisal.advisories,
        tcb_date: appraisal.date,
        evaluation: (tcb_edition.tcb_evaluation_data_number, qe_edition.tcb_evaluation_data_number),
        window: windows.into_iter().fold((0, u64::MAX), narrow),
    })
}

/// The quote's own chain, which nothing in the collateral can replace.
fn pck_chain(quote: &Quote, roots: &Roots, now: u64) -> Result<Chain, Failure> {
    let fault = |why: String| Failure::Chain { chain: PCK_CHAIN, why };
    let certificates =
        certificates_of_pem(PCK_CHAIN, quote.pck_chain()?).map_err(|error| fault(error.to_string()))?;
    Chain::verified(certificates, roots.of(Vendor::Intel), now).map_err(|why| match why {
        ChainFault::UntrustedRoot { subject } => Failure::UntrustedRoot { chain: PCK_CHAIN, subject },
        other => fault(other.to_string()),
    })
}

fn revocation(certificate: &Certificate) -> Failure {
    let (subject, serial) = (certificate.subject(), hex::encode(certificate.serial()));
    Failure::Revoked { chain: PCK_CHAIN, subject, serial }
}

pub(super) fn check_fmspc(platform: &Hex<6>, collateral: &str) -> Result<(), Failure> {
    if collateral.eq_ignore_ascii_case(&platform.to_string()) {
        return Ok(());
    }
    Err(Failure::FmspcMismatch { platform: platform.to_string(), collateral: collateral.to_owned() })
}

/// PCESVNs count for one provisioning certification enclave; those of another say nothing. dcap-qvl leaves it out.
fn check_pceid(platform: &Hex<2>, collateral: &str) -> Result<(), Failure> {
    if collateral.eq_ignore_ascii_case(&platform.to_string()) {
        return Ok(());
    }
    let why = format!("it is for PCEID `{collateral}`, the platform's is {platform}");
    Err(Failure::Collateral { part: "TCB Info", why })
}

/// What dcap-qvl says; nothing if only attributes of the TD stand in its way.
fn dcap_qvl_verdict(
    quote: &Quote,
    collateral: &IntelCollateral,
    root: &Certificate,
    now: u64,
) -> Result<Option<QuoteClaims>, Failure> {
    let verifier =
        QuoteVerifier::<AwsLc>::new_with_config(root.der().to_vec()).allow_debug(true).allow_service_td(true);
    // Judging statuses, advisories and flags is the second step, by our own policy.
    let policy = QuotePolicy::claims_only(now);
    let verdict = verifier.verify_with_policy(&quote.raw, collateral.for_dcap_qvl(), now, &policy);
    match verdict.map_err(|error| format!("{error:#}")) {
        Ok(claims) => Ok(Some(claims)),
        Err(sentence) if refusal::is_for_attributes(&sentence) => Ok(None),
        Err(sentence) => Err(refusal::name(sentence)),
    }
}

/// Only called when the signatures over both objects were verified.
fn our_verdict(
    quote: &Quote,
    collateral: &IntelCollateral,
    platform: &PckExtensions,
) -> Result<Appraisal, Failure> {
    let unreadable =
        |part| move |error: serde_json::Error| Failure::Collateral { part, why: error.to_string() };
    let tcb_info: TcbInfo = serde_json::from_str(&collateral.tcb_info).map_err(unreadable("TCB Info"))?;
    let qe_identity: QeIdentity =
        serde_json::from_str(&collateral.qe_identity).map_err(unreadable("QE identity"))?;
    appraise(&tcb_info, &qe_identity, quote.authentication.qe_report.isvsvn, platform, &quote.body)
}

fn check_agreement(ours: TcbStatus, theirs: Option<TcbStatus>) -> Result<(), Failure> {
    match theirs {
        Some(theirs) if theirs != ours => {
            Err(Failure::Disagreement { ours: ours.to_string(), theirs: theirs.to_string() })
        }
        _ if ours == TcbStatus::Revoked => Err(Failure::TcbRevoked),
        _ => Ok(()),
    }
}

/// The signature of the quote alone, with an attestation key that is endorsed.
fn check_signature(quote: &Quote) -> Result<(), Failure> {
    let mut point = [4; 65];
    point[1..].copy_from_slice(&quote.authentication.attestation_key.0);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(quote.signed_bytes(), &quote.authentication.signature.0)
        .map_err(|_| Failure::QuoteSignature)
}

/// Everything that an endorsement depends on: the collateral, who vouches for the attestation key, and those fields of
/// a TD's report that Intel's collateral speaks about.
fn key(quote: &Quote, collateral: &IntelCollateral) -> Key {
    let mut parts = collateral.parts().to_vec();
    parts.push(quote.raw.get(..8).unwrap_or_default());
    parts.push(quote.vouchers());
    if let Body::Tdx(report) = &quote.body {
        parts.extend([
            &report.tee_tcb_svn.0[..],
            &report.mrsignerseam.0,
            &report.seam_attributes.0,
            &report.td_attributes.0,
        ]);
        parts.extend(report.v15.iter().map(|v15| &v15.tee_tcb_svn_2.0[..]));
    }
    Key::of("intel", &parts)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Two TDs of one platform may differ in what the collateral speaks about; one must not count for the other.
    #[test]
    fn what_is_remembered_is_found_by_all_that_it_depends_on() {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors/tdx/v5-td15-uptodate");
        let read = |file| std::fs::read(case.join(file)).unwrap();
        let quote = Quote::parse(&read("quote.bin")).unwrap();
        let collateral: IntelCollateral =
            serde_json::from_slice(&read("collateral/collateral.json")).unwrap();
        let of = |change: fn(&mut Quote, &mut crate::tdx::TdReport)| {
            let mut changed = quote.clone();
            let Body::Tdx(report) = &quote.body else { unreachable!() };
            let mut report = report.clone();
            change(&mut changed, &mut report);
            key(&Quote { body: Body::Tdx(report), ..changed }, &collateral)
        };
        let found = of(|_, _| {});
        assert_eq!(of(|_, report| report.report_data.0[0] ^= 1), found);
        assert_eq!(of(|_, report| report.rtmr3.0[0] ^= 1), found);
        let others = [
            of(|_, report| report.tee_tcb_svn.0[0] ^= 1),
            of(|_, report| report.mrsignerseam.0[0] ^= 1),
            of(|_, report| report.seam_attributes.0[0] ^= 1),
            of(|_, report| report.td_attributes.0[0] ^= 1),
            of(|_, report| report.v15.as_mut().unwrap().tee_tcb_svn_2.0[0] ^= 1),
            of(|_, report| report.v15 = None),
            of(|quote, _| *quote.raw.last_mut().unwrap() ^= 1),
            of(|quote, _| quote.raw[4] ^= 1),
        ];
        assert!(others.iter().all(|other| *other != found));
        let mut newer = collateral.clone();
        newer.pck_crl.push(0);
        assert_ne!(key(&quote, &newer), found);
    }

    #[test]
    fn neither_verdict_counts_alone_and_revoked_never() {
        use TcbStatus::{OutOfDate, Revoked, UpToDate};
        let check = |ours, theirs| check_agreement(ours, theirs).map_err(|failure| failure.code());
        assert_eq!(check(UpToDate, Some(UpToDate)), Ok(()));
        assert_eq!(check(OutOfDate, None), Ok(()), "dcap-qvl refuses only attributes");
        assert_eq!(check(UpToDate, Some(OutOfDate)), Err("tcb_disagreement"));
        assert_eq!(check(OutOfDate, Some(UpToDate)), Err("tcb_disagreement"));
        for theirs in [None, Some(Revoked)] {
            assert_eq!(check(Revoked, theirs), Err("tcb_revoked"));
        }
    }

    #[test]
    fn rules_for_another_provisioning_enclave_say_nothing() {
        assert_eq!(check_pceid(&Hex([0, 0x1a]), "001A"), Ok(()));
        for other in ["0000", "1A00", "", "001A00"] {
            assert_eq!(
                check_pceid(&Hex([0, 0x1a]), other).unwrap_err().code(),
                "collateral_invalid",
                "{other}"
            );
        }
    }
}
