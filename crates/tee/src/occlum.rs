//! SGX through Occlum's `/dev/sgx`: DCAP quotes and the enclave's sealing keys, by ioctl.
//!
//! Nothing here speaks to the network or to a quoting service; Occlum does, and who reads a quote verifies it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::ioctl::{self, KEY_REQUEST_BYTES, SGX_REPORT_BYTES};
use crate::open_enclave;
use crate::sealed::{self, fields, purpose_byte, purpose_of};
use crate::{SealTo, Tee, TeeError};

/// A quote with its certificates has about 5,000 bytes.
const MAX_QUOTE_BYTES: u32 = 64 * 1024;

/// "MRO1", what it is sealed to (1 byte), ISVSVN (2), CPUSVN (16), key ID (32).
const MARK: &[u8] = b"MRO1";
const HEADER_BYTES: usize = 4 + 1 + 2 + 16 + 32;

/// Where a report has CPUSVN and ISVSVN (Intel SDM volume 3D, section 38.15).
const CPU_SVN: std::ops::Range<usize> = 0..16;
const ISV_SVN: std::ops::Range<usize> = 258..260;

/// What Occlum's device answers.
pub trait SgxDevice: Send + Sync + std::fmt::Debug {
    /// How many bytes a quote has.
    ///
    /// # Errors
    /// If the machine makes no DCAP quotes.
    fn quote_bytes(&self) -> io::Result<u32>;

    /// Writes a quote over `report_data` into `quote` and says how many bytes it has.
    ///
    /// # Errors
    /// If no quote was made.
    fn quote(&self, report_data: &[u8; 64], quote: &mut [u8]) -> io::Result<u32>;

    /// What EREPORT says about this enclave, made inside it.
    ///
    /// # Errors
    /// If no report was made.
    fn report(&self, report: &mut [u8; SGX_REPORT_BYTES]) -> io::Result<()>;

    /// The key that EGETKEY gives for a request (Intel SDM volume 3D, section 38.18).
    ///
    /// # Errors
    /// If the enclave has no such key.
    fn key(&self, request: &[u8; KEY_REQUEST_BYTES], key: &mut [u8; 16]) -> io::Result<()>;
}

impl SgxDevice for File {
    fn quote_bytes(&self) -> io::Result<u32> {
        ioctl::sgx_quote_bytes(self)
    }

    fn quote(&self, report_data: &[u8; 64], quote: &mut [u8]) -> io::Result<u32> {
        ioctl::sgx_quote(self, report_data, quote)
    }

    fn report(&self, report: &mut [u8; SGX_REPORT_BYTES]) -> io::Result<()> {
        ioctl::sgx_report(self, report)
    }

    fn key(&self, request: &[u8; KEY_REQUEST_BYTES], key: &mut [u8; 16]) -> io::Result<()> {
        ioctl::sgx_key(self, request, key)
    }
}

/// An SGX enclave under Occlum.
#[derive(Debug)]
pub struct Occlum<D = File> {
    device: D,
    place: PathBuf,
}

impl Occlum {
    /// The enclave behind `device`, usually `/dev/sgx`. Only for a process that Occlum serves: on other systems a device
    /// of this name is Intel's driver.
    ///
    /// # Errors
    /// If it is not there or gives no DCAP quotes, as in Occlum's own simulation.
    pub fn at(device: &Path) -> Result<Self, TeeError> {
        let opened = File::open(device).map_err(|why| TeeError::unreachable(device, why))?;
        Self::with(opened, device)
    }
}

impl<D: SgxDevice> Occlum<D> {
    /// The same, through another device that was found at `place`.
    ///
    /// # Errors
    /// As [`Occlum::at`].
    pub fn with(device: D, place: &Path) -> Result<Self, TeeError> {
        let occlum = Self { device, place: place.to_owned() };
        occlum.quote_bytes()?;
        Ok(occlum)
    }

    fn quote_bytes(&self) -> Result<usize, TeeError> {
        let bytes = self.device.quote_bytes().map_err(|why| self.failed(why))?;
        match bytes {
            1..=MAX_QUOTE_BYTES => Ok(bytes as usize),
            _ => Err(self.failed(format!("a quote of {bytes} bytes"))),
        }
    }

    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, TeeError> {
        let mut quote = vec![0; self.quote_bytes()?];
        let made = self.device.quote(report_data, &mut quote).map_err(|why| self.failed(why))?;
        match made as usize {
            0 => Err(self.failed("an empty quote")),
            bytes if bytes > quote.len() => Err(self.failed("a quote longer than its buffer")),
            bytes => {
                quote.truncate(bytes);
                Ok(quote)
            }
        }
    }

    /// What a new seal's header says: the key for the security versions that this enclave has now. An enclave of lower
    /// versions does not get that key, one of higher versions does.
    ///
    /// A quote has them too, but it comes from the host, who would write lower ones, so that an older enclave or microcode
    /// with a known hole gets the key; a report is made inside.
    fn header(&self, to: SealTo) -> Result<Vec<u8>, TeeError> {
        let mut report = [0; SGX_REPORT_BYTES];
        self.device.report(&mut report).map_err(|why| self.failed(format!("no report: {why}")))?;
        let (isv_svn, cpu_svn) = (&report[ISV_SVN], &report[CPU_SVN]);
        Ok([MARK, &[purpose_byte(to)], isv_svn, cpu_svn, &sealed::random()?].concat())
    }

    /// The key that the fields of a header name, without its mark.
    fn key(&self, fields: &[u8]) -> Result<Zeroizing<[u8; 32]>, TeeError> {
        let request = key_request(purpose_of(fields[0])?, &fields[1..3], &fields[3..19], &fields[19..]);
        let mut device_key = Zeroizing::new([0; 16]);
        let given = self.device.key(&request, &mut device_key);
        given.map_err(|why| self.failed(format!("no sealing key: {why}")))?;
        sealed::derive(device_key.as_slice(), fields, "marblerun occlum seal")
    }

    fn failed(&self, why: impl ToString) -> TeeError {
        TeeError::unreachable(&self.place, why)
    }
}

/// KEYREQUEST for a sealing key (Intel SDM volume 3D, section 38.18): the enclave's being in debug mode and all reserved
/// attributes count, what the processor happens to have (XFRM) does not, as in Intel's own sealing.
fn key_request(to: SealTo, isv_svn: &[u8], cpu_svn: &[u8], key_id: &[u8]) -> [u8; KEY_REQUEST_BYTES] {
    const SEAL_KEY: [u8; 2] = 4_u16.to_le_bytes();
    const ATTRIBUTES: [u8; 8] = 0xffff_ffff_ffff_ffc3_u64.to_le_bytes();
    const MISC: [u8; 4] = 0xf000_0000_u32.to_le_bytes();
    let policy: u16 = match to {
        SealTo::Unique => 1,
        SealTo::Product => 2,
    };
    let written =
        [&SEAL_KEY, &policy.to_le_bytes(), isv_svn, &[0; 2], cpu_svn, &ATTRIBUTES, &[0; 8], key_id, &MISC]
            .concat();
    let mut request = [0; KEY_REQUEST_BYTES];
    request.iter_mut().zip(written).for_each(|(to, from)| *to = from);
    request
}

impl<D: SgxDevice> Tee for Occlum<D> {
    fn origin(&self) -> &'static str {
        "sgx"
    }

    fn seal(&self, secret: &[u8], to: SealTo) -> Result<Vec<u8>, TeeError> {
        let header = self.header(to)?;
        let key = self.key(&header[MARK.len()..])?;
        sealed::seal(header, key.as_slice(), secret)
    }

    fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        let key = self.key(fields(sealed, MARK, HEADER_BYTES, "an enclave under Occlum")?)?;
        sealed::open(HEADER_BYTES, key.as_slice(), sealed)
    }

    fn evidence(&self, report_data: &[u8; 64]) -> Result<Option<Vec<u8>>, TeeError> {
        Ok(Some(open_enclave::wrap(&self.quote(report_data)?)))
    }
}
