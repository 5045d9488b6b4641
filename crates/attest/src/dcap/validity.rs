//! What can be said of Intel's collateral before there is a quote: whose it is, about which platforms, and for how long.
//! A verification checks all of this again, together with the quote.

use std::collections::BTreeMap;

use super::PckAuthority;
use super::collateral::{Edition, IntelCollateral, narrow};
use crate::bytes::Hex;
use crate::collateral::{Needs, PublicationNumber, Validity};
use crate::error::{Failure, PCK_CRL, ROOT_CRL};
use crate::roots::{Roots, Vendor};
use crate::x509::{Certificate, Chain, ChainFault, RevocationList, certificates_of_pem};

const TCB_CHAIN: &str = "TCB Info issuer chain";
const QE_CHAIN: &str = "QE identity issuer chain";
const CRL_CHAIN: &str = "PCK revocation list issuer chain";
const TCB_INFO: &str = "TCB Info";
const QE_IDENTITY: &str = "QE identity";

/// Holds `collateral` against what `needs` asks for, at `now` (seconds since 1970).
pub(crate) fn validity(
    collateral: &IntelCollateral,
    needs: &Needs,
    roots: &Roots,
    now: u64,
) -> Result<Validity, Failure> {
    let Needs::Intel { tdx, fmspc, ca } = needs else {
        return Err(Failure::MissingCollateral("AMD's collateral"));
    };
    let (tcb, qe) = (collateral.tcb_edition()?, collateral.qe_edition()?);
    check_subject(&tcb, &qe, *tdx, fmspc)?;
    let authority = authority(collateral, *ca, roots, now)?;
    let lists = lists(collateral, &authority, now)?;
    let signers = signers(collateral, &lists[0], roots, now)?;
    check_signature(TCB_INFO, signers[0].leaf(), &collateral.tcb_info, &collateral.tcb_info_signature)?;
    check_signature(
        QE_IDENTITY,
        signers[1].leaf(),
        &collateral.qe_identity,
        &collateral.qe_identity_signature,
    )?;
    let used = signers.iter().chain([&authority]).map(|chain| chain.root().der().to_vec()).collect();
    let mut windows = vec![authority.window(), lists[0].window(), lists[1].window()];
    windows.extend(signers.iter().map(Chain::window));
    windows.push(window_at(TCB_INFO, &tcb, now)?);
    windows.push(window_at(QE_IDENTITY, &qe, now)?);
    let (from, until) = windows.into_iter().fold((0, u64::MAX), narrow);
    let (issued, numbers) = (issued(&lists, &tcb, &qe)?, numbers(&lists, &tcb, &qe));
    Ok(Validity { from, until, issued, numbers, roots: used })
}

/// Whether it speaks about the platforms that are asked for.
fn check_subject(tcb: &Edition, qe: &Edition, tdx: bool, fmspc: &Hex<6>) -> Result<(), Failure> {
    let (tcb_id, qe_id) = if tdx { ("TDX", "TD_QE") } else { ("SGX", "QE") };
    for (part, seen, wanted) in [(TCB_INFO, &tcb.id, tcb_id), (QE_IDENTITY, &qe.id, qe_id)] {
        if seen != wanted {
            return Err(Failure::Collateral {
                part,
                why: format!("it is about `{seen}`, wanted `{wanted}`"),
            });
        }
    }
    super::check::check_fmspc(fmspc, &tcb.fmspc)
}

/// The authority whose revocation list is wanted, with its root.
fn authority(
    collateral: &IntelCollateral,
    wanted: PckAuthority,
    roots: &Roots,
    now: u64,
) -> Result<Chain, Failure> {
    let chain = chain(CRL_CHAIN, &collateral.pck_crl_issuer_chain, roots, now)?;
    let seen = PckAuthority::of_issuer(&chain.leaf().subject())?;
    if seen == wanted {
        return Ok(chain);
    }
    let why = format!("it is that of the {} authority, wanted {}", seen.as_str(), wanted.as_str());
    Err(Failure::Collateral { part: PCK_CRL, why })
}

/// The root's list and the authority's; the first does not name the authority.
fn lists(collateral: &IntelCollateral, authority: &Chain, now: u64) -> Result<[RevocationList; 2], Failure> {
    let of = |list, der: &[u8], issuer| {
        RevocationList::verified(der, issuer, now).map_err(|why| Failure::RevocationList { list, why })
    };
    let lists = [
        of(ROOT_CRL, &collateral.root_ca_crl, authority.root())?,
        of(PCK_CRL, &collateral.pck_crl, authority.leaf())?,
    ];
    check_not_revoked(CRL_CHAIN, authority, &lists[0])?;
    Ok(lists)
}

/// Who signed TCB Info and QE identity: chains of which every byte counts, with nobody on the root's list.
pub(super) fn signers(
    collateral: &IntelCollateral,
    root_list: &RevocationList,
    roots: &Roots,
    now: u64,
) -> Result<[Chain; 2], Failure> {
    let one = |name, pem| {
        let chain = signer(name, pem, roots, now)?;
        check_not_revoked(name, &chain, root_list)?;
        Ok::<_, Failure>(chain)
    };
    Ok([
        one(TCB_CHAIN, &collateral.tcb_info_issuer_chain)?,
        one(QE_CHAIN, &collateral.qe_identity_issuer_chain)?,
    ])
}

/// Whoever signs TCB Info and QE identity was issued by the root itself: a platform's PCK certificate is not, so whoever
/// extracts its key signs no collateral.
fn signer(name: &'static str, pem: &str, roots: &Roots, now: u64) -> Result<Chain, Failure> {
    let chain = chain(name, pem, roots, now)?;
    match chain.all().count() {
        2 => Ok(chain),
        _ => Err(Failure::Chain { chain: name, why: "its signer was not issued by the root".to_owned() }),
    }
}

fn chain(name: &'static str, pem: &str, roots: &Roots, now: u64) -> Result<Chain, Failure> {
    let certificates = certificates_of_pem(name, pem.as_bytes())?;
    Chain::verified(certificates, roots.of(Vendor::Intel), now).map_err(|why| match why {
        ChainFault::UntrustedRoot { subject } => Failure::UntrustedRoot { chain: name, subject },
        other => Failure::Chain { chain: name, why: other.to_string() },
    })
}

fn check_not_revoked(name: &'static str, chain: &Chain, list: &RevocationList) -> Result<(), Failure> {
    match chain.all().find(|certificate| list.revokes(certificate)) {
        None => Ok(()),
        Some(revoked) => Err(Failure::Revoked {
            chain: name,
            subject: revoked.subject(),
            serial: hex::encode(revoked.serial()),
        }),
    }
}

fn check_signature(
    part: &'static str,
    signer: &Certificate,
    text: &str,
    signature: &[u8],
) -> Result<(), Failure> {
    if signer.has_signed(text.as_bytes(), signature) {
        return Ok(());
    }
    Err(Failure::Collateral { part, why: "its signature does not verify with its issuer's key".to_owned() })
}

fn window_at(part: &'static str, edition: &Edition, now: u64) -> Result<(u64, u64), Failure> {
    let (from, to) = edition.window(part)?;
    if (from..=to).contains(&now) {
        return Ok((from, to));
    }
    let (issued, next) = (&edition.issue_date, &edition.next_update);
    let why = format!("it is valid from {issued} to {next}, not at {now} (seconds since 1970)");
    Err(Failure::Collateral { part, why })
}

fn issued(
    lists: &[RevocationList; 2],
    tcb: &Edition,
    qe: &Edition,
) -> Result<BTreeMap<&'static str, u64>, Failure> {
    Ok(BTreeMap::from([
        (ROOT_CRL, lists[0].window().0),
        (PCK_CRL, lists[1].window().0),
        (TCB_INFO, tcb.window(TCB_INFO)?.0),
        (QE_IDENTITY, qe.window(QE_IDENTITY)?.0),
    ]))
}

fn numbers(
    lists: &[RevocationList; 2],
    tcb: &Edition,
    qe: &Edition,
) -> BTreeMap<&'static str, PublicationNumber> {
    let evaluation =
        |edition: &Edition| Some(PublicationNumber::new(&edition.tcb_evaluation_data_number.to_be_bytes()));
    let all = [
        (ROOT_CRL, lists[0].number().cloned()),
        (PCK_CRL, lists[1].number().cloned()),
        (TCB_INFO, evaluation(tcb)),
        (QE_IDENTITY, evaluation(qe)),
    ];
    all.into_iter().filter_map(|(part, number)| Some((part, number?))).collect()
}
