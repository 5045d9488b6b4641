//! The emulator's folder: the vendors (`vendor.json`, a secret), the settings (`emulator.json`, for editors as well),
//! and one socket for each platform (`NAME.sock`).

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{EmulatorError, Settings, Vendor};
use crate::pseudo_file;

const VENDOR: &str = "vendor.json";
const SETTINGS: &str = "emulator.json";
/// Longer files are not read, in bytes: a platform has less than one KiB in the settings.
const LONGEST: u64 = 64 << 20;

/// The folder of an emulator.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, whether there is something or not.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The vendors that are there, or new ones if the folder is empty or not there yet.
    ///
    /// # Errors
    /// If what is there cannot be used; it is never replaced.
    pub fn vendor_or_new(&self, now: SystemTime) -> Result<Vendor, EmulatorError> {
        match pseudo_file::within(&self.0.join(VENDOR), LONGEST) {
            Err(why) if why.kind() == ErrorKind::NotFound => self.create(now),
            _ => self.vendor(),
        }
    }

    /// The vendors that are there.
    ///
    /// # Errors
    /// If there are none or they cannot be read.
    pub fn vendor(&self) -> Result<Vendor, EmulatorError> {
        let path = self.0.join(VENDOR);
        let text = zeroize::Zeroizing::new(
            pseudo_file::within(&path, LONGEST).map_err(|why| EmulatorError::file(&path, &why))?,
        );
        Vendor::from_json(&text)
            .map_err(|why| EmulatorError::File { path, why: format!("these are no vendors: {why}") })
    }

    fn create(&self, now: SystemTime) -> Result<Vendor, EmulatorError> {
        let failed = |why| EmulatorError::file(&self.0, &why);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        let vendor = Vendor::generate(now)?;
        if !self.0.join(SETTINGS).exists() {
            self.set(&Settings::default())?;
        }
        self.replace(VENDOR, &vendor.to_json()?)?;
        Ok(vendor)
    }

    /// The settings as they are now.
    ///
    /// # Errors
    /// If they cannot be read or mean nothing.
    pub fn settings(&self) -> Result<Settings, EmulatorError> {
        let path = self.0.join(SETTINGS);
        let text = pseudo_file::within(&path, LONGEST).map_err(|why| EmulatorError::file(&path, &why))?;
        serde_json::from_slice(&text).map_err(|why| EmulatorError::File { path, why: why.to_string() })
    }

    /// Changes the settings. A running emulator follows at its next answer.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn set(&self, settings: &Settings) -> Result<(), EmulatorError> {
        self.replace(SETTINGS, &serde_json::to_vec_pretty(settings)?)
    }

    /// Where programs on a platform find it.
    #[must_use]
    pub fn socket(&self, platform: &str) -> PathBuf {
        self.0.join(format!("{platform}.sock"))
    }

    /// Writes a file whole, readable by its owner only, and puts it in its place.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), EmulatorError> {
        let (path, new) = (self.0.join(name), self.0.join(format!(".{name}.{}", std::process::id())));
        let failed = |why| EmulatorError::file(&path, &why);
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(failed)?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&new, &path).map_err(failed)
    }
}
