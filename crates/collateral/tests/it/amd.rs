//! AMD's collateral: the certificate of a chip's key, and what all chips of a product line share.

use std::time::SystemTime;

use marblerun_attest::{Failure, Hex, Needs, Product, SigningKey};
use marblerun_collateral::{CollateralError, REFRESH, Service};

use crate::recorded::{time, with};
use crate::server::{Answer, Server};
use crate::vendor::{AmdVendor, NOW, chip};

const CHIP: Hex<64> = Hex([7; 64]);
const OTHER: Hex<64> = Hex([8; 64]);

async fn line(revoked: &[u64]) -> (Server, Service, AmdVendor) {
    let (server, vendor) = (Server::start().await, AmdVendor::new());
    vendor.serve(&server, revoked);
    for id in [CHIP, OTHER] {
        vendor.serve_chip(&server, &id, &id);
    }
    let service = with(&server, |options| options.roots = vendor.roots());
    (server, service, vendor)
}

#[tokio::test]
async fn chips_share_what_their_product_line_has() {
    let (server, service, _) = line(&[]).await;
    for id in [CHIP, OTHER, CHIP] {
        let found = service.collateral(&chip(Some(Product::Milan), id), time(NOW)).await.unwrap();
        let amd = found.amd.as_ref().unwrap();
        assert!(!amd.vek.is_empty() && amd.crl.is_some() && amd.root.is_some());
    }
    assert_eq!((server.asked("cert_chain"), server.asked("crl"), server.asked("blSPL")), (1, 1, 2));
    // A bundle has the chips and the line.
    assert_eq!(service.export().entries.len(), 3);
}

#[tokio::test]
async fn a_report_that_names_no_line_is_looked_for() {
    let (server, service, _) = line(&[]).await;
    service.collateral(&chip(None, CHIP), time(NOW)).await.unwrap();
    assert_eq!((server.asked("/Milan/"), server.asked("/Genoa/")), (3, 0));
    assert!(service.collateral(&chip(None, Hex([9; 64])), time(NOW)).await.is_err());
    assert_eq!(server.asked("/Genoa/"), 1);
}

#[tokio::test]
async fn turin_has_short_identities_and_one_more_version() {
    let (server, service, _) = line(&[]).await;
    let mut needs = chip(Some(Product::Turin), CHIP);
    if let marblerun_attest::Needs::Amd { reported_tcb, .. } = &mut needs {
        reported_tcb.fmc = Some(3);
    }
    service.collateral(&needs, time(NOW)).await.unwrap_err();
    let wanted = "/vcek/v1/Turin/0707070707070707?blSPL=4&teeSPL=1&snpSPL=24&ucodeSPL=217&fmcSPL=3";
    assert_eq!(server.asked(wanted), 1);
}

async fn refused(server: &Server, service: &Service) -> Failure {
    let outcome = service.collateral(&chip(Some(Product::Milan), CHIP), time(NOW)).await;
    assert!(
        server.asked("blSPL") == 1 && service.cached(&chip(Some(Product::Milan), CHIP), time(NOW)).is_none()
    );
    match outcome {
        Err(CollateralError::Refused { failure, .. }) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn another_chips_certificate_is_not_kept() {
    let (server, service, vendor) = line(&[]).await;
    vendor.serve_chip(&server, &CHIP, &OTHER);
    assert!(matches!(refused(&server, &service).await, Failure::CertifiedField { field: "chip ID", .. }));
}

#[tokio::test]
async fn a_revoked_issuer_is_refused() {
    let (server, service, _) = line(&[2]).await;
    assert!(matches!(refused(&server, &service).await, Failure::Revoked { .. }));
}

#[tokio::test]
async fn evidence_with_its_certificate_needs_its_line_alone() {
    let (server, service, vendor) = line(&[]).await;
    vendor.serve_vlek_line(&server);
    for signing_key in [SigningKey::Vcek, SigningKey::Vlek] {
        let mut needs = chip(Some(Product::Milan), CHIP);
        if let Needs::Amd { signing_key: key, has_certificate, .. } = &mut needs {
            (*key, *has_certificate) = (signing_key, true);
        }
        let found = service.collateral(&needs, time(NOW)).await.unwrap();
        let amd = found.amd.as_ref().unwrap();
        assert!(amd.vek.is_empty() && amd.crl.is_some());
    }
    assert_eq!((server.asked("/vcek/"), server.asked("/vlek/"), server.asked("blSPL")), (2, 2, 0));
}

/// When what was fetched at `NOW` is renewed.
fn later() -> SystemTime {
    time(NOW) + REFRESH
}

#[tokio::test]
async fn chips_are_renewed_by_their_line_alone() {
    let (server, service, vendor) = line(&[]).await;
    let needs = [CHIP, OTHER].map(|id| chip(Some(Product::Milan), id));
    for one in &needs {
        service.collateral(one, time(NOW)).await.unwrap();
    }
    vendor.serve_list(&server, 2, &[77]);
    for one in &needs {
        service.latest(one, later()).await.unwrap();
    }
    let lists = service.export().entries.into_iter().map(|entry| entry.collateral.amd.unwrap().crl);
    assert_eq!(lists.collect::<std::collections::BTreeSet<_>>().len(), 1, "all have the new list");
    assert_eq!((server.asked("cert_chain"), server.asked("crl"), server.asked("blSPL")), (2, 2, 2));
}

#[tokio::test]
async fn a_chip_that_is_new_makes_do_with_the_list_that_is_kept() {
    let (server, service, _) = line(&[]).await;
    service.collateral(&chip(Some(Product::Milan), CHIP), time(NOW)).await.unwrap();
    server.answer("/vcek/v1/Milan/crl", Answer::status(503));
    service.collateral(&chip(Some(Product::Milan), OTHER), later()).await.unwrap();
}

#[tokio::test]
async fn what_is_kept_does_not_outlive_its_issuers_revocation() {
    let folder = tempfile::tempdir().unwrap();
    let (server, vendor) = (Server::start().await, AmdVendor::new());
    vendor.serve(&server, &[]);
    vendor.serve_chip(&server, &CHIP, &CHIP);
    let service = with(&server, |options| {
        options.roots = vendor.roots();
        options.folder = Some(folder.path().to_owned());
    });
    let needs = chip(Some(Product::Milan), CHIP);
    service.collateral(&needs, time(NOW)).await.unwrap();
    vendor.serve_list(&server, 2, &[2]);
    let error = service.latest(&needs, later()).await.unwrap_err();
    assert!(matches!(error, CollateralError::Refused { failure: Failure::Revoked { .. }, .. }), "{error}");
    assert!(
        service.cached(&needs, later()).is_none() && service.kept().is_empty(),
        "the line's entry as well"
    );
    let files = std::fs::read_dir(folder.path()).unwrap();
    assert_eq!(files.count(), 1, "the newest signed time alone");
}

#[tokio::test]
async fn a_revoked_certificate_of_another_withdraws_nothing() {
    let (server, service, vendor) = line(&[]).await;
    let needs = chip(Some(Product::Milan), CHIP);
    let first = service.collateral(&needs, time(NOW)).await.unwrap();
    // Somebody in between shows a genuine list and, beside it, the certificate of an issuer that it names.
    vendor.serve_other_issuer(&server, 66);
    assert_eq!(service.latest(&needs, later()).await.unwrap(), first);
}

#[tokio::test]
async fn the_number_of_a_list_does_not_go_back() {
    let (server, service, vendor) = line(&[]).await;
    vendor.serve_list(&server, 300, &[77]);
    let needs = chip(Some(Product::Milan), CHIP);
    let first = service.collateral(&needs, time(NOW)).await.unwrap();
    // Of the same second, and without the revocation.
    vendor.serve_list(&server, 299, &[]);
    assert_eq!(service.latest(&needs, later()).await.unwrap(), first);
    let again = with(&server, |options| options.roots = vendor.roots());
    again.collateral(&needs, later()).await.unwrap();
    let refused = service.import(&again.export(), later());
    let rewound = |error: &CollateralError| matches!(error, CollateralError::Rewound { .. });
    assert!(refused.len() == 2 && refused.iter().all(|one| rewound(&one.error)), "{refused:?}");
}

#[tokio::test]
async fn without_a_revocation_list_there_is_no_collateral() {
    let (server, service, _) = line(&[]).await;
    server.answer("/vcek/v1/Milan/crl", Answer::status(404));
    let error = service.collateral(&chip(Some(Product::Milan), CHIP), time(NOW)).await.unwrap_err();
    assert!(matches!(error, CollateralError::Answer { status: 404, .. }), "{error}");
}

#[tokio::test]
async fn a_certificate_of_another_root_is_not_kept() {
    let (server, service, _) = line(&[]).await;
    AmdVendor::new().serve_chip(&server, &CHIP, &CHIP);
    assert!(matches!(refused(&server, &service).await, Failure::Chain { .. }));
}
