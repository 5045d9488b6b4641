//! Evidence taken apart into what one signature or one field covers, and put together again.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use marblerun_attest::{AmdCollateral, Collateral};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::recorded::Recorded;

/// A name, and the bytes.
pub(super) type Part = (&'static str, Vec<u8>);

/// How evidence of one kind is taken apart.
pub(super) struct Kit {
    pub(super) apart: fn(&Recorded) -> Vec<Part>,
    /// Evidence of these parts, with the collateral of the case or made of them.
    pub(super) together: fn(&Recorded, &[Part]) -> (Vec<u8>, Collateral),
}

/// Quotes of SGX and TDX, raw.
pub(super) const QUOTE: Kit = Kit { apart: quote_apart, together: quote_together };
/// SNP reports and the certificates behind them.
pub(super) const SNP: Kit = Kit { apart: snp_apart, together: snp_together };
/// What Azure's virtual machines send.
pub(super) const AZURE: Kit = Kit { apart: azure_apart, together: azure_together };
/// What NVIDIA's devices send, the certificates with it.
pub(super) const NVIDIA: Kit = Kit { apart: nvidia_apart, together: nvidia_together };

const HEADER: usize = 48;
const SNP_SIGNED: usize = 0x2a0;
const SPDM_SIGNATURE: usize = 96;

/// Takes pieces off the front.
struct Cutter<'a>(&'a [u8]);

impl Cutter<'_> {
    fn take(&mut self, length: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken.to_vec()
    }

    fn u16(&mut self) -> usize {
        u16::from_le_bytes(self.take(2).try_into().unwrap()).into()
    }

    fn u32(&mut self) -> usize {
        u32::from_le_bytes(self.take(4).try_into().unwrap()) as usize
    }
}

/// Intel DCAP Quoting Library API, appendix A. Lengths are made again, so they are no parts.
fn quote_apart(recorded: &Recorded) -> Vec<Part> {
    let mut cutter = Cutter(&recorded.evidence);
    let header = cutter.take(HEADER);
    let body = match header[0] {
        3 => cutter.take(384),
        4 => cutter.take(584),
        _ => {
            let size = u32::from_le_bytes(cutter.0[2..6].try_into().unwrap()) as usize;
            cutter.take(6 + size)
        }
    };
    cutter.u32();
    let (signature, key) = (cutter.take(64), cutter.take(64));
    if header[0] > 3 {
        cutter.take(2 + 4);
    }
    let (qe_report, qe_signature) = (cutter.take(384), cutter.take(64));
    let length = cutter.u16();
    let qe_data = cutter.take(length);
    let kind = cutter.take(2);
    let length = cutter.u32();
    vec![
        ("header", header),
        ("body", body),
        ("signature", signature),
        ("attestation key", key),
        ("QE report", qe_report),
        ("QE report's signature", qe_signature),
        ("QE authentication data", qe_data),
        ("kind of certification data", kind),
        ("PCK chain", cutter.take(length)),
        // Where a length says that there is more than anybody reads.
        ("rest of the certified", Vec::new()),
        ("rest of the authentication data", Vec::new()),
    ]
}

fn quote_together(recorded: &Recorded, parts: &[Part]) -> (Vec<u8>, Collateral) {
    let [header, body, signature, key, qe_report, qe_signature, qe_data, kind, chain, inner, outer] =
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(|at: usize| &parts[at].1[..]);
    let short = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_le_bytes();
    let long = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let certified =
        [qe_report, qe_signature, &short(qe_data)[..], qe_data, kind, &long(chain)[..], chain, inner]
            .concat();
    let nested = match header[0] {
        3 => certified,
        _ => [&6_u16.to_le_bytes()[..], &long(&certified), &certified].concat(),
    };
    let authentication = [signature, key, &nested[..], outer].concat();
    let quote = [header, body, &long(&authentication)[..], &authentication].concat();
    (quote, recorded.collateral.clone())
}

fn snp_apart(recorded: &Recorded) -> Vec<Part> {
    let (signed, signature) = recorded.evidence.split_at(SNP_SIGNED);
    let amd = recorded.collateral.amd.clone().unwrap();
    vec![
        ("report", signed.to_vec()),
        ("signature", signature.to_vec()),
        ("VCEK or VLEK", amd.vek),
        ("ASK or ASVK", amd.intermediate),
        ("copy of the root", amd.root.unwrap()),
    ]
}

fn snp_together(recorded: &Recorded, parts: &[Part]) -> (Vec<u8>, Collateral) {
    let [vek, intermediate, root] = [2, 3, 4].map(|at: usize| parts[at].1.clone());
    let crl = recorded.collateral.amd.as_ref().and_then(|amd| amd.crl.clone());
    let amd = AmdCollateral { vek, intermediate, root: Some(root), crl };
    let collateral = Collateral { amd: Some(amd), ..Collateral::default() };
    ([&parts[0].1[..], &parts[1].1].concat(), collateral)
}

/// The names are those of the JSON's first version.
fn azure_apart(recorded: &Recorded) -> Vec<Part> {
    let json: Value = serde_json::from_slice(&recorded.evidence).unwrap();
    let quote = json.get("tpm_quote").or(json.get("quote")).unwrap();
    let report = json.get("hcl_report").or(json.get("report")).unwrap();
    let pcrs = quote["pcrs"].as_array().unwrap().iter().flat_map(|pcr| bytes(pcr, hexadecimal)).collect();
    let hardware = match json.get("vcek") {
        Some(vcek) => ("vcek", certificate(vcek.as_str().unwrap())),
        None => ("td_quote", bytes(&json["td_quote"], base64url)),
    };
    vec![
        ("hcl_report", bytes(report, base64url)),
        ("message", bytes(&quote["message"], hexadecimal)),
        ("signature", bytes(&quote["signature"], hexadecimal)),
        ("pcrs", pcrs),
        hardware,
    ]
}

fn azure_together(recorded: &Recorded, parts: &[Part]) -> (Vec<u8>, Collateral) {
    let [report, message, signature, pcrs] = [0, 1, 2, 3].map(|at: usize| &parts[at].1);
    let pcrs: Vec<_> = pcrs.chunks(32).map(hex::encode).collect();
    let mut evidence = json!({
        "version": 1,
        "hcl_report": URL_SAFE.encode(report),
        "tpm_quote": { "message": hex::encode(message), "signature": hex::encode(signature), "pcrs": pcrs },
    });
    let (name, hardware) = &parts[4];
    evidence[*name] = URL_SAFE.encode(hardware).into();
    (serde_json::to_vec(&evidence).unwrap(), recorded.collateral.clone())
}

/// Either a list of numbers, or text.
fn bytes(value: &Value, decode: fn(&str) -> Vec<u8>) -> Vec<u8> {
    let number = |value: &Value| u8::try_from(value.as_u64().unwrap()).unwrap();
    value.as_array().map_or_else(|| decode(value.as_str().unwrap()), |list| list.iter().map(number).collect())
}

fn hexadecimal(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn base64url(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).unwrap()
}

fn certificate(text: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(text.as_bytes()).map_or_else(|_| base64url(text), |der| der.to_vec())
}

/// From the JSON of NVIDIA's SDK, or a report alone.
fn nvidia_apart(recorded: &Recorded) -> Vec<Part> {
    let (report, chain) = match serde_json::from_slice::<Value>(&recorded.evidence) {
        Err(_) => {
            let chain = recorded.collateral.nvidia.as_ref().unwrap().certificate_chain.clone();
            (recorded.evidence.clone(), chain.into_bytes())
        }
        Ok(json) => {
            let of = |name: &str| STANDARD.decode(json[0][name].as_str().unwrap()).unwrap();
            (of("evidence"), of("certificate"))
        }
    };
    let (signed, signature) = report.split_at(report.len() - SPDM_SIGNATURE);
    vec![("exchange", signed.to_vec()), ("signature", signature.to_vec()), ("chain", chain)]
}

fn nvidia_together(recorded: &Recorded, parts: &[Part]) -> (Vec<u8>, Collateral) {
    let report = [&parts[0].1[..], &parts[1].1].concat();
    let [report, chain] = [&report, &parts[2].1].map(|bytes| STANDARD.encode(bytes));
    let evidence = json!([{ "evidence": report, "certificate": chain }]);
    (serde_json::to_vec(&evidence).unwrap(), recorded.collateral.clone())
}
