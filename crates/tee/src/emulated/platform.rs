//! A platform: what a machine with this TEE would sign, seal and be.

use aws_lc_rs::digest::{self, SHA384};
use zeroize::Zeroizing;

use super::amd::{self, Vcek};
use super::intel::{self, Pck, Signing};
use super::keys::Seed;
use super::program::Program;
use super::settings::PlatformSettings;
use super::vendor::Vendor;
use super::wire::KeyId;
use super::{EmulatorError, Enclave, Guest, Kind, REPORT_DATA_BYTES, TrustDomain};
use crate::SealTo;

/// One machine, with its secrets and in its present state.
pub struct Platform<'a> {
    vendor: &'a Vendor,
    settings: &'a PlatformSettings,
    seed: Seed,
}

impl<'a> Platform<'a> {
    pub(super) fn new(vendor: &'a Vendor, settings: &'a PlatformSettings, seed: Seed) -> Self {
        Self { vendor, settings, seed }
    }

    /// What its programs run in.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.settings.tee
    }

    /// CPUSVN of its quotes, which are its TCB components.
    #[must_use]
    pub fn cpu_svn(&self) -> [u8; 16] {
        intel::cpu_svn(self.settings)
    }

    /// PPID of its PCK certificates: which processor it is.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn ppid(&self) -> Result<[u8; 16], EmulatorError> {
        intel::ppid(&self.seed)
    }

    /// CHIP_ID of its SEV-SNP reports.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn chip_id(&self) -> Result<[u8; 64], EmulatorError> {
        amd::chip_id(&self.seed, self.settings.product)
    }

    /// Evidence over a program and 64 bytes of its choice, of the platform's own kind.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn evidence(
        &self,
        program: &Program,
        report_data: &[u8; REPORT_DATA_BYTES],
    ) -> Result<Vec<u8>, EmulatorError> {
        match self.kind() {
            Kind::Sgx => self.sgx_quote(&program.enclave(), report_data),
            Kind::Tdx => self.tdx_quote(&program.trust_domain(), report_data),
            Kind::Snp => self.snp_report(&program.guest(), report_data),
        }
    }

    /// An SGX quote, version 3.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn sgx_quote(
        &self,
        enclave: &Enclave,
        report_data: &[u8; REPORT_DATA_BYTES],
    ) -> Result<Vec<u8>, EmulatorError> {
        self.signing(|signing| intel::sgx_quote(signing, enclave, report_data))
    }

    /// A TDX quote, of the version that the platform is set to.
    ///
    /// # Errors
    /// If the cryptographic library fails or there is no such version.
    pub fn tdx_quote(
        &self,
        domain: &TrustDomain,
        report_data: &[u8; REPORT_DATA_BYTES],
    ) -> Result<Vec<u8>, EmulatorError> {
        self.signing(|signing| intel::tdx_quote(signing, domain, report_data))
    }

    /// An SEV-SNP report, of the version that the platform is set to.
    ///
    /// # Errors
    /// If the cryptographic library fails or there is no such version.
    pub fn snp_report(
        &self,
        guest: &Guest,
        report_data: &[u8; REPORT_DATA_BYTES],
    ) -> Result<Vec<u8>, EmulatorError> {
        let vcek = Vcek::derive(&self.seed, self.settings.product, self.settings.snp_tcb)?;
        amd::report(&vcek, self.settings, &self.chip_id()?, guest, report_data)
    }

    fn signing<T>(
        &self,
        quote: impl FnOnce(&Signing<'_>) -> Result<T, EmulatorError>,
    ) -> Result<T, EmulatorError> {
        let pck = Pck::derive(&self.seed, self.settings)?;
        let chain = self.vendor.pck_chain(&pck, &self.seed, self.settings)?;
        quote(&Signing { seed: &self.seed, settings: self.settings, pck: &pck, chain: &chain })
    }

    /// The name of the key that a program would seal with now.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn new_key_id(&self, program: &Program) -> Result<KeyId, EmulatorError> {
        let mut salt = [0; 32];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| EmulatorError::Crypto("no randomness"))?;
        Ok(KeyId { svn: program.svn(), tcb: self.tcb(), salt })
    }

    /// The sealing key of this name, as EGETKEY derives it (Intel SDM volume 3D, "EGETKEY"): a program gets keys of
    /// its own and of older security versions, on firmware as new as or newer than when the key was made.
    ///
    /// # Errors
    /// If the key belongs to a newer version of the program or of the firmware.
    pub fn sealing_key(
        &self,
        program: &Program,
        to: SealTo,
        id: &KeyId,
    ) -> Result<Zeroizing<[u8; 32]>, EmulatorError> {
        if id.svn > program.svn() {
            return Err(EmulatorError::Newer { what: "security version of the program" });
        }
        if self.tcb().iter().zip(&id.tcb).any(|(have, wanted)| have < wanted) {
            return Err(EmulatorError::Newer { what: "firmware of the platform" });
        }
        let (purpose, identity) = match to {
            SealTo::Product => ("seal to product", program.product_bytes()),
            SealTo::Unique => ("seal to build", program.measurement().to_vec()),
        };
        let debug = [u8::from(program.is_debug())];
        let context = [&identity[..], &debug, &id.svn.to_le_bytes(), &id.tcb, &id.salt].concat();
        Ok(self.seed.child(purpose, &context)?.0)
    }

    /// The security versions of the firmware, larger is newer.
    fn tcb(&self) -> [u8; 16] {
        match self.kind() {
            Kind::Sgx | Kind::Tdx => intel::cpu_svn(self.settings),
            Kind::Snp => {
                let mut all = [0; 16];
                all[..8].copy_from_slice(&amd::tcb_bytes(self.settings.snp_tcb, self.settings.product));
                all
            }
        }
    }
}

/// The measurement of what runs in a virtual machine, from that of an enclave.
pub(super) fn measure_machine(mrenclave: &[u8; 32]) -> [u8; 48] {
    let mut measured = [0; 48];
    measured.copy_from_slice(digest::digest(&SHA384, mrenclave).as_ref());
    measured
}
