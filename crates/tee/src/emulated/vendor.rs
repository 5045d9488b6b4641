//! Both vendors: everything that has to be kept for several processes and several days to see the same hardware.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::intel::{Pck, Window};
use super::keys::Seed;
use super::platform::Platform;
use super::settings::{PlatformSettings, Product, Published, Settings};
use super::{EmulatorError, amd, intel, later, x509};

/// The makers of emulated hardware: an Intel-shaped and an AMD-shaped PKI with all private keys.
///
/// Nothing trusts them unless a manifest or an era-config names their roots.
pub struct Vendor {
    pub(super) intel: intel::Authority,
    pub(super) amd: amd::Authority,
    seed: Seed,
    created: u64,
    /// PCK chains by serial number: a platform shows the same certificate each time.
    chains: Mutex<BTreeMap<Vec<u8>, String>>,
}

impl std::fmt::Debug for Vendor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vendor").field("created", &self.created).finish_non_exhaustive()
    }
}

/// What is kept: a secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(with = "super::wire::secret")]
    seed: Zeroizing<Vec<u8>>,
    /// Seconds since 1970.
    created: u64,
    intel: intel::Certificates,
    amd: amd::Stored,
}

impl Vendor {
    /// New vendors. Takes some seconds: AMD's keys have 4096 bits.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn generate(now: SystemTime) -> Result<Self, EmulatorError> {
        let seed = Seed::generate()?;
        let (created, seconds) = at(seconds(now)?)?;
        Ok(Self {
            intel: intel::Authority::generate(&seed, created)?,
            amd: amd::Authority::generate(created)?,
            seed,
            created: seconds,
            chains: Mutex::default(),
        })
    }

    /// The vendors that [`Vendor::to_json`] wrote.
    ///
    /// # Errors
    /// If the text is something else.
    pub fn from_json(text: &[u8]) -> Result<Self, EmulatorError> {
        let stored: Stored = serde_json::from_slice(text)?;
        let (seed, (created, seconds)) = (Seed::from_bytes(&stored.seed)?, at(stored.created)?);
        Ok(Self {
            intel: intel::Authority::restore(&seed, stored.intel, created)?,
            amd: amd::Authority::restore(stored.amd, created)?,
            seed,
            created: seconds,
            chains: Mutex::default(),
        })
    }

    /// Everything that is to be kept, with all private keys: a secret.
    ///
    /// # Errors
    /// If a key does not encode.
    pub fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, EmulatorError> {
        let stored = Stored {
            seed: Zeroizing::new(self.seed.0.to_vec()),
            created: self.created,
            intel: self.intel.certificates().clone(),
            amd: self.amd.stored()?,
        };
        Ok(Zeroizing::new(serde_json::to_vec_pretty(&stored)?))
    }

    /// DER of the Intel-shaped root: what a manifest names to trust these vendors.
    #[must_use]
    pub fn intel_root(&self) -> &[u8] {
        self.intel.root()
    }

    /// DER of the AMD-shaped root (ARK) of a product line.
    ///
    /// # Errors
    /// If there is no such product line.
    pub fn amd_root(&self, product: Product) -> Result<&[u8], EmulatorError> {
        self.amd.root(product)
    }

    /// A platform that these vendors made, as it is now.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn platform<'a>(&'a self, name: &str, settings: &'a Settings) -> Result<Platform<'a>, EmulatorError> {
        Ok(Platform::new(self, settings.platform(name)?, self.seed_of(name)?))
    }

    /// What the platform of this name has in its fuses.
    pub(super) fn seed_of(&self, name: &str) -> Result<Seed, EmulatorError> {
        self.seed.child("platform", name.as_bytes())
    }

    /// PEM of a PCK certificate and the chain behind it, made at the first call.
    pub(super) fn pck_chain(
        &self,
        pck: &Pck,
        seed: &Seed,
        settings: &PlatformSettings,
    ) -> Result<String, EmulatorError> {
        // Two kinds of platform with one TCB share a key: what the certificate says belongs to its name.
        let name = [pck.serial(), serde_json::to_vec(settings)?].concat();
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chain) = chains.get(&name) {
            return Ok(chain.clone());
        }
        let leaf = x509::pem("CERTIFICATE", &pck.certify(&self.intel, seed, settings)?)?;
        let chain = leaf + &self.intel.pck_chain(settings.pck_ca)?;
        chains.insert(name, chain.clone());
        Ok(chain)
    }

    /// When what is published at `now` holds. It starts a little earlier, for clocks that are a little behind.
    pub(super) fn window(published: &Published, now: SystemTime) -> Result<Window, EmulatorError> {
        const EARLIER: u64 = 60;
        let (from, _) = at(seconds(now)?.saturating_sub(EARLIER))?;
        Ok(Window { from, until: later(now, published.valid_days)? })
    }
}

/// Certificates know no fractions of seconds.
fn seconds(now: SystemTime) -> Result<u64, EmulatorError> {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    since.map(|time| time.as_secs()).map_err(|_| EmulatorError::Time)
}

fn at(seconds: u64) -> Result<(SystemTime, u64), EmulatorError> {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    Ok((time.ok_or(EmulatorError::Time)?, seconds))
}
