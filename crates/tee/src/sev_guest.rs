//! SEV-SNP through Linux' `/dev/sev-guest`: attestation reports and derived keys (AMD SEV-SNP Firmware ABI, 56860,
//! sections 7.2 and 7.3), with the certificate of the signing key where the host has it.
//!
//! Always at VMPL 0: a guest below a service module has the module's means instead.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use marblerun_attest::with_certificate;
use zeroize::Zeroizing;

use crate::ioctl::{
    self, CERTIFICATES_BYTES, DERIVED_KEY_ANSWER_BYTES, DERIVED_KEY_REQUEST_BYTES, REPORT_ANSWER_BYTES,
    REPORT_REQUEST_BYTES,
};
use crate::sealed::{self, fields, purpose_byte, purpose_of};
use crate::{SealTo, Tee, TeeError};

/// In both answers the status stands first; a report follows its length and a reserved field, a key its reserved field.
const CONTENT_AT: usize = 32;
const REPORT_BYTES: usize = 1184;

/// What the derived key depends on (GUEST_FIELD_SELECT): policy, image, family and measurement of the guest.
const GUEST_FIELDS: u64 = 0b1111;

/// "MRS1", what it is sealed to (1 byte), salt (32 bytes).
const MARK: &[u8] = b"MRS1";
const SALT_BYTES: usize = 32;
const HEADER_BYTES: usize = 4 + 1 + SALT_BYTES;

/// What the guest driver answers; requests and answers as in Linux' `include/uapi/linux/sev-guest.h`.
pub trait GuestDevice: Send + Sync + std::fmt::Debug {
    /// `SNP_GET_REPORT`.
    ///
    /// # Errors
    /// If driver or firmware refuse.
    fn report(
        &self,
        request: &[u8; REPORT_REQUEST_BYTES],
        answer: &mut [u8; REPORT_ANSWER_BYTES],
    ) -> io::Result<()>;

    /// `SNP_GET_EXT_REPORT`: the same, with the host's table of certificates.
    ///
    /// # Errors
    /// If driver, host or firmware refuse.
    fn extended_report(
        &self,
        request: &[u8; REPORT_REQUEST_BYTES],
        answer: &mut [u8; REPORT_ANSWER_BYTES],
        certificates: &mut [u8; CERTIFICATES_BYTES],
    ) -> io::Result<()>;

    /// `SNP_GET_DERIVED_KEY`.
    ///
    /// # Errors
    /// If driver or firmware refuse.
    fn derived_key(
        &self,
        request: &[u8; DERIVED_KEY_REQUEST_BYTES],
        answer: &mut [u8; DERIVED_KEY_ANSWER_BYTES],
    ) -> io::Result<()>;
}

impl GuestDevice for File {
    fn report(
        &self,
        request: &[u8; REPORT_REQUEST_BYTES],
        answer: &mut [u8; REPORT_ANSWER_BYTES],
    ) -> io::Result<()> {
        ioctl::snp_report(self, request, answer)
    }

    fn extended_report(
        &self,
        request: &[u8; REPORT_REQUEST_BYTES],
        answer: &mut [u8; REPORT_ANSWER_BYTES],
        certificates: &mut [u8; CERTIFICATES_BYTES],
    ) -> io::Result<()> {
        ioctl::snp_extended_report(self, request, answer, certificates)
    }

    fn derived_key(
        &self,
        request: &[u8; DERIVED_KEY_REQUEST_BYTES],
        answer: &mut [u8; DERIVED_KEY_ANSWER_BYTES],
    ) -> io::Result<()> {
        ioctl::snp_derived_key(self, request, answer)
    }
}

/// An SEV-SNP guest.
#[derive(Debug)]
pub struct SevGuest<D = File> {
    device: D,
    place: PathBuf,
}

impl SevGuest {
    /// The guest behind `device`, usually `/dev/sev-guest`; `None` if it is not there.
    ///
    /// # Errors
    /// If it is there and cannot be opened.
    pub fn at(device: &Path) -> Result<Option<Self>, TeeError> {
        match File::options().read(true).write(true).open(device) {
            Ok(opened) => Ok(Some(Self::with(opened, device))),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(TeeError::unreachable(device, why)),
        }
    }
}

impl<D: GuestDevice> SevGuest<D> {
    /// The same, through another device that was found at `place`.
    pub fn with(device: D, place: &Path) -> Self {
        Self { device, place: place.to_owned() }
    }

    /// A key of 32 bytes from the chip's key, the guest's identity and the header's fields.
    ///
    /// What it is sealed to makes no difference to the chip, which knows no product: the families and images of guests
    /// are whatever the host says, so that a key for them alone would be a key for the host.
    fn key(&self, fields: &[u8]) -> Result<Zeroizing<[u8; 32]>, TeeError> {
        purpose_of(fields[0])?;
        let mut request = [0; DERIVED_KEY_REQUEST_BYTES];
        request[8..16].copy_from_slice(&GUEST_FIELDS.to_le_bytes());
        let mut answer = Zeroizing::new([0; DERIVED_KEY_ANSWER_BYTES]);
        let given = self.device.derived_key(&request, &mut answer);
        given.map_err(|why| self.failed(format!("no derived key: {why}")))?;
        self.check_status(&*answer)?;
        sealed::derive(&answer[CONTENT_AT..], fields, "marblerun sev-snp seal")
    }

    /// A report with the certificate that the host has for its key. Old kernels and hosts without certificates refuse the
    /// question: then the report alone does, and what is wrong with that is said.
    fn extended(&self, request: &[u8; REPORT_REQUEST_BYTES]) -> Option<Vec<u8>> {
        let (mut answer, mut table) = ([0; REPORT_ANSWER_BYTES], [0; CERTIFICATES_BYTES]);
        self.device.extended_report(request, &mut answer, &mut table).ok()?;
        Some(with_certificate(self.report_in(&answer).ok()?, &table))
    }

    fn report_in<'a>(&self, answer: &'a [u8; REPORT_ANSWER_BYTES]) -> Result<&'a [u8], TeeError> {
        self.check_status(answer)?;
        match word(answer, 4) {
            Some(bytes) if bytes as usize == REPORT_BYTES => {
                Ok(&answer[CONTENT_AT..CONTENT_AT + REPORT_BYTES])
            }
            other => Err(self.failed(format!("a report of {other:?} bytes instead of {REPORT_BYTES}"))),
        }
    }

    fn check_status(&self, answer: &[u8]) -> Result<(), TeeError> {
        match word(answer, 0) {
            Some(0) => Ok(()),
            status => Err(self.failed(format!("the firmware's status is {status:?}"))),
        }
    }

    fn failed(&self, why: impl ToString) -> TeeError {
        TeeError::unreachable(&self.place, why)
    }
}

impl<D: GuestDevice> Tee for SevGuest<D> {
    fn origin(&self) -> &'static str {
        "snp"
    }

    fn seal(&self, secret: &[u8], to: SealTo) -> Result<Vec<u8>, TeeError> {
        let header = [MARK, &[purpose_byte(to)], &sealed::random()?].concat();
        let key = self.key(&header[MARK.len()..])?;
        sealed::seal(header, key.as_slice(), secret)
    }

    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        let key = self.key(fields(sealed, MARK, HEADER_BYTES, "an SEV-SNP guest")?)?;
        sealed::open(HEADER_BYTES, key.as_slice(), sealed)
    }

    fn evidence(&self, report_data: &[u8; 64]) -> Result<Option<Vec<u8>>, TeeError> {
        let mut request = [0; REPORT_REQUEST_BYTES];
        request[..64].copy_from_slice(report_data);
        if let Some(evidence) = self.extended(&request) {
            return Ok(Some(evidence));
        }
        let mut answer = [0; REPORT_ANSWER_BYTES];
        self.device.report(&request, &mut answer).map_err(|why| self.failed(why))?;
        Ok(Some(self.report_in(&answer)?.to_vec()))
    }
}

/// The little-endian word at `at`.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().map(u32::from_le_bytes).ok()
}
