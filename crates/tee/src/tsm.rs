//! TDX and SEV-SNP through Linux' configfs-tsm (Documentation/ABI/testing/configfs-tsm-report): a folder for each
//! question, report data in `inblob`, evidence in `outblob`, and in `auxblob` what the host has of certificates for it.
//!
//! It gives no sealing key: neither the kernel's interface nor TDX has one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use marblerun_attest::with_certificate;
use zeroize::Zeroizing;

use crate::pseudo_file;
use crate::{SealTo, Tee, TeeError};

/// "No such device or address": the interface is there, and no TEE behind it.
const ENXIO: i32 = 6;

/// Makes the folder of a question; the kernel fills it with files.
type MakeEntry = fn(&Path) -> io::Result<()>;

/// A confidential virtual machine: a trust domain or an SEV-SNP guest.
#[derive(Debug)]
pub struct Tsm {
    reports: PathBuf,
    provider: Provider,
    make_entry: MakeEntry,
    asked: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provider {
    Tdx,
    Snp,
}

impl Tsm {
    /// The machine behind `reports`, usually `/sys/kernel/config/tsm/report`; `None` if it is none.
    ///
    /// # Errors
    /// If it is there and cannot be used, or is of a kind that this version does not know.
    pub fn at(reports: &Path) -> Result<Option<Self>, TeeError> {
        Self::with(reports, |entry| fs::create_dir(entry))
    }

    /// The same, with another way to make the folder of a question than asking the kernel.
    ///
    /// # Errors
    /// As [`Tsm::at`].
    pub fn with(reports: &Path, make_entry: MakeEntry) -> Result<Option<Self>, TeeError> {
        if !reports.exists() {
            return Ok(None);
        }
        let mut tsm = Self {
            reports: reports.to_owned(),
            provider: Provider::Tdx,
            make_entry,
            asked: AtomicU64::new(0),
        };
        let entry = match tsm.entry() {
            Err(why) if why.raw_os_error() == Some(ENXIO) => return Ok(None),
            entry => entry.map_err(|why| TeeError::unreachable(reports, why))?,
        };
        tsm.provider = entry.provider()?;
        Ok(Some(tsm))
    }

    /// A folder of our own: nobody else's question comes between ours and its answer.
    fn entry(&self) -> io::Result<Entry> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let path = self.reports.join(format!("marblerun-{}-{number}", std::process::id()));
        (self.make_entry)(&path)?;
        Ok(Entry(path))
    }
}

impl Tee for Tsm {
    fn origin(&self) -> &'static str {
        match self.provider {
            Provider::Tdx => "tdx",
            Provider::Snp => "snp",
        }
    }

    fn seal(&self, _: &[u8], _: SealTo) -> Result<Vec<u8>, TeeError> {
        Err(TeeError::NoSealingKey)
    }

    fn unseal(&self, _: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        Err(TeeError::NoSealingKey)
    }

    fn evidence(&self, report_data: &[u8; 64]) -> Result<Option<Vec<u8>>, TeeError> {
        let entry = self.entry().map_err(|why| TeeError::unreachable(&self.reports, why))?;
        let evidence = entry.ask(report_data)?;
        Ok(Some(match self.provider {
            Provider::Tdx => evidence,
            Provider::Snp => with_certificate(&evidence, &entry.read("auxblob").unwrap_or_default()),
        }))
    }
}

/// The folder of one question, removed when it is answered.
struct Entry(PathBuf);

impl Entry {
    fn provider(&self) -> Result<Provider, TeeError> {
        match self.read("provider")?.trim_ascii() {
            b"tdx_guest" => Ok(Provider::Tdx),
            b"sev_guest" => Ok(Provider::Snp),
            other => {
                let name = String::from_utf8_lossy(other);
                Err(TeeError::Refused(format!("{name:?} is no kind of TEE that this version knows")))
            }
        }
    }

    fn ask(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, TeeError> {
        let path = self.0.join("inblob");
        let opened = OpenOptions::new().write(true).open(&path);
        opened
            .and_then(|mut file| file.write_all(report_data))
            .map_err(|why| TeeError::unreachable(&path, why))?;
        let evidence = self.read("outblob")?;
        if evidence.is_empty() {
            let why = "the kernel gave no evidence".to_owned();
            return Err(TeeError::Unreachable { place: self.0.display().to_string(), why });
        }
        Ok(evidence)
    }

    fn read(&self, file: &str) -> Result<Vec<u8>, TeeError> {
        pseudo_file::read(&self.0.join(file))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // The files belong to the kernel and go with the folder.
        let _ = fs::remove_dir(&self.0);
    }
}
