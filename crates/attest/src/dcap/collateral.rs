//! The collateral of SGX and TDX: what Intel publishes about a kind of platform. Field names are those of dcap-qvl's
//! `QuoteCollateralV3` and of Intel's quote verification library.

use dcap_qvl::QuoteCollateralV3;
use serde::{Deserialize, Serialize};

use crate::bytes::hex_text;
use crate::error::{Failure, PCK_CRL, ROOT_CRL};
use crate::x509::{Chain, RevocationList, certificates_of_pem};

/// Everything that verifying a quote needs beside the quote. In JSON, bytes are hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntelCollateral {
    /// Who signed the PCK revocation list, in PEM; kept for others, since the quote carries the same certificates.
    #[serde(default)]
    pub pck_crl_issuer_chain: String,
    /// Revocation list of the root, in DER.
    #[serde(with = "hex_text")]
    pub root_ca_crl: Vec<u8>,
    /// Revocation list of the authority that issued the PCK certificate, in DER.
    #[serde(with = "hex_text")]
    pub pck_crl: Vec<u8>,
    /// Who signed the TCB Info, in PEM.
    pub tcb_info_issuer_chain: String,
    /// The TCB Info: exactly the signed bytes of the inner object.
    pub tcb_info: String,
    /// Its signature: r and s.
    #[serde(with = "hex_text")]
    pub tcb_info_signature: Vec<u8>,
    /// Who signed the QE identity, in PEM.
    pub qe_identity_issuer_chain: String,
    /// The identity of the quoting enclave: exactly the signed bytes of the inner object.
    pub qe_identity: String,
    /// Its signature: r and s.
    #[serde(with = "hex_text")]
    pub qe_identity_signature: Vec<u8>,
}

/// The fields that versions and freshness are judged by, before anything else of the object is believed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Edition {
    /// What it speaks about: `SGX` or `TDX`, `QE` or `TD_QE`.
    #[serde(default)]
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) issue_date: String,
    pub(super) next_update: String,
    pub(super) tcb_evaluation_data_number: u32,
    #[serde(default)]
    pub(super) fmspc: String,
    #[serde(default)]
    pub(super) pce_id: String,
}

impl IntelCollateral {
    /// The numbers of the TCB evaluation by which TCB Info and QE identity were made, as they claim. The higher, the
    /// newer the rules.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn claimed_evaluation_numbers(&self) -> Result<(u32, u32), Failure> {
        let (tcb_info, qe_identity) = (self.tcb_edition()?, self.qe_edition()?);
        Ok((tcb_info.tcb_evaluation_data_number, qe_identity.tcb_evaluation_data_number))
    }

    pub(super) fn tcb_edition(&self) -> Result<Edition, Failure> {
        check_length("TCB Info", &self.tcb_info_signature)?;
        edition("TCB Info", &self.tcb_info, 3..=3)
    }

    pub(super) fn qe_edition(&self) -> Result<Edition, Failure> {
        check_length("QE identity", &self.qe_identity_signature)?;
        edition("QE identity", &self.qe_identity, 2..=3)
    }

    /// The two revocation lists, signed by the authorities of `chain` (that of a PCK certificate) and valid at `now`.
    pub(super) fn revocation_lists(&self, chain: &Chain, now: u64) -> Result<[RevocationList; 2], Failure> {
        let of = |list, der, issuer| {
            RevocationList::verified(der, issuer, now).map_err(|why| Failure::RevocationList { list, why })
        };
        // Where both have ended, the one that ends sooner by far is named.
        let of_leaf = of(PCK_CRL, &self.pck_crl, chain.issuer_of_leaf())?;
        Ok([of(ROOT_CRL, &self.root_ca_crl, chain.root())?, of_leaf])
    }

    /// The validity of the certificates that sign TCB Info and QE identity: (latest start, earliest end).
    pub(super) fn signers_window(&self) -> Result<(u64, u64), Failure> {
        let mut window = (0, u64::MAX);
        for chain in [&self.tcb_info_issuer_chain, &self.qe_identity_issuer_chain] {
            for certificate in certificates_of_pem("the collateral's issuer chain", chain.as_bytes())? {
                window = narrow(window, (*certificate.validity().start(), *certificate.validity().end()));
            }
        }
        Ok(window)
    }

    /// For dcap-qvl. The PCK chain is left out, so that no chain but the quote's own can count.
    pub(super) fn for_dcap_qvl(&self) -> QuoteCollateralV3 {
        QuoteCollateralV3 {
            pck_crl_issuer_chain: self.pck_crl_issuer_chain.clone(),
            root_ca_crl: self.root_ca_crl.clone(),
            pck_crl: self.pck_crl.clone(),
            tcb_info_issuer_chain: self.tcb_info_issuer_chain.clone(),
            tcb_info: self.tcb_info.clone(),
            tcb_info_signature: self.tcb_info_signature.clone(),
            qe_identity_issuer_chain: self.qe_identity_issuer_chain.clone(),
            qe_identity: self.qe_identity.clone(),
            qe_identity_signature: self.qe_identity_signature.clone(),
            pck_certificate_chain: None,
        }
    }

    /// All bytes that a verification depends on.
    pub(super) fn parts(&self) -> [&[u8]; 8] {
        [
            &self.root_ca_crl,
            &self.pck_crl,
            self.tcb_info_issuer_chain.as_bytes(),
            self.tcb_info.as_bytes(),
            &self.tcb_info_signature,
            self.qe_identity_issuer_chain.as_bytes(),
            self.qe_identity.as_bytes(),
            &self.qe_identity_signature,
        ]
    }
}

impl Edition {
    /// (issueDate, nextUpdate) in seconds since 1970.
    pub(super) fn window(&self, part: &'static str) -> Result<(u64, u64), Failure> {
        Ok((seconds(part, &self.issue_date)?, seconds(part, &self.next_update)?))
    }
}

/// The intersection of two windows.
pub(super) fn narrow(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    (one.0.max(other.0), one.1.min(other.1))
}

/// r and s, 32 bytes each.
fn check_length(part: &'static str, signature: &[u8]) -> Result<(), Failure> {
    match signature.len() {
        64 => Ok(()),
        other => {
            Err(Failure::Collateral { part, why: format!("its signature has {other} bytes, wanted 64") })
        }
    }
}

fn edition(
    part: &'static str,
    json: &str,
    versions: std::ops::RangeInclusive<u64>,
) -> Result<Edition, Failure> {
    let edition: Edition = serde_json::from_str(json)
        .map_err(|error| Failure::Collateral { part, why: format!("it cannot be read: {error}") })?;
    match edition.version {
        version if versions.contains(&version) => Ok(edition),
        version => Err(Failure::UnsupportedCollateral { part, version }),
    }
}

/// Intel's dates: `2025-06-19T10:01:18Z`.
fn seconds(part: &'static str, date: &str) -> Result<u64, Failure> {
    let date: der::DateTime = date.parse().map_err(|error| Failure::Collateral {
        part,
        why: format!("its date `{date}` cannot be read: {error}"),
    })?;
    Ok(date.unix_duration().as_secs())
}
