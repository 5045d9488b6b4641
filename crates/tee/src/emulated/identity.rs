//! What evidence says about the software: an enclave, a trust domain, a guest. All fields can be set.

use serde::{Deserialize, Serialize};

/// Attribute bits of an enclave (SGX): INIT and MODE64BIT.
const PRODUCTION: u8 = 0x05;
/// DEBUG.
const SGX_DEBUG: u8 = 0x02;

/// TD attributes: SEPT_VE_DISABLE, without which a Linux guest can be attacked.
const SEPT_VE_DISABLE: u64 = 1 << 28;
/// DEBUG.
const TDX_DEBUG: u64 = 1;

/// Guest policy of SEV-SNP: ABI 1.51, SMT allowed, and the bit that is always one.
const SNP_POLICY: u64 = 1 << 17 | 1 << 16 | 1 << 8 | 51;
/// DEBUG.
const SNP_DEBUG: u64 = 1 << 19;

/// The kinds of TEE that can be emulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Intel SGX: enclaves.
    Sgx,
    /// Intel TDX: trust domains.
    Tdx,
    /// AMD SEV-SNP: guests.
    Snp,
}

/// An SGX enclave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enclave {
    /// The measurement.
    pub mrenclave: [u8; 32],
    /// SHA-256 of the modulus of the key that signed it.
    pub mrsigner: [u8; 32],
    /// Which of the signer's products it is.
    pub isv_prod_id: u16,
    /// The security version of that product.
    pub isv_svn: u16,
    /// ATTRIBUTES, with DEBUG as bit 1.
    pub attributes: [u8; 16],
    /// MISCSELECT.
    pub misc_select: u32,
}

impl Enclave {
    /// A production enclave of product 0, security version 0.
    #[must_use]
    pub fn new(mrenclave: [u8; 32], mrsigner: [u8; 32]) -> Self {
        let attributes = [PRODUCTION, 0, 0, 0, 0, 0, 0, 0, 0xe7, 0, 0, 0, 0, 0, 0, 0];
        Self { mrenclave, mrsigner, isv_prod_id: 0, isv_svn: 0, attributes, misc_select: 0 }
    }

    /// The same as a debug enclave, which protects nothing from its host.
    #[must_use]
    pub fn with_debug(mut self, debug: bool) -> Self {
        self.attributes[0] = self.attributes[0] & !SGX_DEBUG | if debug { SGX_DEBUG } else { 0 };
        self
    }
}

/// A TDX trust domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustDomain {
    /// MRTD: the measurement of what it started with.
    pub mr_td: [u8; 48],
    /// RTMR0 to RTMR3: what it measured while it ran.
    pub rtmr: [[u8; 48]; 4],
    /// MRCONFIGID.
    pub mr_config_id: [u8; 48],
    /// MROWNER.
    pub mr_owner: [u8; 48],
    /// MROWNERCONFIG.
    pub mr_owner_config: [u8; 48],
    /// TD attributes, with DEBUG as bit 0.
    pub attributes: u64,
    /// XFAM.
    pub xfam: u64,
    /// MRSEAM: the measurement of the TDX module.
    pub mr_seam: [u8; 48],
    /// MRSERVICETD: the service domains bound to it; only in quotes of version 5.
    pub mr_service_td: [u8; 48],
}

impl TrustDomain {
    /// A production domain that extended nothing.
    #[must_use]
    pub fn new(mr_td: [u8; 48]) -> Self {
        Self {
            mr_td,
            rtmr: [[0; 48]; 4],
            mr_config_id: [0; 48],
            mr_owner: [0; 48],
            mr_owner_config: [0; 48],
            attributes: SEPT_VE_DISABLE,
            xfam: 0x61ae7,
            mr_seam: *b"the TDX module of MarbleRun's emulator, ver. 1.5",
            mr_service_td: [0; 48],
        }
    }

    /// The same in debug mode, which protects nothing from its host.
    #[must_use]
    pub fn with_debug(mut self, debug: bool) -> Self {
        self.attributes = self.attributes & !TDX_DEBUG | u64::from(debug);
        self
    }
}

/// An SEV-SNP guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// MEASUREMENT: what it started with.
    pub measurement: [u8; 48],
    /// HOST_DATA.
    pub host_data: [u8; 32],
    /// FAMILY_ID of its identity block.
    pub family_id: [u8; 16],
    /// IMAGE_ID of its identity block.
    pub image_id: [u8; 16],
    /// GUEST_SVN of its identity block.
    pub guest_svn: u32,
    /// POLICY, with DEBUG as bit 19.
    pub policy: u64,
    /// The privilege level that asked for the report.
    pub vmpl: u32,
    /// SHA-384 of the key that signed the identity block.
    pub id_key_digest: [u8; 48],
    /// SHA-384 of the key that signed that key.
    pub author_key_digest: [u8; 48],
    /// REPORT_ID.
    pub report_id: [u8; 32],
}

impl Guest {
    /// A production guest without an identity block.
    #[must_use]
    pub fn new(measurement: [u8; 48]) -> Self {
        Self {
            measurement,
            host_data: [0; 32],
            family_id: [0; 16],
            image_id: [0; 16],
            guest_svn: 0,
            policy: SNP_POLICY,
            vmpl: 0,
            id_key_digest: [0; 48],
            author_key_digest: [0; 48],
            report_id: [0; 32],
        }
    }

    /// The same with debugging allowed, which protects nothing from its host.
    #[must_use]
    pub fn with_debug(mut self, debug: bool) -> Self {
        self.policy = self.policy & !SNP_DEBUG | if debug { SNP_DEBUG } else { 0 };
        self
    }
}
