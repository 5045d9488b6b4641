//! The library's `activate` against Coordinators that are slow, absent, or say no.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, SystemTime};

use marblerun_api::grpc::Parameters;
use marblerun_marble::{
    Activation, ActivationError, Address, Config, Names, Patience, activate, activate_blocking,
};
use marblerun_tee::{Tee, Wish, detect};
use tonic::Code;

use crate::coordinator::{Answer, Coordinator};

pub(crate) const NOW: SystemTime = SystemTime::UNIX_EPOCH;

pub(crate) fn config(address: SocketAddr, folder: &Path) -> Config {
    Config {
        coordinator: Address { host: address.ip().to_string(), port: address.port() },
        coordinator_era: None,
        marble_type: "web".into(),
        names: Names::parse("localhost,web.example").unwrap(),
        uuid_file: folder.join("uuid"),
        timeout: Duration::ZERO,
        tee: Wish::Simulation,
    }
}

/// Fast, and patient enough for every test.
pub(crate) fn patience(deadline: Duration) -> Patience {
    Patience { deadline, first: Duration::from_millis(1), longest: Duration::from_millis(4) }
}

fn simulation() -> Box<dyn Tee> {
    detect(true).unwrap()
}

async fn ask(coordinator: &Coordinator, deadline: Duration) -> Result<Activation, ActivationError> {
    let folder = tempfile::tempdir().unwrap();
    let config = config(coordinator.address, folder.path());
    activate(&config, simulation().as_ref(), &patience(deadline), NOW).await
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let coordinator = Coordinator::start([
        Answer::HangUp,
        Answer::Refuse(Code::FailedPrecondition, "no manifest yet"),
        Answer::Refuse(Code::Unavailable, "restarting"),
        Answer::HangUp,
        Answer::Admit(Parameters { argv: vec!["./web".into()], ..Parameters::default() }),
    ])
    .await;
    let activation = ask(&coordinator, Duration::from_secs(60)).await.ok().unwrap();
    assert_eq!(*activation.parameters.arguments[0], "./web");
    let seen = coordinator.seen();
    assert_eq!(seen.len(), 3, "two connections broke before the request arrived");
    assert!(seen.iter().all(|one| one.request == seen[0].request && one.certificate == seen[0].certificate));
}

#[tokio::test]
async fn a_refusal_is_final_and_says_who_and_why() {
    let check = async |code, message: &'static str, wanted: &str| {
        let coordinator = Coordinator::start([Answer::Refuse(code, message)]).await;
        let error = ask(&coordinator, Duration::from_secs(60)).await.err().unwrap().to_string();
        assert!(error.contains(wanted) && error.contains("\"web\""), "{error}");
        assert_eq!(coordinator.seen().len(), 1, "asked once");
    };
    check(Code::PermissionDenied, "unknown marble type", "unknown marble type; check the type's name").await;
    check(Code::InvalidArgument, "bad CSR", "bad CSR; check EDG_MARBLE_DNS_NAMES").await;
    check(Code::Unauthenticated, "no client certificate", "no client certificate").await;
    check(Code::Internal, "\u{1b}[31mdisk full", "\\u{1b}[31mdisk full").await;
}

#[tokio::test]
async fn the_deadline_ends_it_with_the_last_reason() {
    let coordinator = Coordinator::start([Answer::Refuse(Code::FailedPrecondition, "no manifest yet")]).await;
    let error = ask(&coordinator, Duration::from_secs(1)).await.err().unwrap();
    let ActivationError::Deadline { attempts, last, .. } = &error else { panic!("{error}") };
    assert_eq!(*attempts as usize, coordinator.seen().len());
    assert!(last.contains("no manifest yet"), "{error}");

    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = config(nobody, folder.path());
    let once = activate(&config, simulation().as_ref(), &patience(Duration::ZERO), NOW).await;
    let error = once.err().unwrap();
    let ActivationError::Deadline { attempts: 1, last, .. } = &error else { panic!("{error}") };
    assert!(last.contains("connecting: "), "{error}");
}

#[tokio::test]
async fn blocking_code_says_so_inside_async_code() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(([127, 0, 0, 1], 1).into(), folder.path());
    let error =
        activate_blocking(&config, simulation().as_ref(), &patience(Duration::ZERO), NOW).err().unwrap();
    assert!(matches!(error, ActivationError::Runtime(_)), "{error}");
}

#[test]
fn without_a_runtime_it_blocks() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let coordinator = runtime.block_on(Coordinator::start([Answer::Admit(Parameters::default())]));
    let folder = tempfile::tempdir().unwrap();
    let config = config(coordinator.address, folder.path());
    let activation =
        activate_blocking(&config, simulation().as_ref(), &patience(Duration::ZERO), NOW).ok().unwrap();
    assert_eq!(coordinator.seen()[0].request.uuid, activation.uuid.to_string());
    let kept = std::fs::read_to_string(folder.path().join("uuid")).unwrap();
    assert_eq!(kept, activation.uuid.to_string());
}
