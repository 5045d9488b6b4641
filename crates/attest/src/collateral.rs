//! What vendors publish about a platform, and which of it a piece of evidence needs. Fetching is somebody else's
//! business: this room never opens a socket.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::azure::Hardware;
use crate::bytes::Hex;
use crate::dcap::{self, Body, IntelCollateral, PckAuthority, PckExtensions, Quote};
use crate::error::{Failure, PCK_CHAIN};
use crate::evidence::Evidence;
use crate::nvidia::NvidiaCollateral;
use crate::roots::Roots;
use crate::snp::{self, AmdCollateral, Product, Report, SigningKey, SnpTcb, VekIdentity};
use crate::x509::certificates_of_pem;

/// Collateral for one piece of evidence. In JSON, bytes are hexadecimal; this is also the form of a bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collateral {
    /// For SGX and TDX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intel: Option<IntelCollateral>,
    /// For SNP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amd: Option<AmdCollateral>,
    /// For NVIDIA devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvidia: Option<NvidiaCollateral>,
}

/// Which collateral a piece of evidence needs, by what it says of itself: enough to ask for it, not to believe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(tag = "vendor", rename_all = "lowercase")]
pub enum Needs {
    /// From Intel's PCS or a PCCS.
    Intel {
        /// Whether the TCB Info and QE identity of TDX are wanted, rather than those of SGX.
        tdx: bool,
        /// The kind of platform.
        fmspc: Hex<6>,
        /// Whose revocation list.
        ca: PckAuthority,
    },
    /// From AMD's KDS.
    Amd {
        /// The product line, if the report says (from version 3 on); else it must be known otherwise.
        product: Option<Product>,
        /// The chip, for a VCEK; zeros if the report hides it.
        chip_id: Hex<64>,
        /// The TCB that the key was derived for, by the layout of the product line (Milan's, if that is unknown).
        reported_tcb: SnpTcb,
        /// Which key signed: a VLEK is handed out by the cloud provider.
        signing_key: SigningKey,
        /// Whether the evidence carries the key's certificate, so that only its issuers are wanted.
        has_certificate: bool,
    },
    /// The device's certificates, which the device has.
    Nvidia {
        /// Whether the evidence carries them already.
        has_certificates: bool,
    },
}

/// Until when collateral counts, and when its parts were signed: what can be said of it before there is evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    /// The second since 1970 from which all of it is valid: the latest time that somebody signed.
    pub from: u64,
    /// The last second since 1970 at which all of it is valid.
    pub until: u64,
    /// When each part that is published anew was signed, in seconds since 1970, by the part's name. Older parts than
    /// those that were seen before must not be taken (T18).
    pub issued: BTreeMap<&'static str, u64>,
    /// The number of each part that has one (revocation lists, TCB evaluations), by the part's name. Lower ones than those
    /// that were seen before must not be taken either: two parts may be signed in the same second.
    pub numbers: BTreeMap<&'static str, PublicationNumber>,
    /// The roots that it leads to: X.509 in DER.
    pub roots: Vec<Vec<u8>>,
}

/// A number that grows with each publication: that of a revocation list, or of a TCB evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationNumber(Vec<u8>);

impl PublicationNumber {
    /// From the bytes of an unsigned integer, the most significant first.
    pub fn new(number: &[u8]) -> Self {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        Self(number.iter().skip(zeros).copied().collect())
    }
}

impl Ord for PublicationNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for PublicationNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for PublicationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = self.0.iter().try_fold(0_u64, |n, byte| n.checked_mul(256)?.checked_add((*byte).into()));
        match short {
            Some(number) => write!(f, "{number}"),
            None => write!(f, "0x{}", hex::encode(&self.0)),
        }
    }
}

impl Validity {
    /// Whether all of it leads to one of `roots`.
    pub fn rests_on(&self, roots: &Roots) -> bool {
        self.roots.iter().all(|root| roots.has(root))
    }
}

impl Collateral {
    /// Holds all that can be held against it before there is evidence: that it is what `needs` asks for, that every
    /// signature leads to one of `roots`, that nothing in it is revoked, and that it is valid at `now`.
    ///
    /// Evidence still has to be verified with it: this says only that it is worth keeping. Stricter than verification in
    /// one point: AMD's revocation list must be there.
    ///
    /// # Errors
    /// The first check that did not hold. Collateral of NVIDIA comes from the device and is never worth keeping.
    pub fn validity(&self, needs: &Needs, roots: &Roots, now: SystemTime) -> Result<Validity, Failure> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        match needs {
            Needs::Intel { .. } => {
                let intel = self.intel.as_ref().ok_or(Failure::MissingCollateral("Intel collateral"))?;
                dcap::validity(intel, needs, roots, now)
            }
            Needs::Amd { .. } => {
                let amd = self.amd.as_ref().ok_or(Failure::MissingCollateral("the AMD certificate chain"))?;
                snp::validity(amd, needs, roots, now)
            }
            Needs::Nvidia { .. } => Err(Failure::MissingCollateral("the device's own certificate chain")),
        }
    }
}

/// Tells which collateral `evidence` needs.
///
/// # Errors
/// If it cannot be read, or has no PCK certificate chain inside.
pub fn needs(evidence: &[u8]) -> Result<Needs, Failure> {
    match Evidence::parse(evidence)? {
        Evidence::Intel(quote) => intel(&quote),
        Evidence::Snp(snp) => Ok(amd(&snp.report, snp.vek.as_deref())),
        Evidence::Azure(azure) => match &azure.hardware {
            Hardware::Snp { report, vek } => Ok(amd(report, Some(vek))),
            Hardware::Tdx(quote) => intel(quote),
        },
        Evidence::Nvidia(nvidia) => Ok(Needs::Nvidia { has_certificates: nvidia.chain.is_some() }),
    }
}

fn intel(quote: &Quote) -> Result<Needs, Failure> {
    let platform = claimed_platform(quote)?;
    Ok(Needs::Intel { tdx: matches!(quote.body, Body::Tdx(_)), fmspc: platform.fmspc, ca: platform.pck_ca })
}

/// What the leaf of the quote's chain says, before anybody followed the chain.
pub(crate) fn claimed_platform(quote: &Quote) -> Result<PckExtensions, Failure> {
    let fault = |why: String| Failure::Chain { chain: PCK_CHAIN, why };
    let certificates =
        certificates_of_pem(PCK_CHAIN, quote.pck_chain()?).map_err(|error| fault(error.to_string()))?;
    let leaf = certificates.first().ok_or_else(|| fault("it is empty".to_owned()))?;
    PckExtensions::of(leaf)
}

/// A report of version 2 does not name its product line; the certificate that comes with it does.
fn amd(report: &Report, vek: Option<&[u8]>) -> Needs {
    let certified = || VekIdentity::unverified(vek?).ok()?.product().ok();
    let product = report.fields.product().or_else(certified);
    Needs::Amd {
        product,
        chip_id: report.fields.chip_id,
        reported_tcb: SnpTcb::of(report.fields.reported_tcb, product.unwrap_or(Product::Milan)),
        signing_key: report.fields.signing_key,
        has_certificate: vek.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn editions_are_compared_as_numbers() {
        let edition = |bytes: &[u8]| PublicationNumber::new(bytes);
        assert_eq!(edition(&[0, 0, 7]), edition(&[7]));
        assert!(edition(&[1, 0]) > edition(&[0, 255]) && edition(&[2]) > edition(&[1]));
        let texts = [&[][..], &[1, 0], &[1, 0, 0, 0, 0, 0, 0, 0, 0]].map(|bytes| edition(bytes).to_string());
        assert_eq!(texts, ["0", "256", "0x010000000000000000"]);
    }

    #[test]
    fn the_key_names_the_line_where_the_report_does_not() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors/snp/milan-v2-vcek");
        let read = |file| std::fs::read(folder.join(file)).unwrap();
        let report = Report::parse(&read("report.bin")).unwrap();
        let vek = read("vcek.der");
        let product_of = |needs| match needs {
            Needs::Amd { product, has_certificate, .. } => (product, has_certificate),
            other => panic!("{other:?}"),
        };
        assert_eq!(product_of(amd(&report, None)), (None, false));
        assert_eq!(product_of(amd(&report, Some(&vek))), (Some(Product::Milan), true));
        assert_eq!(product_of(amd(&report, Some(b"garbage"))), (None, true));
    }
}
