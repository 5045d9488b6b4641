//! Collateral in files: bundles, and the folder that outlives a restart. Neither is trusted.

use marblerun_attest::IntelCollateral;
use marblerun_collateral::{Bundle, CollateralError, Service};

use crate::recorded::{Case, days, service, with};
use crate::server::Server;

const CASE: &str = "tdx/v4-uptodate";

async fn fetched(server: &Server, case: &Case) -> Service {
    case.serve(server);
    let service = service(server);
    service.collateral(&case.needs, case.at).await.unwrap();
    service
}

fn changed(bundle: &Bundle, change: impl Fn(&mut IntelCollateral)) -> Bundle {
    let mut bundle = bundle.clone();
    bundle.entries.iter_mut().for_each(|entry| change(entry.collateral.intel.as_mut().unwrap()));
    bundle
}

#[tokio::test]
async fn a_bundle_carries_collateral_over_an_air_gap() {
    let (server, case) = (Server::start().await, Case::load(CASE));
    let bundle = fetched(&server, &case).await.export();
    let asked = server.asked("/");
    let bundle = Bundle::from_json(&bundle.to_json()).unwrap();
    let offline = service(&server);
    assert_eq!(offline.import(&bundle, case.at), []);
    let imported = offline.collateral(&case.needs, case.at).await.unwrap();
    assert!(case.is_genuine_with(&imported));
    assert_eq!(server.asked("/"), asked, "nothing was fetched");
    assert_eq!(offline.export(), bundle);
}

#[tokio::test]
async fn a_bundle_is_not_trusted() {
    let (server, case) = (Server::start().await, Case::load(CASE));
    let bundle = fetched(&server, &case).await.export();
    let offline = service(&server);
    let forged = changed(&bundle, |intel| intel.tcb_info = intel.tcb_info.replace("UpToDate", "OutOfDate"));
    for (bundle, at) in [(&forged, case.at), (&bundle, case.at + days(60)), (&bundle, case.at - days(60))] {
        let refused = offline.import(bundle, at);
        assert!(
            matches!(&refused[..], [one] if matches!(one.error, CollateralError::Refused { .. })),
            "{refused:?}"
        );
    }
    assert!(offline.kept().is_empty());
    for garbage in [&b""[..], b"{}", br#"{"version":2,"entries":[]}"#, br#"{"version":1,"entries":[{}]}"#] {
        assert!(matches!(Bundle::from_json(garbage), Err(CollateralError::Bundle(_))));
    }
}

#[tokio::test]
async fn the_folder_is_bounded_and_remembers_when_something_was_fetched() {
    let (server, one, other) = (
        Server::start().await,
        Case::load("sgx/ego-report-debug"),
        Case::load("sgx/v3-icx-eval17-swhardening"),
    );
    one.serve(&server);
    other.serve(&server);
    let folder = tempfile::tempdir().unwrap();
    let started = || {
        with(&server, |options| {
            options.folder = Some(folder.path().to_owned());
            options.entries = 1;
        })
    };
    let (first, at) = (started(), one.at);
    first.collateral(&one.needs, at).await.unwrap();
    first.collateral(&other.needs, at).await.unwrap();
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 2, "one entry, and the newest signed time");
    // After a restart it is as old as it was: after a day something newer is looked for.
    for (passed, asked) in [(days(0), 1), (days(2), 2)] {
        let again = started();
        again.load(at + passed).unwrap();
        again.latest(&other.needs, at + passed).await.unwrap();
        assert_eq!(server.asked("fmspc=00606a000000"), asked);
    }
}

#[tokio::test]
async fn the_folder_outlives_a_restart_and_is_not_trusted() {
    let (server, case) = (Server::start().await, Case::load(CASE));
    case.serve(&server);
    let folder = tempfile::tempdir().unwrap();
    let started = || with(&server, |options| options.folder = Some(folder.path().join("collateral")));
    let first = started();
    assert_eq!(first.load(case.at).unwrap(), [], "a folder that is not there is empty");
    first.collateral(&case.needs, case.at).await.unwrap();
    let second = started();
    assert_eq!(second.load(case.at).unwrap(), []);
    assert!(case.is_genuine_with(&second.cached(&case.needs, case.at).unwrap()));
    // The clock may not go back behind what was seen before the restart.
    let third = started();
    let before = second.newest_signature() - days(1);
    assert!(matches!(third.load(before), Err(CollateralError::Clock { .. })));
    // Whoever owns the disk can take away, not add.
    for file in std::fs::read_dir(folder.path().join("collateral")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!path.to_str().unwrap().ends_with(".tmp"));
        std::fs::write(path, text.replace("UpToDate", "OutOfDate")).unwrap();
    }
    let fourth = started();
    assert_eq!(fourth.load(case.at).unwrap().len(), 1);
    assert!(fourth.cached(&case.needs, case.at).is_none());
}
