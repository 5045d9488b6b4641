//! Whether the virtual TPM's quote is genuine, given that the hardware report is: the chain from its report data to the
//! PCRs.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::evidence::{AzureEvidence, Hardware};
use super::hcl::Jwk;
use crate::binding::Binding;
use crate::bytes::Hex;
use crate::error::{Failure, Malformed};

/// What the virtual TPM proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vtpm {
    /// The values of the selected PCRs; nothing is known about the others.
    pub(crate) pcrs: Vec<(u8, Hex<32>)>,
}

/// Checks everything but the hardware report itself, which the caller checks as any other.
pub(crate) fn check(evidence: &AzureEvidence, binding: &Binding) -> Result<Vtpm, Failure> {
    check_paravisor(evidence)?;
    check_runtime_data(evidence)?;
    check_signature(evidence)?;
    let pcrs = check_pcrs(evidence)?;
    let nonce = hex::decode(&evidence.quote.tpm_nonce)
        .map_err(|error| Malformed::encoding("the TPM's nonce", error))?;
    binding.check_nonce(&nonce)?;
    Ok(Vtpm { pcrs })
}

/// Only the paravisor runs at VMPL 0. A report of a less privileged level carries what the guest below it wanted, and with
/// it a TPM that the guest made up.
fn check_paravisor(evidence: &AzureEvidence) -> Result<(), Failure> {
    match &evidence.hardware {
        Hardware::Snp { report, .. } if report.fields.vmpl != 0 => {
            Err(Failure::Paravisor { vmpl: report.fields.vmpl })
        }
        Hardware::Snp { .. } | Hardware::Tdx(_) => Ok(()),
    }
}

/// The hardware report vouches for the runtime data: their hash, then zeros.
fn check_runtime_data(evidence: &AzureEvidence) -> Result<(), Failure> {
    let report_data = match &evidence.hardware {
        Hardware::Snp { report, .. } => &report.fields.report_data,
        Hardware::Tdx(quote) => quote.report_data(),
    };
    let seen = evidence.hcl.runtime_data_digest();
    if report_data.0 == *[seen.0, [0; 32]].as_flattened() {
        return Ok(());
    }
    Err(Failure::RuntimeData { seen: seen.to_string(), wanted: report_data.to_string() })
}

fn check_signature(evidence: &AzureEvidence) -> Result<(), Failure> {
    let key = evidence.hcl.claims.attestation_key()?;
    let key = components(key)?;
    key.verify(&RSA_PKCS1_2048_8192_SHA256, &evidence.quote_bytes, &evidence.signature)
        .map_err(|_| Failure::TpmQuoteSignature)
}

fn components(key: &Jwk) -> Result<PublicKeyComponents<Vec<u8>>, Malformed> {
    let number = |text: &String| {
        URL_SAFE_NO_PAD.decode(text).map_err(|error| Malformed::encoding("the vTPM's attestation key", error))
    };
    Ok(PublicKeyComponents { n: number(&key.n)?, e: number(&key.e)? })
}

fn check_pcrs(evidence: &AzureEvidence) -> Result<Vec<(u8, Hex<32>)>, Failure> {
    let value = |pcr: &u8| evidence.pcrs.get(usize::from(*pcr)).map(|value| (*pcr, *value));
    let selected: Vec<_> = evidence.quote.pcrs_selected.iter().filter_map(value).collect();
    let values: Vec<u8> = selected.iter().flat_map(|(_, value)| value.0).collect();
    let seen = digest(&SHA256, &values);
    if seen.as_ref() == evidence.quote.tpm_pcr_digest.0 {
        return Ok(selected);
    }
    let wanted = evidence.quote.tpm_pcr_digest.to_string();
    Err(Failure::PcrDigest { seen: hex::encode(seen), wanted })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What is found in recorded evidence of which one thing is changed. The signature of the hardware is not looked at
    /// here.
    fn changed(change: impl FnOnce(&mut AzureEvidence)) -> Result<Vec<(u8, Hex<32>)>, &'static str> {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors/azure/snp-genoa");
        let json = std::fs::read(case.join("evidence.json")).unwrap();
        let mut evidence = AzureEvidence::parse(&json).unwrap();
        let binding = Binding::Exactly(hex::decode(&evidence.quote.tpm_nonce).unwrap());
        change(&mut evidence);
        check(&evidence, &binding).map(|vtpm| vtpm.pcrs).map_err(|failure| failure.code())
    }

    fn report(evidence: &mut AzureEvidence) -> &mut crate::snp::SnpReport {
        match &mut evidence.hardware {
            Hardware::Snp { report, .. } => &mut report.fields,
            Hardware::Tdx(_) => unreachable!("the case is of SNP"),
        }
    }

    #[test]
    fn a_guest_below_the_paravisor_vouches_for_no_tpm() {
        assert!(changed(|_| {}).is_ok());
        assert_eq!(changed(|evidence| report(evidence).vmpl = 2), Err("paravisor_invalid"));
    }

    #[test]
    fn each_link_from_the_hardware_to_the_nonce_must_hold() {
        let runtime_data = Err("runtime_data_mismatch");
        assert_eq!(changed(|evidence| evidence.hcl.runtime_data.push(b' ')), runtime_data);
        assert_eq!(changed(|evidence| report(evidence).report_data.0[0] ^= 1), runtime_data);
        assert_eq!(changed(|evidence| report(evidence).report_data.0[63] ^= 1), runtime_data);
        let signature = Err("tpm_quote_signature_invalid");
        assert_eq!(changed(|evidence| evidence.signature[9] ^= 1), signature);
        assert_eq!(changed(|evidence| evidence.quote_bytes[30] ^= 1), signature);
        assert_eq!(changed(|evidence| evidence.pcrs[23].0[0] ^= 1), Err("pcr_digest_mismatch"));
        assert_eq!(changed(|evidence| evidence.quote.tpm_nonce.push_str("00")), Err("binding_mismatch"));
    }

    /// A guest could write anything where the TPM was not asked.
    #[test]
    fn a_pcr_that_was_not_quoted_proves_nothing() {
        let quoted = changed(|evidence| {
            let digest = digest(&SHA256, [evidence.pcrs[4].0, evidence.pcrs[11].0].as_flattened());
            evidence.quote.pcrs_selected = vec![4, 11];
            evidence.quote.tpm_pcr_digest = Hex(digest.as_ref().try_into().unwrap());
        });
        let numbers: Vec<_> = quoted.unwrap().into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [4, 11]);
    }
}
