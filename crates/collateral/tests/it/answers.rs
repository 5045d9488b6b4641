//! What services answer, and what of it counts.

use marblerun_attest::{Failure, Hex, Needs, PckAuthority};
use marblerun_collateral::{CollateralError, Limits};

use crate::recorded::{self, Case, days, service};
use crate::server::{Answer, Server};

const CASE: &str = "sgx/v3-icx-eval17-swhardening";
const TCB: &str = "/sgx/certification/v4/tcb?fmspc=00606a000000";
const QE: &str = "/sgx/certification/v4/qe/identity";
const PCK_CRL: &str = "/sgx/certification/v4/pckcrl?ca=platform&encoding=der";
const ROOT_CRL: &str = "/sgx/certification/v4/rootcacrl";

#[tokio::test]
async fn what_is_fetched_verifies_every_recorded_quote() {
    let cases = recorded::all();
    assert!(cases.len() > 20, "{cases:?}");
    for name in cases {
        let (server, case) = (Server::start().await, Case::load(&name));
        case.serve(&server);
        let fetched = service(&server).collateral(&case.needs, case.at).await;
        let fetched = fetched.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(fetched.intel.as_ref(), Some(&case.collateral), "{name}");
        assert!(case.is_genuine_with(&fetched), "{name}");
    }
}

/// What is wrong with one answer is an error that names it, and nothing is kept.
async fn check(target: &str, answer: Answer, expected: &str) {
    let (server, case) = (Server::start().await, Case::load(CASE));
    case.serve(&server);
    server.answer(target, answer);
    let limits = Limits { answer_bytes: 1 << 16, ..Limits::default() };
    let service = recorded::with(&server, |options| options.limits = limits);
    let error = service.collateral(&case.needs, case.at).await.unwrap_err().to_string();
    assert!(error.contains(expected), "{target}: {error}");
    assert!(service.cached(&case.needs, case.at).is_none() && service.kept().is_empty());
}

#[tokio::test]
async fn answers_that_are_no_collateral_are_named() {
    check(TCB, Answer::status(404), "answered 404").await;
    check(QE, Answer::status(302).header("location", "http://localhost/"), "answered 302").await;
    check(TCB, Answer::ok("{}"), "missing field `tcbInfo`").await;
    check(TCB, Answer::ok(r#"{"tcbInfo":{},"signature":"00"}"#), "header TCB-Info-Issuer-Chain").await;
    check(ROOT_CRL, Answer::ok("<html>"), "no revocation list").await;
    check(ROOT_CRL, Answer::ok(vec![0x30; 70_000]), "more than 65536 bytes").await;
    let page = Answer::ok("<html>Sign in first</html>").header("content-type", "text/html");
    check(TCB, page, "it came as `text/html`").await;
    check(PCK_CRL, Answer::ok(vec![0x30]), "header SGX-PCK-CRL-Issuer-Chain").await;
}

#[tokio::test]
async fn what_no_vendor_signed_is_not_kept() {
    let case = Case::load(CASE);
    let recorded = case.collateral.clone();
    let changed = |change: &dyn Fn(&mut Case)| {
        let mut case = Case::load(CASE);
        change(&mut case);
        case.collateral
    };
    let cases = [
        changed(&|case| case.collateral.tcb_info_signature[5] ^= 1),
        changed(&|case| {
            case.collateral.tcb_info = case.collateral.tcb_info.replace("\"svn\":11", "\"svn\":10")
        }),
        changed(&|case| case.collateral.qe_identity_signature[5] ^= 1),
        changed(&|case| *case.collateral.pck_crl.last_mut().unwrap() ^= 1),
        changed(&|case| *case.collateral.root_ca_crl.last_mut().unwrap() ^= 1),
        changed(&|case| case.collateral.tcb_info_issuer_chain = case.collateral.pck_crl_issuer_chain.clone()),
        changed(&|case| case.collateral.root_ca_crl = case.collateral.pck_crl.clone()),
    ];
    for collateral in cases {
        assert_ne!(collateral, recorded);
        let server = Server::start().await;
        Case { collateral, ..Case::load(CASE) }.serve(&server);
        let outcome = service(&server).collateral(&case.needs, case.at).await;
        assert!(matches!(outcome, Err(CollateralError::Refused { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn collateral_for_another_platform_or_time_is_not_kept() {
    let (server, case) = (Server::start().await, Case::load(CASE));
    case.serve(&server);
    let refused = async |needs: &Needs, at| match service(&server).collateral(needs, at).await {
        Err(CollateralError::Refused { failure, .. }) => failure,
        other => panic!("{other:?}"),
    };
    for at in [case.at - days(30), case.at + days(30)] {
        let failure = refused(&case.needs, at).await;
        assert!(
            matches!(failure, Failure::Collateral { .. } | Failure::RevocationList { .. }),
            "{failure:?}"
        );
    }
    // The service sends the TCB Info of one kind of platform for another, and one authority's list for another's.
    let other = Needs::Intel { tdx: false, fmspc: Hex([7; 6]), ca: PckAuthority::Platform };
    let answer = Case::load(CASE);
    answer.serve(&server);
    let tcb = format!(
        "{{\"tcbInfo\":{},\"signature\":\"{}\"}}",
        case.collateral.tcb_info,
        hex::encode(&case.collateral.tcb_info_signature)
    );
    let chain = case.collateral.tcb_info_issuer_chain.replace('\n', "%0A");
    server.answer(
        &TCB.replace("00606a000000", "070707070707"),
        Answer::ok(tcb).header("SGX-TCB-Info-Issuer-Chain", &chain),
    );
    assert!(matches!(refused(&other, case.at).await, Failure::FmspcMismatch { .. }));
    let processor =
        Needs::Intel { tdx: false, fmspc: Hex([0, 0x60, 0x6a, 0, 0, 0]), ca: PckAuthority::Processor };
    let list = Answer::ok(case.collateral.pck_crl.clone())
        .header("SGX-PCK-CRL-Issuer-Chain", &case.collateral.pck_crl_issuer_chain.replace('\n', "%0A"));
    server.answer(&PCK_CRL.replace("platform", "processor"), list);
    assert!(matches!(
        refused(&processor, case.at).await,
        Failure::Collateral { part: "PCK revocation list", .. }
    ));
}

#[tokio::test]
async fn revocation_lists_come_in_three_forms() {
    let case = Case::load(CASE);
    let der = case.collateral.root_ca_crl.clone();
    let pem = {
        use x509_cert::der::{Decode as _, EncodePem as _};
        let list =
            x509_cert::crl::CertificateList::<x509_cert::certificate::Rfc5280>::from_der(&der).unwrap();
        list.to_pem(Default::default()).unwrap()
    };
    for body in [der.clone(), hex::encode_upper(&der).into_bytes(), pem.into_bytes()] {
        let server = Server::start().await;
        case.serve(&server);
        server.answer(ROOT_CRL, Answer::ok(body));
        let fetched = service(&server).collateral(&case.needs, case.at).await.unwrap();
        assert!(case.is_genuine_with(&fetched));
    }
}
