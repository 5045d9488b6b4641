//! What Intel certifies about a platform in its PCK certificate (Intel SGX PCK Certificate and CRL Profile, 1.5).

use serde::{Deserialize, Serialize};

use super::provider::AwsLc;
use crate::bytes::Hex;
use crate::error::{Failure, Malformed, PCK_CHAIN};
use crate::x509::Certificate;

/// The identity and the security versions of a platform, from the extensions of its PCK certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PckExtensions {
    /// Which kind of platform; collateral is published per FMSPC.
    pub fmspc: Hex<6>,
    /// Which authority issued the certificate; its revocation list is wanted.
    pub pck_ca: PckAuthority,
    /// The platform itself (Platform Provisioning ID).
    pub ppid: Hex<16>,
    /// Security version of the processor.
    pub cpusvn: Hex<16>,
    /// Security version of the provisioning certification enclave.
    pub pcesvn: u16,
    /// Which provisioning certification enclave; collateral is for one of them.
    #[serde(skip)]
    pub pceid: Hex<2>,
}

/// Intel's two authorities for PCK certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PckAuthority {
    /// Client and older server processors.
    Processor,
    /// Multi-package server platforms.
    Platform,
}

impl PckExtensions {
    pub(crate) fn of(certificate: &Certificate) -> Result<Self, Failure> {
        let chain = |why: String| Failure::Chain { chain: PCK_CHAIN, why };
        let extensions = dcap_qvl::intel::parse_pck_extension_with::<AwsLc>(certificate.der())
            .map_err(|error| chain(format!("the SGX extensions cannot be read: {error:#}")))?;
        let ppid = <[u8; 16]>::try_from(extensions.ppid)
            .map_err(|ppid| chain(format!("the PPID has {} bytes, wanted 16", ppid.len())))?;
        let pceid = <[u8; 2]>::try_from(extensions.pce_id)
            .map_err(|pceid| chain(format!("the PCEID has {} bytes, wanted 2", pceid.len())))?;
        Ok(Self {
            fmspc: Hex(extensions.fmspc),
            pck_ca: PckAuthority::of_issuer(&certificate.issuer())?,
            ppid: Hex(ppid),
            cpusvn: Hex(extensions.cpu_svn),
            pcesvn: extensions.pce_svn,
            pceid: Hex(pceid),
        })
    }
}

impl PckAuthority {
    pub(super) fn of_issuer(issuer: &str) -> Result<Self, Malformed> {
        match () {
            () if issuer.contains("PCK Processor CA") => Ok(Self::Processor),
            () if issuer.contains("PCK Platform CA") => Ok(Self::Platform),
            () => Err(Malformed::field(PCK_CHAIN, "issuer", issuer, "a PCK Processor CA or PCK Platform CA")),
        }
    }

    /// The name in addresses of Intel's service (`ca=platform`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Platform => "platform",
        }
    }
}
