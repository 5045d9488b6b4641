//! A program in the software TEE: what it can prove and unseal follows from its files and its signature.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use dcap_qvl::quote::Report;
use marblerun_tee::emulated::{
    Emulated, Kind, Settings, SigningKey, Statement, TcbStatus, answer_process, measure, signature_path,
};
use marblerun_tee::{SealTo, Tee as _, TeeError};

use crate::qvl::verify;
use crate::world::{REPORT_DATA, VENDOR, with};

/// An emulator behind a socket, and a program that this test starts.
struct Desk {
    folder: tempfile::TempDir,
    settings: Arc<Mutex<Settings>>,
    key: SigningKey,
}

impl Desk {
    fn new(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Arc::new(Mutex::new(settings));
        serve(&folder.path().join("default.sock"), Arc::clone(&settings));
        let desk = Self { folder, settings, key: SigningKey::generate().unwrap() };
        std::fs::write(desk.program(), "a program").unwrap();
        desk.sign(&desk.key, 1, 1, false);
        desk
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![std::env::current_exe().unwrap(), self.program()]
    }

    fn sign(&self, key: &SigningKey, product: u16, svn: u16, debug: bool) {
        let measurement = measure(&self.files()).unwrap();
        let signature = key.sign(&Statement { measurement, product, svn, debug }).unwrap();
        std::fs::write(signature_path(&self.program()), signature.as_bytes()).unwrap();
    }

    fn tee(&self) -> Emulated {
        Emulated::connect(&self.folder.path().join("default.sock"), vec![self.program()]).unwrap()
    }

    fn settings(&self) -> Settings {
        self.settings.lock().unwrap().clone()
    }

    fn set_tcb(&self, tcb: TcbStatus) {
        self.settings.lock().unwrap().platforms.get_mut("default").unwrap().tcb = tcb;
    }
}

/// The kernel tells the emulator who asks; here it is always this process.
fn serve(socket: &Path, settings: Arc<Mutex<Settings>>) {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = Vec::new();
            BufReader::new(&stream).read_until(b'\n', &mut line).unwrap();
            let settings = settings.lock().unwrap().clone();
            let platform = VENDOR.platform("default", &settings).unwrap();
            stream.write_all(&answer_process(&platform, std::process::id(), &line)).unwrap();
        }
    });
}

fn refusal<T: std::fmt::Debug>(result: Result<T, TeeError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn evidence_says_what_was_measured_and_signed() {
    let desk = Desk::new(Settings::default());
    desk.sign(&desk.key, 4, 9, false);
    let tee = desk.tee();
    assert_eq!(tee.origin(), "emulated-sgx");
    let verified = verify(&tee.evidence(&REPORT_DATA).unwrap().unwrap(), &desk.settings()).unwrap();
    let Report::SgxEnclave(report) = verified.report else { panic!("{verified:?}") };
    assert_eq!(report.mr_enclave, measure(&desk.files()).unwrap());
    assert_eq!((report.isv_prod_id, report.isv_svn), (4, 9));
    assert_eq!(report.report_data, REPORT_DATA);
}

#[test]
fn every_kind_of_platform_gives_its_own_evidence() {
    for (kind, origin, start) in [
        (Kind::Sgx, "emulated-sgx", [3, 0, 2, 0]),
        (Kind::Tdx, "emulated-tdx", [4, 0, 2, 0]),
        (Kind::Snp, "emulated-snp", [3, 0, 0, 0]),
    ] {
        let desk = Desk::new(with(|platform| platform.tee = kind));
        let tee = desk.tee();
        assert_eq!(tee.origin(), origin);
        let evidence = tee.evidence(&REPORT_DATA).unwrap().unwrap();
        assert_eq!(evidence[..4], start, "{kind:?}");
        let sealed = tee.seal(b"key", SealTo::Product).unwrap();
        assert_eq!(tee.unseal(&sealed).unwrap().as_slice(), b"key");
    }
}

#[test]
fn a_tampered_program_proves_nothing_until_it_is_signed_and_is_another_then() {
    let desk = Desk::new(Settings::default());
    let before = measure(&desk.files()).unwrap();
    std::fs::write(desk.program(), "a program with a back door").unwrap();
    let why = refusal(desk.tee().evidence(&REPORT_DATA));
    assert!(why.contains("not the one that was signed"), "{why}");
    let attacker = SigningKey::generate().unwrap();
    desk.sign(&attacker, 1, 1, false);
    let verified = verify(&desk.tee().evidence(&REPORT_DATA).unwrap().unwrap(), &desk.settings()).unwrap();
    let Report::SgxEnclave(report) = verified.report else { panic!("{verified:?}") };
    assert_ne!(report.mr_enclave, before);
    desk.sign(&desk.key, 1, 1, false);
    let owner = verify(&desk.tee().evidence(&REPORT_DATA).unwrap().unwrap(), &desk.settings()).unwrap();
    let Report::SgxEnclave(owner) = owner.report else { panic!("{owner:?}") };
    assert_ne!(report.mr_signer, owner.mr_signer);
}

#[test]
fn a_changed_or_missing_signature_does_not_count() {
    let desk = Desk::new(Settings::default());
    let path = signature_path(&desk.program());
    let good = std::fs::read(&path).unwrap();
    // Header, modulus, signature, attributes, product, security version.
    for at in [16, 130, 600, 928, 1024, 1026] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        std::fs::write(&path, changed).unwrap();
        desk.tee().evidence(&REPORT_DATA).unwrap_err();
    }
    std::fs::remove_file(&path).unwrap();
    let why = refusal(desk.tee().evidence(&REPORT_DATA));
    assert!(why.contains("marblerun emulator sign"), "{why}");
}

#[test]
fn a_key_for_the_product_opens_in_later_versions_only() {
    let desk = Desk::new(Settings::default());
    desk.sign(&desk.key, 1, 2, false);
    let old = desk.tee().seal(b"key", SealTo::Product).unwrap();
    std::fs::write(desk.program(), "a better program").unwrap();
    desk.sign(&desk.key, 1, 3, false);
    assert_eq!(desk.tee().unseal(&old).unwrap().as_slice(), b"key");
    let new = desk.tee().seal(b"key", SealTo::Product).unwrap();
    desk.sign(&desk.key, 1, 2, false);
    assert!(refusal(desk.tee().unseal(&new)).contains("newer security version"));
    for (product, debug) in [(2, false), (1, true)] {
        desk.sign(&desk.key, product, 3, debug);
        assert!(matches!(desk.tee().unseal(&old), Err(TeeError::NotOurs(_))));
    }
    desk.sign(&SigningKey::generate().unwrap(), 1, 3, false);
    assert!(matches!(desk.tee().unseal(&old), Err(TeeError::NotOurs(_))));
}

#[test]
fn a_key_for_the_build_opens_in_this_build_only() {
    let desk = Desk::new(Settings::default());
    let sealed = desk.tee().seal(b"key", SealTo::Unique).unwrap();
    assert_eq!(desk.tee().unseal(&sealed).unwrap().as_slice(), b"key");
    std::fs::write(desk.program(), "a better program").unwrap();
    desk.sign(&desk.key, 1, 1, false);
    assert!(matches!(desk.tee().unseal(&sealed), Err(TeeError::NotOurs(_))));
}

#[test]
fn sealed_bytes_do_not_open_on_older_firmware_but_on_newer() {
    let desk = Desk::new(with(|platform| platform.tcb = TcbStatus::SwHardeningNeeded));
    let sealed = desk.tee().seal(b"key", SealTo::Product).unwrap();
    desk.set_tcb(TcbStatus::UpToDate);
    assert_eq!(desk.tee().unseal(&sealed).unwrap().as_slice(), b"key");
    desk.set_tcb(TcbStatus::OutOfDate);
    assert!(refusal(desk.tee().unseal(&sealed)).contains("newer firmware"));
}

#[test]
fn nobody_behind_the_socket_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = Emulated::connect(&folder.path().join("none.sock"), Vec::new());
    assert!(matches!(nowhere, Err(TeeError::Unreachable { .. })));
}
