//! The interfaces of real TEEs, as files in a folder: what is written to them and read from them.

use std::fs;
use std::path::{Path, PathBuf};

use marblerun_attest::with_certificate;
use marblerun_tee::emulated::{Kind, Product};
use marblerun_tee::{Gramine, SealTo, Tee as _, TeeError, Tsm, Wish, detect_in};

use crate::amd::report_and_table;
use crate::world::{REPORT_DATA, with};

/// A machine whose devices are files in a folder.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with_gramine(self) -> Self {
        let keys = self.gramine().join("keys");
        fs::create_dir_all(&keys).unwrap();
        fs::write(self.gramine().join("user_report_data"), [0; 64]).unwrap();
        fs::write(self.gramine().join("attestation_type"), "dcap\0").unwrap();
        fs::write(self.gramine().join("quote"), "a quote").unwrap();
        fs::write(keys.join("_sgx_mrsigner"), [1; 16]).unwrap();
        fs::write(keys.join("_sgx_mrenclave"), [2; 16]).unwrap();
        self
    }

    fn with_tsm(self) -> Self {
        fs::create_dir_all(self.tsm()).unwrap();
        self
    }

    fn gramine(&self) -> PathBuf {
        self.0.path().join("dev/attestation")
    }

    fn tsm(&self) -> PathBuf {
        self.0.path().join("sys/kernel/config/tsm/report")
    }
}

/// What the kernel does when a folder is made.
fn kernel(entry: &Path, provider: &str) -> std::io::Result<()> {
    fs::create_dir(entry)?;
    fs::write(entry.join("provider"), format!("{provider}\n"))?;
    fs::write(entry.join("inblob"), "")?;
    fs::write(entry.join("outblob"), "evidence")
}

#[test]
fn gramine_gets_the_report_data_and_gives_a_quote() {
    let machine = Machine::new().with_gramine();
    let gramine = Gramine::at(&machine.gramine()).unwrap().unwrap();
    assert_eq!(gramine.origin(), "sgx");
    let wrapped = b"\x01\0\0\0\x02\0\0\0\x07\0\0\0\0\0\0\0a quote";
    assert_eq!(gramine.evidence(&[7; 64]).unwrap().unwrap(), wrapped);
    assert_eq!(fs::read(machine.gramine().join("user_report_data")).unwrap(), [7; 64]);
    fs::write(machine.gramine().join("quote"), "").unwrap();
    assert!(matches!(gramine.evidence(&[7; 64]), Err(TeeError::Unreachable { .. })));
}

#[test]
fn gramines_keys_seal_to_product_and_to_build() {
    let machine = Machine::new().with_gramine();
    let gramine = Gramine::at(&machine.gramine()).unwrap().unwrap();
    let product = gramine.seal(b"key", SealTo::Product).unwrap();
    let unique = gramine.seal(b"key", SealTo::Unique).unwrap();
    fs::write(machine.gramine().join("keys/_sgx_mrenclave"), [3; 16]).unwrap();
    assert_eq!(gramine.unseal(&product).unwrap().as_slice(), b"key");
    assert!(matches!(gramine.unseal(&unique), Err(TeeError::NotOurs(_))));
    fs::write(machine.gramine().join("keys/_sgx_mrsigner"), [3; 15]).unwrap();
    assert!(matches!(gramine.unseal(&product), Err(TeeError::Unreachable { .. })));
}

#[test]
fn what_gramine_sealed_does_not_open_when_a_byte_changed() {
    let machine = Machine::new().with_gramine();
    let gramine = Gramine::at(&machine.gramine()).unwrap().unwrap();
    let sealed = gramine.seal(b"key", SealTo::Product).unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        gramine.unseal(&changed).unwrap_err();
        gramine.unseal(&sealed[..at]).unwrap_err();
    }
}

#[test]
fn a_confidential_machine_gives_evidence_and_no_sealing_key() {
    let machine = Machine::new().with_tsm();
    let tdx = Tsm::with(&machine.tsm(), |entry| kernel(entry, "tdx_guest")).unwrap().unwrap();
    assert_eq!(tdx.origin(), "tdx");
    assert_eq!(tdx.evidence(&[9; 64]).unwrap().unwrap(), b"evidence");
    assert_eq!(tdx.seal(b"key", SealTo::Product), Err(TeeError::NoSealingKey));
    // The folders stay here, since only the kernel's go with their files: one to look, one to ask.
    let mut asked: Vec<_> = fs::read_dir(machine.tsm()).unwrap().map(|entry| entry.unwrap().path()).collect();
    asked.sort();
    assert_eq!(asked.len(), 2);
    assert_eq!(fs::read(asked[1].join("inblob")).unwrap(), [9; 64]);
}

#[test]
fn what_the_host_says_beside_a_report_is_taken_if_it_fits() {
    let settings = with(|platform| (platform.tee, platform.product) = (Kind::Snp, Product::Genoa));
    let (report, table) = report_and_table(&settings, Product::Genoa);
    let machine = Machine::new().with_tsm();
    let guest = Tsm::with(&machine.tsm(), sev_guest_with_files).unwrap().unwrap();
    let evidence = |table: Option<&[u8]>| {
        fs::write(machine.0.path().join("outblob"), &report).unwrap();
        let aux = machine.0.path().join("auxblob");
        table.map_or_else(|| drop(fs::remove_file(&aux)), |table| fs::write(&aux, table).unwrap());
        guest.evidence(&REPORT_DATA).unwrap().unwrap()
    };
    assert_eq!(evidence(None), report);
    assert_eq!(evidence(Some(&[])), report);
    assert_eq!(evidence(Some(b"garbage")), report);
    assert_eq!(evidence(Some(&table)), with_certificate(&report, &table));
    assert!(evidence(Some(&table)).len() > report.len());
}

/// As the kernel of an SNP guest, with the files that the test wrote beside.
fn sev_guest_with_files(entry: &Path) -> std::io::Result<()> {
    kernel(entry, "sev_guest")?;
    let folder = entry.ancestors().nth(6).unwrap_or(entry);
    for file in ["outblob", "auxblob"].into_iter().filter(|file| folder.join(file).exists()) {
        fs::copy(folder.join(file), entry.join(file))?;
    }
    Ok(())
}

#[test]
fn only_known_providers_count() {
    for (provider, origin) in
        [("tdx_guest", Some("tdx")), ("sev_guest", Some("snp")), ("arm_cca_guest", None)]
    {
        let machine = Machine::new().with_tsm();
        let made = match provider {
            "tdx_guest" => Tsm::with(&machine.tsm(), |entry| kernel(entry, "tdx_guest")),
            "sev_guest" => Tsm::with(&machine.tsm(), |entry| kernel(entry, "sev_guest")),
            _ => Tsm::with(&machine.tsm(), |entry| kernel(entry, "arm_cca_guest")),
        };
        assert_eq!(made.ok().flatten().map(|tsm| tsm.origin()), origin, "{provider}");
    }
}

#[test]
fn the_interface_without_a_tee_behind_it_is_none() {
    let machine = Machine::new().with_tsm();
    let nobody = Tsm::with(&machine.tsm(), |_| Err(std::io::Error::from_raw_os_error(6)));
    assert!(nobody.unwrap().is_none());
    let denied = Tsm::with(&machine.tsm(), |_| Err(std::io::ErrorKind::PermissionDenied.into()));
    assert!(matches!(denied, Err(TeeError::Unreachable { .. })));
}

#[test]
fn what_is_there_is_taken_and_less_is_refused() {
    let nothing = Machine::new();
    assert_eq!(detect_in(nothing.0.path(), &Wish::Hardware).unwrap_err(), TeeError::None);
    assert_eq!(detect_in(nothing.0.path(), &Wish::Simulation).unwrap().origin(), "simulation");
    let enclave = Machine::new().with_gramine().with_tsm();
    assert_eq!(detect_in(enclave.0.path(), &Wish::Hardware).unwrap().origin(), "sgx");
    let emulator = Wish::Emulator { socket: "nowhere".into(), starts: Vec::new() };
    for less in [Wish::Simulation, emulator] {
        let refused = detect_in(enclave.0.path(), &less).unwrap_err();
        assert_eq!(refused, TeeError::Less { origin: "sgx" });
    }
}

#[test]
fn a_tee_that_does_not_work_is_an_error_and_never_another_one() {
    let enclave = Machine::new().with_gramine();
    fs::write(enclave.gramine().join("attestation_type"), "none").unwrap();
    for wish in [Wish::Hardware, Wish::Simulation] {
        let refused = detect_in(enclave.0.path(), &wish).unwrap_err();
        assert!(matches!(refused, TeeError::Refused(_)), "{refused}");
    }
    // A folder that the kernel does not fill with files.
    let machine = Machine::new().with_tsm();
    for wish in [Wish::Hardware, Wish::Simulation] {
        let refused = detect_in(machine.0.path(), &wish).unwrap_err();
        assert!(matches!(refused, TeeError::Unreachable { .. }), "{refused}");
    }
}
