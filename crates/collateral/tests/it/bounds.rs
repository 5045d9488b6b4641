//! What strangers can cause by naming platforms.

use std::time::Duration;

use marblerun_attest::{Hex, Needs, PckAuthority};
use marblerun_collateral::{CollateralError, Limits};

use crate::recorded::{Case, service, with};
use crate::server::{Answer, Server};

const CASE: &str = "sgx/v3-icx-eval17-swhardening";

fn stranger(n: u32) -> Needs {
    let [a, b, c, d] = n.to_be_bytes();
    Needs::Intel { tdx: false, fmspc: Hex([0xff, a, b, c, d, 0]), ca: PckAuthority::Platform }
}

#[tokio::test]
async fn only_so_many_strangers_are_asked_for_at_once() {
    let (server, case) = (Server::start().await, Case::load(CASE));
    case.serve(&server);
    let service = with(&server, |options| options.at_once = 4);
    service.collateral(&case.needs, case.at).await.unwrap();
    server.hold("fmspc=ff");
    let ask = |n| {
        let (service, at) = (service.clone(), case.at);
        tokio::spawn(async move { service.collateral(&stranger(n), at).await })
    };
    let first: Vec<_> = (0..4).map(ask).collect();
    server.until_asked("fmspc=ff", 4).await;
    for n in 4..1000 {
        assert_eq!(service.collateral(&stranger(n), case.at).await, Err(CollateralError::Busy));
    }
    assert_eq!(server.asked("fmspc=ff"), 4);
    assert!(service.cached(&case.needs, case.at).is_some() && service.kept().len() == 1);
    server.release();
    for task in first {
        assert!(matches!(task.await.unwrap(), Err(CollateralError::Answer { status: 404, .. })));
    }
}

#[tokio::test]
async fn only_so_many_strangers_are_asked_for_per_minute() {
    let (server, case) = (Server::start().await, Case::load(CASE));
    case.serve(&server);
    let service = with(&server, |options| options.per_minute = 10);
    let mut busy = 0;
    for n in 0..100 {
        let outcome = service.collateral(&stranger(n), case.at).await;
        busy += usize::from(outcome == Err(CollateralError::Busy));
    }
    assert_eq!((busy, server.asked("fmspc=ff")), (90, 10));
    // A minute later others have their turn.
    service.collateral(&case.needs, case.at + Duration::from_secs(60)).await.unwrap();
}

#[tokio::test]
async fn what_failed_is_not_tried_again_at_once() {
    let (server, case) = (Server::start().await, Case::load(CASE));
    let service = service(&server);
    let errors =
        [service.collateral(&case.needs, case.at).await, service.collateral(&case.needs, case.at).await];
    assert_eq!(errors[0], errors[1]);
    assert_eq!(server.asked("tcb"), 1);
    case.serve(&server);
    service.collateral(&case.needs, case.at + Duration::from_secs(30)).await.unwrap();
}

#[tokio::test]
async fn a_service_that_never_answers_is_given_up() {
    let (server, case) = (Server::start().await, Case::load(CASE));
    case.serve(&server);
    server.hold("rootcacrl");
    let limits = Limits { answer: Duration::from_millis(50), ..Limits::default() };
    let service = with(&server, |options| options.limits = limits);
    let error = service.collateral(&case.needs, case.at).await.unwrap_err();
    assert!(error.to_string().contains("no whole answer within"), "{error}");
}

#[tokio::test]
async fn an_answer_byte_by_byte_is_given_up() {
    let (server, case) = (Server::start().await, Case::load(CASE));
    case.serve(&server);
    // Each byte comes soon enough, and all of them would take far longer than an answer may.
    let endless = Answer::ok(vec![0x30; 2_000]).slowly(Duration::from_millis(5));
    server.answer("/sgx/certification/v4/rootcacrl", endless);
    let limits = Limits { answer: Duration::from_millis(100), ..Limits::default() };
    let service = with(&server, |options| options.limits = limits);
    let error = service.collateral(&case.needs, case.at).await.unwrap_err();
    assert!(error.to_string().contains("no whole answer within 100ms"), "{error}");
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let (server, elsewhere, case) = (Server::start().await, Server::start().await, Case::load(CASE));
    case.serve(&elsewhere);
    for status in [301, 302, 303, 307, 308] {
        let target = "/sgx/certification/v4/rootcacrl";
        case.serve(&server);
        server.answer(target, Answer::status(status).header("location", &(elsewhere.url() + target)));
        let error = service(&server).collateral(&case.needs, case.at).await.unwrap_err();
        assert!(matches!(error, CollateralError::Answer { status: told, .. } if told == status), "{error}");
    }
    assert_eq!(elsewhere.asked("/"), 0);
}

#[tokio::test]
async fn what_nobody_has_is_not_asked_for() {
    let (server, case) = (Server::start().await, Case::load(CASE));
    let service = service(&server);
    for needs in crate::vendor::unobtainable() {
        let error = service.collateral(&needs, case.at).await.unwrap_err();
        assert!(matches!(error, CollateralError::Unobtainable(_)), "{needs:?}: {error}");
    }
    assert_eq!(server.asked("/"), 0);
    let device = Needs::Nvidia { has_certificates: true };
    assert_eq!(*service.collateral(&device, case.at).await.unwrap(), Default::default());
}
