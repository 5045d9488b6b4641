//! Recorded collateral, served as a PCS or PCCS serves it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use marblerun_attest::{Appraisal, Binding, Collateral, IntelCollateral, Memory, Needs, Roots, needs};
use marblerun_collateral::{Choice, Options, Service, Sources};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::server::{Answer, Server};

/// One recorded case.
pub(crate) struct Case {
    pub(crate) evidence: Vec<u8>,
    pub(crate) collateral: IntelCollateral,
    pub(crate) needs: Needs,
    pub(crate) at: SystemTime,
    pub(crate) binding: Binding,
}

impl Case {
    pub(crate) fn load(name: &str) -> Self {
        let folder = vectors().join(name);
        let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
        let expected: Value = serde_json::from_slice(&read("expected.json")).unwrap();
        let evidence = ["quote.bin", "oe_report.bin"];
        let evidence = evidence.into_iter().find_map(|file| std::fs::read(folder.join(file)).ok()).unwrap();
        let report_data = expected["expected"]["report_data"].as_str().unwrap();
        Self {
            needs: needs(&evidence).unwrap(),
            evidence,
            collateral: serde_json::from_slice(&read("collateral/collateral.json")).unwrap(),
            at: time(expected["evaluate_at"].as_str().unwrap()),
            binding: Binding::Exactly(hex::decode(report_data).unwrap()),
        }
    }

    pub(crate) fn is_genuine_with(&self, collateral: &Collateral) -> bool {
        let (roots, memory) = (Roots::of_hardware_vendors().unwrap(), Memory::default());
        let appraisal = Appraisal { roots: &roots, collateral, memory: &memory, now: self.at };
        appraisal.genuine(&self.evidence, &self.binding).is_ok()
    }

    /// Makes `server` answer with this case's collateral.
    pub(crate) fn serve(&self, server: &Server) {
        let Needs::Intel { tdx, fmspc, ca } = &self.needs else { panic!("{:?}", self.needs) };
        let (tee, collateral) = (if *tdx { "tdx" } else { "sgx" }, &self.collateral);
        let signed = |name: &str, text: &str, signature: &[u8]| {
            Answer::ok(format!("{{\"{name}\":{text},\"signature\":\"{}\"}}", hex::encode(signature)))
        };
        let tcb = signed("tcbInfo", &collateral.tcb_info, &collateral.tcb_info_signature)
            .header("TCB-Info-Issuer-Chain", &encoded(&collateral.tcb_info_issuer_chain));
        let qe = signed("enclaveIdentity", &collateral.qe_identity, &collateral.qe_identity_signature)
            .header("SGX-Enclave-Identity-Issuer-Chain", &encoded(&collateral.qe_identity_issuer_chain));
        let crl = Answer::ok(collateral.pck_crl.clone())
            .header("SGX-PCK-CRL-Issuer-Chain", &encoded(&collateral.pck_crl_issuer_chain));
        server.answer(&format!("/{tee}/certification/v4/tcb?fmspc={fmspc}"), tcb);
        server.answer(&format!("/{tee}/certification/v4/qe/identity"), qe);
        server.answer(&format!("/sgx/certification/v4/pckcrl?ca={}&encoding=der", ca.as_str()), crl);
        let root = Answer::ok(hex::encode(&collateral.root_ca_crl));
        server.answer("/sgx/certification/v4/rootcacrl", root);
    }
}

/// A service that trusts the vendors of hardware and asks `server`.
pub(crate) fn service(server: &Server) -> Service {
    with(server, |_| {})
}

pub(crate) fn with(server: &Server, change: impl FnOnce(&mut Options)) -> Service {
    let mut options = Options::new(Roots::of_hardware_vendors().unwrap());
    change(&mut options);
    Service::new(sources(server), options).unwrap()
}

pub(crate) fn sources(server: &Server) -> Sources {
    let url = server.url();
    let choice = Choice { pccs_flag: Some(&url), kds_flag: Some(&url), ..Choice::default() };
    Sources::choose(&choice).unwrap().sources
}

pub(crate) fn time(rfc3339: &str) -> SystemTime {
    let seconds = OffsetDateTime::parse(rfc3339, &Rfc3339).unwrap().unix_timestamp();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap())
}

pub(crate) fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

/// All recorded cases of SGX and TDX that have collateral in the version that services speak.
pub(crate) fn all() -> Vec<String> {
    let cases = ["sgx", "tdx"].into_iter().flat_map(|tee| {
        let folders = std::fs::read_dir(vectors().join(tee)).unwrap();
        folders.map(move |folder| format!("{tee}/{}", folder.unwrap().file_name().to_str().unwrap()))
    });
    let mut cases: Vec<_> = cases.filter(|name| is_genuine(name)).collect();
    cases.sort();
    cases
}

fn is_genuine(name: &str) -> bool {
    let folder = vectors().join(name);
    let expected = std::fs::read(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let is_quote = folder.join("quote.bin").is_file() || folder.join("oe_report.bin").is_file();
    is_quote && expected["verification_outcome"] == "ok" && !name.contains("tcbinfo-v2")
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors")
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}
