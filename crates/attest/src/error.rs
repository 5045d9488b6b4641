//! Why evidence does not count: it is no evidence, it is not genuine, or it is not what the policy wants.
//!
//! Every message names what was seen, which rule it broke and where. None holds a secret: evidence has none.

use crate::policy::Refusal;

/// Bytes that are no evidence of a kind that this room reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Nothing at all was sent.
    #[error("no evidence was sent; the peer runs without a TEE, or its evidence issuer failed")]
    Empty,
    /// The first bytes belong to no known format.
    #[error(
        "the evidence has no known format: neither an SGX or TDX quote (version 3, 4 or 5), an SNP report, Azure vTPM evidence nor an NVIDIA report"
    )]
    UnknownFormat,
    /// A structure ends before its fields do.
    #[error("{of} is cut off: {wanted} more bytes are needed, {left} are left")]
    TooShort {
        /// The structure.
        of: &'static str,
        /// Bytes that the next field needs.
        wanted: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A structure is followed by bytes that belong to nothing.
    #[error("{of} is followed by {left} bytes that belong to nothing")]
    Trailing {
        /// The structure.
        of: &'static str,
        /// How many bytes.
        left: usize,
    },
    /// A field has a value that its specification does not know, or that we do not support.
    #[error("{of}: {field} is {seen}, wanted {wanted}")]
    Field {
        /// The structure.
        of: &'static str,
        /// The field.
        field: &'static str,
        /// What stands there.
        seen: String,
        /// What may stand there.
        wanted: &'static str,
    },
    /// A part in another encoding (JSON, PEM, DER) cannot be read.
    #[error("{of} cannot be read: {why}")]
    Encoding {
        /// The part.
        of: &'static str,
        /// What its parser says.
        why: String,
    },
}

impl Malformed {
    pub(crate) fn field(
        of: &'static str,
        field: &'static str,
        seen: impl ToString,
        wanted: &'static str,
    ) -> Self {
        Self::Field { of, field, seen: seen.to_string(), wanted }
    }

    pub(crate) fn encoding(of: &'static str, why: impl ToString) -> Self {
        Self::Encoding { of, why: why.to_string() }
    }
}

/// Evidence that is not genuine, or whose genuineness cannot be established: the first of the two steps failed.
///
/// [`Failure::code`] is the stable short name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It cannot even be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It proves somebody else's key, purpose or nonce (T20).
    #[error(
        "the evidence is bound to {seen}, not to {wanted}: it was made for another key, purpose or nonce"
    )]
    Binding {
        /// What the evidence carries, in hexadecimal.
        seen: String,
        /// What it must carry, in hexadecimal.
        wanted: String,
    },
    /// What the vendor publishes about this platform was not given.
    #[error("{0} is needed to verify this evidence and was not given; fetch it or import a bundle")]
    MissingCollateral(&'static str),
    /// An SGX or TDX quote that does not carry its PCK certificate chain.
    #[error(
        "the quote has certification data of type {0}, only type 5 (a PCK certificate chain) is supported; configure the platform's quote provider to embed the chain"
    )]
    UnsupportedCertificationData(u16),
    /// The chain ends at a root that was not named as trusted.
    #[error(
        "the {chain} ends at `{subject}`, which is no trusted root of this vendor; a software TEE's root counts only where it is named"
    )]
    UntrustedRoot {
        /// Which chain.
        chain: &'static str,
        /// The subject of the topmost certificate.
        subject: String,
    },
    /// A certificate chain does not hold.
    #[error("the {chain} does not hold: {why}")]
    Chain {
        /// Which chain.
        chain: &'static str,
        /// Which link, and what is wrong.
        why: String,
    },
    /// A revocation list is outside its validity or not its issuer's.
    #[error("the {list} {why}")]
    RevocationList {
        /// Which list.
        list: &'static str,
        /// What is wrong.
        why: RevocationListFault,
    },
    /// A certificate of the chain was revoked.
    #[error("`{subject}` (serial {serial}) of the {chain} was revoked by its issuer")]
    Revoked {
        /// Which chain.
        chain: &'static str,
        /// The certificate's subject.
        subject: String,
        /// The certificate's serial number in hexadecimal.
        serial: String,
    },
    /// Collateral that is not the vendor's, not for this platform, or not valid at this time.
    #[error("the {part} of the collateral does not count: {why}")]
    Collateral {
        /// Which part.
        part: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Collateral in a version that we do not read.
    #[error(
        "the collateral's {part} has version {version}, which is not supported; fetch it from PCS API v4"
    )]
    UnsupportedCollateral {
        /// Which part.
        part: &'static str,
        /// Its version.
        version: u64,
    },
    /// Collateral for another kind of platform.
    #[error(
        "the TCB Info is for FMSPC {collateral}, the platform's is {platform}; fetch that of the platform"
    )]
    FmspcMismatch {
        /// The platform's, from its PCK certificate.
        platform: String,
        /// The collateral's.
        collateral: String,
    },
    /// The signature over an SGX or TDX quote.
    #[error("the signature of the quote does not verify with its attestation key")]
    QuoteSignature,
    /// The quoting enclave is not Intel's, or did not vouch for the attestation key.
    #[error("the quoting enclave does not vouch for this quote: {0}")]
    QuotingEnclave(String),
    /// The TDX module is not one that Intel signed.
    #[error("the TDX module is not genuine: {0}")]
    TdxModule(String),
    /// The signature over an SNP or NVIDIA report.
    #[error("the signature of the {0} does not verify with the key of its certificate")]
    ReportSignature(&'static str),
    /// No TCB level of the collateral covers the platform.
    #[error("the platform's TCB is below every level that the vendor knows: {0}")]
    TcbNotSupported(String),
    /// Intel revoked the platform's TCB: its keys must be taken as known to others. No policy can accept that.
    #[error("the platform's TCB is Revoked: its attestation keys must be taken as known to others")]
    TcbRevoked,
    /// A field of the report contradicts the certificate that signed it.
    #[error("the report's {field} is {seen}, its signing certificate says {certified}")]
    CertifiedField {
        /// The field.
        field: &'static str,
        /// In the report.
        seen: String,
        /// In the certificate.
        certified: String,
    },
    /// The hardware report below a virtual TPM is not the paravisor's.
    #[error(
        "the hardware report was made at VMPL {vmpl}, by a guest; only the paravisor, at VMPL 0, vouches for its virtual TPM"
    )]
    Paravisor {
        /// In the report.
        vmpl: u32,
    },
    /// The vTPM's key is not the one that the hardware report vouches for.
    #[error("the runtime data has SHA-256 {seen}, the hardware report vouches for {wanted}")]
    RuntimeData {
        /// Of the data.
        seen: String,
        /// In the report.
        wanted: String,
    },
    /// The signature over a TPM quote.
    #[error("the signature of the TPM quote does not verify with the vTPM's attestation key")]
    TpmQuoteSignature,
    /// The PCR values are not those that the TPM quoted.
    #[error("the PCR values have digest {seen}, the TPM quoted {wanted}")]
    PcrDigest {
        /// Of the values.
        seen: String,
        /// In the quote.
        wanted: String,
    },
    /// Two independent ways to find the TCB status disagree.
    #[error("the TCB status is {ours} by our own matching and {theirs} by dcap-qvl; neither counts")]
    Disagreement {
        /// Of this room.
        ours: String,
        /// Of dcap-qvl.
        theirs: String,
    },
    /// dcap-qvl refused for a reason that has no name of its own here.
    #[error("the quote does not verify: {0}")]
    Other(String),
}

/// What is wrong with a revocation list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationListFault {
    /// After nextUpdate.
    #[error("expired: its nextUpdate has passed; fetch a new one")]
    Expired,
    /// Before thisUpdate.
    #[error("is not valid yet: its thisUpdate is in the future; check the clock")]
    NotYetValid,
    /// It has no nextUpdate, so it would count for ever.
    #[error("has no nextUpdate")]
    Endless,
    /// It has a critical extension, so that it may not speak of all certificates.
    #[error("has the critical extension {0}, which is not understood: it may not speak of all certificates")]
    Partial(String),
    /// Its signature, or its issuer's name.
    #[error("was not signed by the issuer of the certificates that it is for")]
    Issuer,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

impl Failure {
    /// The stable short name of this failure, as in the recorded vectors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Binding { .. } => "binding_mismatch",
            Self::MissingCollateral(_) => "collateral_missing",
            Self::UnsupportedCertificationData(_) => "unsupported_certification_data",
            Self::UntrustedRoot { .. } => "untrusted_root",
            Self::Chain { chain, .. } => chain_code(chain),
            Self::RevocationList { list, why } => list_code(list, why),
            Self::Revoked { .. } => "certificate_revoked",
            Self::Collateral { .. } => "collateral_invalid",
            Self::UnsupportedCollateral { .. } => "collateral_unsupported",
            Self::FmspcMismatch { .. } => "fmspc_mismatch",
            Self::QuoteSignature => "quote_signature_invalid",
            Self::QuotingEnclave(_) => "quoting_enclave_invalid",
            Self::TdxModule(_) => "tdx_module_invalid",
            Self::ReportSignature(_) => "report_signature_invalid",
            Self::TcbNotSupported(_) => "tcb_not_supported",
            Self::TcbRevoked => "tcb_revoked",
            Self::CertifiedField { .. } => "certified_field_mismatch",
            Self::Paravisor { .. } => "paravisor_invalid",
            Self::RuntimeData { .. } => "runtime_data_mismatch",
            Self::TpmQuoteSignature => "tpm_quote_signature_invalid",
            Self::PcrDigest { .. } => "pcr_digest_mismatch",
            Self::Disagreement { .. } => "tcb_disagreement",
            Self::Other(_) => "verification_failed",
        }
    }
}

pub(crate) const PCK_CHAIN: &str = "PCK certificate chain";
pub(crate) const VEK_CHAIN: &str = "VCEK or VLEK certificate chain";
pub(crate) const DEVICE_CHAIN: &str = "device certificate chain";
pub(crate) const PCK_CRL: &str = "PCK revocation list";
pub(crate) const ROOT_CRL: &str = "root CA revocation list";
pub(crate) const AMD_CRL: &str = "AMD revocation list";

fn chain_code(chain: &str) -> &'static str {
    match chain {
        PCK_CHAIN => "pck_chain_invalid",
        VEK_CHAIN => "vcek_chain_invalid",
        DEVICE_CHAIN => "device_chain_invalid",
        _ => "collateral_chain_invalid",
    }
}

fn list_code(list: &str, why: &RevocationListFault) -> &'static str {
    match (list, why) {
        (PCK_CRL, RevocationListFault::Expired) => "pck_crl_expired",
        (ROOT_CRL, RevocationListFault::Expired) => "root_ca_crl_expired",
        (AMD_CRL, RevocationListFault::Expired) => "amd_crl_expired",
        (_, RevocationListFault::NotYetValid) => "crl_not_yet_valid",
        _ => "crl_invalid",
    }
}

/// Why evidence does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// It is not genuine.
    #[error(transparent)]
    NotGenuine(#[from] Failure),
    /// It is genuine and not what the policy wants.
    #[error(transparent)]
    Refused(#[from] Refusal),
}
