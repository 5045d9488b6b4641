//! Drivers that are asked by ioctl: Occlum's `/dev/sgx` and Linux' `/dev/sev-guest`, played by the tests.

use std::io;
use std::path::Path;
use std::sync::Mutex;

use marblerun_tee::{
    GuestDevice, LibraryOs, Machine, Occlum, SealTo, SevGuest, SgxDevice, Tee, TeeError, Uname, Wish,
    detect_on,
};

const QUOTE_BYTES: u32 = 600;

/// An enclave of some security versions under Occlum.
#[derive(Debug)]
struct Enclave {
    build: u8,
    isv_svn: u16,
    quote_bytes: u32,
    made_bytes: u32,
}

impl Enclave {
    fn new(build: u8, isv_svn: u16) -> Self {
        Self { build, isv_svn, quote_bytes: QUOTE_BYTES, made_bytes: QUOTE_BYTES - 8 }
    }
}

impl SgxDevice for Enclave {
    fn quote_bytes(&self) -> io::Result<u32> {
        Ok(self.quote_bytes)
    }

    fn quote(&self, report_data: &[u8; 64], quote: &mut [u8]) -> io::Result<u32> {
        assert_eq!(quote.len(), self.quote_bytes as usize);
        if let Some(body) = quote.get_mut(48..48 + 384) {
            // It comes from the host, who writes versions of his liking.
            body[258..260].copy_from_slice(&[0; 2]);
            body[320..].copy_from_slice(report_data);
        }
        Ok(self.made_bytes)
    }

    fn report(&self, report: &mut [u8; 432]) -> io::Result<()> {
        report[..16].fill(5);
        report[258..260].copy_from_slice(&self.isv_svn.to_le_bytes());
        Ok(())
    }

    /// As EGETKEY: not for versions above one's own; one bit of the policy says what identity counts.
    fn key(&self, request: &[u8; 512], key: &mut [u8; 16]) -> io::Result<()> {
        let [name, policy, isv_svn] = [0, 2, 4].map(|at| u16::from_le_bytes([request[at], request[at + 1]]));
        assert_eq!((name, &request[6..8]), (4, &[0; 2][..]), "a sealing key");
        if request[8..24].iter().any(|component| *component > 5) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        assert_eq!(request[24..40], *b"\xc3\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0", "attributes");
        assert_eq!((&request[72..76], &request[76..]), (&b"\0\0\0\xf0"[..], &[0; 436][..]));
        if isv_svn > self.isv_svn {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let identity = if policy == 1 { self.build } else { 0 };
        *key = [request[40] ^ request[8] ^ isv_svn as u8 ^ policy as u8 ^ identity; 16];
        Ok(())
    }
}

fn occlum(enclave: Enclave) -> Occlum<Enclave> {
    Occlum::with(enclave, Path::new("/dev/sgx")).unwrap()
}

#[test]
fn occlums_quote_comes_in_its_header() {
    let evidence = occlum(Enclave::new(1, 3)).evidence(&[7; 64]).unwrap().unwrap();
    assert_eq!(evidence[..16], *b"\x01\0\0\0\x02\0\0\0\x50\x02\0\0\0\0\0\0");
    assert_eq!(evidence.len(), 16 + 592);
    assert_eq!(evidence[16 + 48 + 320..][..64], [7; 64]);
}

#[test]
fn occlums_keys_open_for_later_versions_or_for_the_same_build() {
    let old = occlum(Enclave::new(1, 3));
    let product = old.seal(b"key", SealTo::Product).unwrap();
    let unique = old.seal(b"key", SealTo::Unique).unwrap();
    let opens = |build, version, sealed: &[u8]| {
        occlum(Enclave::new(build, version)).unseal(sealed).is_ok_and(|key| *key == b"key")
    };
    assert!(opens(1, 3, &product) && opens(1, 3, &unique));
    assert!(opens(2, 4, &product) && !opens(2, 4, &unique));
    assert!(
        !opens(0, 2, &product),
        "an older version gets no key of a newer one, whatever the host's quote says"
    );
    nothing_opens_when_a_byte_changed(&old, &product);
}

#[test]
fn an_enclave_that_makes_no_sensible_quotes_is_an_error() {
    for quote_bytes in [0, 64 * 1024 + 1, u32::MAX] {
        let enclave = Enclave { quote_bytes, ..Enclave::new(1, 1) };
        let refused = Occlum::with(enclave, Path::new("/dev/sgx")).unwrap_err();
        assert!(matches!(refused, TeeError::Unreachable { .. }), "{refused}");
    }
    for made_bytes in [0, QUOTE_BYTES + 1, u32::MAX] {
        let enclave = Enclave { made_bytes, ..Enclave::new(1, 1) };
        occlum(enclave).evidence(&[0; 64]).unwrap_err();
    }
}

#[test]
fn occlum_is_found_by_its_name_only_and_then_it_must_work() {
    let root = tempfile::tempdir().unwrap();
    let machine = |sysname: &str| {
        let uname = Uname {
            sysname: sysname.into(),
            release: "0.1".into(),
            version: "0.1".into(),
            machine: "x86-64".into(),
        };
        Machine { root: root.path().to_owned(), uname }
    };
    assert_eq!(machine("Occlum").uname.library_os(), Some(LibraryOs::Occlum));
    std::fs::create_dir(root.path().join("dev")).unwrap();
    for _ in 0..2 {
        for wish in [Wish::Hardware, Wish::Simulation] {
            let refused = detect_on(&machine("Occlum"), &wish).unwrap_err();
            assert!(matches!(refused, TeeError::Unreachable { .. }), "{refused}");
        }
        // The second time there is a device, which is Intel's elsewhere.
        std::fs::write(root.path().join("dev/sgx"), "").unwrap();
    }
    assert_eq!(detect_on(&machine("Linux"), &Wish::Hardware).unwrap_err(), TeeError::None);
    assert_eq!(detect_on(&machine("Linux"), &Wish::Simulation).unwrap().origin(), "simulation");
}

/// An SEV-SNP guest with a measurement.
#[derive(Debug)]
struct Guest {
    measurement: u8,
    status: u8,
    report_bytes: u32,
    /// What it says of certificates; a host that knows nothing of them refuses the question.
    table: Option<Vec<u8>>,
    asked: Mutex<Vec<u8>>,
}

impl Guest {
    fn new(measurement: u8) -> Self {
        Self { measurement, status: 0, report_bytes: 1184, table: None, asked: Mutex::default() }
    }
}

impl GuestDevice for Guest {
    fn extended_report(
        &self,
        request: &[u8; 96],
        answer: &mut [u8; 4000],
        certificates: &mut [u8; 16384],
    ) -> io::Result<()> {
        let table = self.table.as_ref().ok_or_else(|| io::Error::from_raw_os_error(5))?;
        certificates[..table.len()].copy_from_slice(table);
        self.report(request, answer)
    }

    fn report(&self, request: &[u8; 96], answer: &mut [u8; 4000]) -> io::Result<()> {
        *self.asked.lock().unwrap() = request.to_vec();
        answer[0] = self.status;
        answer[4..8].copy_from_slice(&self.report_bytes.to_le_bytes());
        answer[32..32 + 1184].fill(self.measurement);
        Ok(())
    }

    fn derived_key(&self, request: &[u8; 32], answer: &mut [u8; 64]) -> io::Result<()> {
        *self.asked.lock().unwrap() = request.to_vec();
        answer[0] = self.status;
        answer[32..].fill(self.measurement);
        Ok(())
    }
}

fn guest(guest: Guest) -> SevGuest<Guest> {
    SevGuest::with(guest, Path::new("/dev/sev-guest"))
}

#[test]
fn a_guest_gives_its_report_as_it_is() {
    let good = guest(Guest::new(9));
    assert_eq!(good.origin(), "snp");
    assert_eq!(good.evidence(&[7; 64]).unwrap().unwrap(), [9; 1184]);
    for table in [Vec::new(), vec![7; 16384], b"garbage".to_vec()] {
        let without = guest(Guest { table: Some(table), ..Guest::new(9) });
        assert_eq!(without.evidence(&[7; 64]).unwrap().unwrap(), [9; 1184], "no certificate for it");
    }
    for wrong in [
        Guest { status: 0x16, ..Guest::new(9) },
        Guest { report_bytes: 0, ..Guest::new(9) },
        Guest { report_bytes: u32::MAX, ..Guest::new(9) },
        Guest { report_bytes: u32::MAX, table: Some(Vec::new()), ..Guest::new(9) },
        Guest { status: 0x16, table: Some(Vec::new()), ..Guest::new(9) },
    ] {
        let refused = guest(wrong).evidence(&[7; 64]).unwrap_err();
        assert!(matches!(refused, TeeError::Unreachable { .. }), "{refused}");
    }
}

#[test]
fn the_chips_key_is_for_the_measurement_always() {
    let sealed = guest(Guest::new(1)).seal(b"key", SealTo::Product).unwrap();
    assert_eq!(guest(Guest::new(1)).unseal(&sealed).unwrap().as_slice(), b"key");
    assert!(matches!(guest(Guest::new(2)).unseal(&sealed), Err(TeeError::NotOurs(_))));
    guest(Guest { status: 0x16, ..Guest::new(1) }).unseal(&sealed).unwrap_err();
    nothing_opens_when_a_byte_changed(&guest(Guest::new(1)), &sealed);
}

#[test]
fn requests_to_the_firmware_are_as_its_interface_says() {
    let device = Box::leak(Box::new(Guest::new(1)));
    let tee = SevGuest::with(&*device, Path::new("/dev/sev-guest"));
    tee.evidence(&[7; 64]).unwrap();
    assert_eq!(*device.asked.lock().unwrap(), [[7; 64].as_slice(), &[0; 32]].concat());
    tee.seal(b"key", SealTo::Unique).unwrap();
    let fields = [&[0; 8], &[0b1111, 0, 0, 0, 0, 0, 0, 0], [0; 16].as_slice()].concat();
    assert_eq!(
        *device.asked.lock().unwrap(),
        fields,
        "the chip's key; policy, image, family and measurement"
    );
}

impl GuestDevice for &'static Guest {
    fn extended_report(
        &self,
        request: &[u8; 96],
        answer: &mut [u8; 4000],
        certificates: &mut [u8; 16384],
    ) -> io::Result<()> {
        (*self).extended_report(request, answer, certificates)
    }

    fn report(&self, request: &[u8; 96], answer: &mut [u8; 4000]) -> io::Result<()> {
        (*self).report(request, answer)
    }

    fn derived_key(&self, request: &[u8; 32], answer: &mut [u8; 64]) -> io::Result<()> {
        (*self).derived_key(request, answer)
    }
}

fn nothing_opens_when_a_byte_changed(tee: &impl Tee, sealed: &[u8]) {
    for at in 0..sealed.len() {
        let mut changed = sealed.to_vec();
        changed[at] ^= 1;
        assert!(tee.unseal(&changed).is_err(), "{at}");
        assert!(tee.unseal(&sealed[..at]).is_err(), "{at}");
    }
}
