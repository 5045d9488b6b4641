//! What is kept is given at once, renewed in time, and never replaced by something older.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use marblerun_attest::{Collateral, Roots};
use marblerun_collateral::{CollateralError, REFRESH, Service};

use crate::recorded::{Case, days, service, with};
use crate::server::{Answer, Server};

/// Two kinds of platform whose recorded collateral is valid at the same time.
const ONE: &str = "sgx/ego-report-debug";
const OTHER: &str = "sgx/v3-icx-eval17-swhardening";
/// As the second, by later rules.
const LATER: &str = "sgx/v3-icx-eval19-outofdate";
const TCB: &str = "/sgx/certification/v4/tcb?fmspc=00606a000000";

#[tokio::test]
async fn who_is_known_does_not_wait_for_who_is_not() {
    let server = Server::start().await;
    let (known, slow) = (Case::load(ONE), Case::load(OTHER));
    // What both share is that of the second.
    known.serve(&server);
    slow.serve(&server);
    let service = service(&server);
    let at = known.at;
    service.collateral(&known.needs, at).await.unwrap();
    server.hold(TCB);
    let ask = |case: &Case| {
        let (service, needs) = (service.clone(), case.needs.clone());
        tokio::spawn(async move { service.collateral(&needs, at).await })
    };
    let waiting: Vec<_> = (0..500).map(|_| ask(&slow)).collect();
    server.until_asked(TCB, 1).await;
    for answered in (0..500).map(|_| ask(&known)).collect::<Vec<_>>() {
        answered.await.unwrap().unwrap();
    }
    assert!(service.cached(&known.needs, at).is_some() && service.cached(&slow.needs, at).is_none());
    assert!(waiting.iter().all(|task| !task.is_finished()), "the gate is closed");
    server.release();
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_eq!(server.asked(TCB), 1, "one fetch for all who wait");
    assert_eq!(server.asked("fmspc=00906ed50000"), 1, "what is kept is not fetched again");
}

#[tokio::test]
async fn what_ages_is_renewed_behind_the_callers_back_and_never_by_something_older() {
    let (server, case, later) = (Server::start().await, Case::load(OTHER), Case::load(LATER));
    case.serve(&server);
    let service = service(&server);
    let at = case.at;
    let first = service.collateral(&case.needs, at).await.unwrap();
    later.serve(&server);
    assert!(Arc::ptr_eq(&service.collateral(&case.needs, at).await.unwrap(), &first), "not due yet");
    // A day later the old one is given, and the new one fetched.
    let at = at + days(2);
    assert!(Arc::ptr_eq(&service.cached(&case.needs, at).unwrap(), &first));
    until(|| is_of(&service, &case, &later, at)).await;
    // Somebody plays back the older one, which is still valid.
    case.serve(&server);
    let at = at + days(2);
    let fresh = with(&server, |_| {});
    assert_eq!(
        fresh.collateral(&case.needs, at).await.unwrap(),
        first,
        "who has seen nothing newer takes it"
    );
    let refused = service.import(&fresh.export(), at);
    assert!(
        matches!(&refused[..], [one] if matches!(one.error, CollateralError::Older { .. })),
        "{refused:?}"
    );
    assert!(is_of(&service, &case, &later, at));
}

#[tokio::test]
async fn a_service_that_is_down_costs_nothing_until_the_collateral_ends() {
    let (server, case) = (Server::start().await, Case::load(OTHER));
    case.serve(&server);
    let service = service(&server);
    let first = service.collateral(&case.needs, case.at).await.unwrap();
    server.answer(TCB, Answer::status(503));
    let (later, too_late) = (case.at + days(10), case.at + days(20));
    assert!(Arc::ptr_eq(&service.collateral(&case.needs, later).await.unwrap(), &first));
    server.until_asked(TCB, 2).await;
    assert!(Arc::ptr_eq(&service.collateral(&case.needs, later).await.unwrap(), &first));
    let error = service.collateral(&case.needs, too_late).await.unwrap_err();
    assert!(matches!(error, CollateralError::Answer { status: 503, .. }), "{error}");
    assert!(service.cached(&case.needs, too_late).is_none());
}

#[tokio::test]
async fn what_is_ageing_is_renewed_without_anybody_asking() {
    let (server, case, later) = (Server::start().await, Case::load(OTHER), Case::load(LATER));
    case.serve(&server);
    let service = service(&server);
    service.collateral(&case.needs, case.at).await.unwrap();
    later.serve(&server);
    let due = case.at + REFRESH;
    service.renew(due - Duration::from_secs(1));
    assert!(is_of(&service, &case, &case, case.at), "not due yet");
    assert_eq!(server.asked(TCB), 1);
    service.renew(due);
    until(|| is_of(&service, &case, &later, case.at + Duration::from_secs(60))).await;
    service.renew(due);
    assert_eq!(server.asked(TCB), 2, "nor is the new one");
}

#[tokio::test]
async fn what_ended_long_ago_is_left_until_somebody_asks() {
    let (server, case, other) = (Server::start().await, Case::load(OTHER), Case::load(ONE));
    case.serve(&server);
    let service = service(&server);
    service.collateral(&case.needs, case.at).await.unwrap();
    let much_later = case.at + days(100);
    service.renew(much_later);
    // Time for a question: another one that comes after it.
    service.collateral(&other.needs, much_later).await.unwrap_err();
    assert_eq!(server.asked(TCB), 1);
    service.collateral(&case.needs, much_later).await.unwrap_err();
    assert_eq!(server.asked(TCB), 2);
}

#[tokio::test]
async fn what_nobody_renewed_in_time_is_given_only_if_nothing_newer_comes_soon() {
    let (server, case, later) = (Server::start().await, Case::load(OTHER), Case::load(LATER));
    case.serve(&server);
    let service = with(&server, |options| options.wait = Duration::from_secs(60));
    let first = service.collateral(&case.needs, case.at).await.unwrap();
    later.serve(&server);
    let at = case.at + 2 * REFRESH;
    let one_before = service.collateral(&case.needs, at - Duration::from_secs(1)).await.unwrap();
    assert!(Arc::ptr_eq(&one_before, &first), "what is due alone is not waited for");
    let newer = service.collateral(&case.needs, at).await.unwrap();
    assert_eq!(newer.intel.as_ref(), Some(&later.collateral));
}

#[tokio::test]
async fn a_service_that_hangs_keeps_nobody_waiting_for_long() {
    let (server, case) = (Server::start().await, Case::load(OTHER));
    case.serve(&server);
    let service = with(&server, |options| {
        options.wait = Duration::from_millis(50);
        options.limits.answer = Duration::from_millis(200);
    });
    let first = service.collateral(&case.needs, case.at).await.unwrap();
    server.hold("tcb");
    let at = case.at + days(1);
    assert!(Arc::ptr_eq(&service.collateral(&case.needs, at).await.unwrap(), &first));
    // The attempt fails in the end; from then on nobody waits at all.
    let _ = service.latest(&case.needs, at).await;
    let begin = tokio::time::Instant::now();
    for _ in 0..100 {
        assert!(Arc::ptr_eq(&service.collateral(&case.needs, at + REFRESH).await.unwrap(), &first));
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "each would have waited 50 ms");
}

#[tokio::test]
async fn who_asks_once_waits_for_something_newer_and_takes_the_old_one_if_there_is_none() {
    let (server, case, later) = (Server::start().await, Case::load(OTHER), Case::load(LATER));
    case.serve(&server);
    let service = service(&server);
    let first = service.latest(&case.needs, case.at).await.unwrap();
    assert!(Arc::ptr_eq(&service.latest(&case.needs, case.at).await.unwrap(), &first), "not due yet");
    assert_eq!(server.asked(TCB), 1);
    later.serve(&server);
    let at = case.at + days(2);
    assert_eq!(service.latest(&case.needs, at).await.unwrap().intel, Some(later.collateral.clone()));
    server.answer(TCB, Answer::status(503));
    let at = at + days(2);
    assert_eq!(service.latest(&case.needs, at).await.unwrap().intel, Some(later.collateral));
}

#[tokio::test]
async fn a_clock_before_what_a_vendor_signed_is_not_believed() {
    let (server, case) = (Server::start().await, Case::load(OTHER));
    case.serve(&server);
    let service = service(&server);
    service.collateral(&case.needs, case.at).await.unwrap();
    let before = service.newest_signature() - Duration::from_secs(1);
    let error = service.collateral(&case.needs, before).await.unwrap_err();
    assert!(matches!(error, CollateralError::Clock { .. }), "{error}");
    assert!(service.cached(&case.needs, before).is_none());
    // Nor one before what was seen elsewhere.
    service.saw_signature_at(case.at + days(1));
    assert!(service.cached(&case.needs, case.at).is_none());
}

#[tokio::test]
async fn a_clock_that_jumps_gives_nothing_that_has_ended_and_spoils_nothing() {
    let (server, case) = (Server::start().await, Case::load(OTHER));
    case.serve(&server);
    let known = service(&server);
    let first = known.collateral(&case.needs, case.at).await.unwrap();
    let (newest, last) = (known.newest_signature(), known.kept()[0].until);
    for right in [newest, last] {
        assert!(known.cached(&case.needs, right).is_some());
    }
    let (a_second, years) = (Duration::from_secs(1), days(3650));
    let epoch = SystemTime::UNIX_EPOCH;
    for wrong in [
        last + a_second,
        newest - a_second,
        case.at + years,
        case.at - years,
        epoch - years,
        epoch + 10_000_000 * years,
    ] {
        let service = service(&server);
        service.collateral(&case.needs, case.at).await.unwrap();
        assert!(service.cached(&case.needs, wrong).is_none(), "{wrong:?}");
        service.collateral(&case.needs, wrong).await.unwrap_err();
        service.renew(wrong);
        assert_eq!(service.newest_signature(), newest, "a clock alone proves nothing");
        assert_eq!(service.collateral(&case.needs, case.at).await.unwrap(), first, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_clock_that_was_wrong_does_not_put_off_what_is_due() {
    let (server, case, later) = (Server::start().await, Case::load(OTHER), Case::load(LATER));
    case.serve(&server);
    let service = service(&server);
    service.collateral(&case.needs, case.at).await.unwrap();
    service.collateral(&case.needs, case.at + days(3650)).await.unwrap_err();
    later.serve(&server);
    let at = case.at + days(2);
    until(|| is_of(&service, &case, &later, at)).await;
}

#[tokio::test]
async fn only_the_roots_that_are_trusted_count() {
    let (server, case) = (Server::start().await, Case::load(OTHER));
    case.serve(&server);
    let stranger = crate::vendor::AmdVendor::new();
    let service = with(&server, |options| options.roots = stranger.roots());
    let error = service.collateral(&case.needs, case.at).await.unwrap_err();
    assert!(error.to_string().contains("no trusted root"), "{error}");
    // Who is trusted may change: failures are forgotten, and so is what was kept.
    service.trust(Roots::of_hardware_vendors().unwrap());
    service.collateral(&case.needs, case.at).await.unwrap();
    service.trust(stranger.roots());
    assert!(service.cached(&case.needs, case.at).is_none());
}

fn is_of(service: &Service, case: &Case, other: &Case, at: SystemTime) -> bool {
    let kept: Option<Arc<Collateral>> = service.cached(&case.needs, at);
    kept.is_some_and(|kept| kept.intel.as_ref() == Some(&other.collateral))
}

/// Lets others go on until it is so.
async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap();
}
