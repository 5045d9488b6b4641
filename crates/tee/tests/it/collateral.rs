//! The paths of PCS and KDS, and what is not there.

use marblerun_tee::emulated::{Settings, answer};

use crate::world::{VENDOR, get, now};

#[test]
fn revocation_lists_come_in_each_encoding() {
    let settings = Settings::default();
    let pem = get(&settings, "/sgx/certification/v4/pckcrl?ca=processor");
    assert!(pem.body.starts_with(b"-----BEGIN X509 CRL-----"));
    let der = get(&settings, "/sgx/certification/v4/pckcrl?ca=processor&encoding=der");
    assert_eq!(der.body[0], 0x30);
    assert_eq!(get(&settings, "/sgx/certification/v4/rootcacrl?encoding=der").body[0], 0x30);
    assert!(get(&settings, "/sgx/certification/v4/rootcacrl").body.starts_with(b"30"));
}

#[test]
fn what_is_not_there_is_not_made_up() {
    let settings = Settings::default();
    for (path, status) in [
        ("/", 404),
        ("/sgx/certification/v4/tcb", 400),
        ("/sgx/certification/v4/tcb?fmspc=00", 400),
        ("/sgx/certification/v4/tcb?fmspc=ffffffffffff", 404),
        ("/sgx/certification/v4/tcb?fmspc=00806f050000&tcbEvaluationDataNumber=19", 404),
        ("/sgx/certification/v4/qe/identity?tcbEvaluationDataNumber=x", 404),
        ("/sgx/certification/v4/pckcrl", 400),
        ("/sgx/certification/v3/tcb?fmspc=00806f050000", 404),
        ("/tdx/certification/v4/pckcrl?ca=platform", 404),
        ("/vcek/v1/Rome/cert_chain", 404),
        ("/vcek/v1/Genoa/00?blSPL=1&teeSPL=0&snpSPL=1&ucodeSPL=1", 404),
        ("/vcek/v1/Genoa", 404),
    ] {
        let answer = answer(&VENDOR, &settings, path, now()).unwrap();
        assert_eq!(answer.status, status, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }
}
