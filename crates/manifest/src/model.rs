//! What a checked manifest means. Values here are decoded, resolved and valid; fields are read-only outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::template::Template;

/// Largest manifest that is read, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 8 << 20;
/// Largest number of entries in any one section of a manifest.
pub const MAX_ENTRIES: usize = 10_000;

/// A manifest that passed every check. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Manifest(pub(crate) Arc<Contents>);

impl std::ops::Deref for Manifest {
    type Target = Contents;
    fn deref(&self) -> &Contents {
        &self.0
    }
}

/// The sections of a [`Manifest`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Contents {
    /// The bytes exactly as uploaded: what is hashed, signed and given back.
    pub raw: Vec<u8>,
    /// SHA-256 of [`Contents::raw`].
    pub fingerprint: [u8; 32],
    /// Software that may run, by name.
    pub packages: BTreeMap<String, Package>,
    /// Platforms on which marbles may run, by name; empty means any.
    pub infrastructures: BTreeMap<String, Infrastructure>,
    /// Types of marbles, by name.
    pub marbles: BTreeMap<String, Marble>,
    /// People and programs that may log in with a client certificate, by name.
    pub users: BTreeMap<String, User>,
    /// Secrets, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Owners of recovery keys, by name.
    pub recovery_keys: BTreeMap<String, RecoveryKey>,
    /// Roles that users hold, by name.
    pub roles: BTreeMap<String, Role>,
    /// Transparent TLS tags, by name.
    pub tls: BTreeMap<String, TlsTag>,
    /// Everything that concerns the Coordinator itself.
    pub config: Config,
}

/// Software that may run as a marble: an SGX identity, one as a TDX trust domain, one as an SNP guest, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Package {
    /// Whether the enclave runs in debug mode (its memory is readable by the host).
    pub debug: bool,
    /// MRENCLAVE, 32 bytes.
    pub unique_id: Option<[u8; 32]>,
    /// MRSIGNER, 32 bytes.
    pub signer_id: Option<[u8; 32]>,
    /// ISVPRODID.
    pub product_id: Option<u64>,
    /// Smallest ISVSVN admitted.
    pub security_version: Option<u64>,
    /// TCB statuses admitted, in the vendor's spelling (`UpToDate`, `SWHardeningNeeded`, ...).
    pub accepted_tcb_statuses: Vec<String>,
    /// Advisories (`INTEL-SA-...`) tolerated; `None` if the manifest does not say.
    pub accepted_advisories: Option<Vec<String>>,
    /// The software as a trust domain.
    pub tdx: Option<TdxPackage>,
    /// The software as an SNP guest.
    pub snp: Option<SnpPackage>,
    /// PCRs of the SHA-256 bank that a virtual TPM must have measured, by number.
    pub pcrs: BTreeMap<u8, [u8; 32]>,
    /// Whether evidence must have been made for the activation.
    pub require_fresh_evidence: bool,
    /// DNS names that certificates may carry; `None`: any.
    pub allowed_dns_names: Option<Vec<String>>,
}

/// A trust domain (Intel TDX); `None` is not compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TdxPackage {
    /// MRTD; always there in a package that is used, unless it is a debug package.
    pub mrtd: Option<[u8; 48]>,
    /// RTMR0 to RTMR3.
    pub rtmrs: [Option<[u8; 48]>; 4],
    /// MRCONFIGID.
    pub mrconfigid: Option<[u8; 48]>,
    /// MRSEAM.
    pub mrseam: Option<[u8; 48]>,
    /// TD attributes, as the report has them.
    pub td_attributes: Option<[u8; 8]>,
    /// Whether SEPT_VE_DISABLE may be unset.
    pub allow_sept_ve: bool,
    /// Whether a migration TD may move it.
    pub allow_migration: bool,
    /// Whether service TDs may be bound.
    pub allow_service_td: bool,
}

/// An SNP guest (AMD SEV-SNP); `None` is not compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SnpPackage {
    /// The launch measurement; always there in a package that is used, unless it is a debug package.
    pub measurement: Option<[u8; 48]>,
    /// HOST_DATA.
    pub host_data: Option<[u8; 32]>,
    /// FAMILY_ID.
    pub family_id: Option<[u8; 16]>,
    /// IMAGE_ID.
    pub image_id: Option<[u8; 16]>,
    /// Smallest GUEST_SVN.
    pub guest_svn: Option<u32>,
    /// Smallest security versions of the firmware.
    pub minimum_tcb: Option<SnpTcb>,
    /// The guest policy exactly.
    pub policy: Option<u64>,
    /// Largest VMPL.
    pub vmpl: Option<u32>,
    /// Product lines; empty: all but Milan.
    pub product_lines: Vec<ProductLine>,
    /// Whether a migration agent may move it.
    pub allow_migration: bool,
}

/// Security versions of an SNP platform's firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnpTcb {
    /// FMC; Turin alone has one.
    pub fmc: Option<u8>,
    /// Boot loader.
    pub bootloader: u8,
    /// Operating system of the secure processor.
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// Microcode.
    pub microcode: u8,
}

/// AMD's product lines with SEV-SNP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductLine {
    /// Third generation EPYC. Its attestation keys were extracted in public, so it must be named to count.
    Milan,
    /// Fourth generation.
    Genoa,
    /// Fifth generation.
    Turin,
}

/// A platform on which marbles may run. Every field that is given must match.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Infrastructure {
    /// DER of the vendor's root certificate; `Some` of something that is no certificate admits nobody.
    pub root_ca: Option<Vec<u8>>,
    /// CPUSVN, as given.
    pub cpusvn: Option<Vec<u8>>,
    /// QESVN.
    pub qesvn: Option<u16>,
    /// PCESVN.
    pub pcesvn: Option<u16>,
    /// FMSPCs of Intel platforms.
    pub fmspcs: Option<Vec<[u8; 6]>>,
    /// PPIDs of Intel platforms.
    pub ppids: Option<Vec<[u8; 16]>>,
    /// HWIDs of AMD chips, 64 or 8 bytes each.
    pub chip_ids: Option<Vec<Vec<u8>>>,
    /// Smallest TCB evaluation data number.
    pub minimum_tcb_evaluation: Option<u32>,
}

/// A type of marble: its software, its parameters and its connections.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Marble {
    /// Name of its [`Package`].
    pub package: String,
    /// How many activations are allowed over the life of the deployment; 0 means no limit.
    pub max_activations: u64,
    /// Files by path.
    pub files: BTreeMap<String, Parameter>,
    /// Environment variables by name.
    pub env: BTreeMap<String, Parameter>,
    /// Argument vector; empty means that the marble runs with `["./marble"]`.
    pub argv: Vec<Parameter>,
    /// Names of the [`TlsTag`]s that apply.
    pub tls: Vec<String>,
    /// Whether per-marble keys leave out the marble type.
    pub disable_secret_binding: bool,
    /// Which secrets an activation of this type needs: computed from all templates and TLS tags.
    pub uses: Uses,
}

/// The content of a file, a variable or an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// Bytes to hand over as they are.
    Literal(Vec<u8>),
    /// A compiled template, rendered at activation.
    Template(Template),
}

/// What templates and TLS tags of a marble reach for, known when the manifest is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uses {
    /// Names of current secrets that are named outright.
    pub secrets: std::collections::BTreeSet<String>,
    /// Names of secrets used through `.Previous`.
    pub previous: std::collections::BTreeSet<String>,
    /// A template may reach any secret (`index .Secrets $x`, `range .Secrets`): values are still made lazily.
    pub any: bool,
}

/// What kind of value a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretKind {
    /// Random bytes; the size is in bytes (the manifest states bits).
    Symmetric {
        /// Length of the key in bytes.
        bytes: u32,
    },
    /// RSA key and certificate; 2048, 3072 or 4096 bits.
    CertRsa {
        /// Modulus length in bits.
        bits: u32,
    },
    /// ECDSA key and certificate.
    CertEcdsa(Curve),
    /// Ed25519 key and certificate.
    CertEd25519,
    /// Bytes that a user uploads.
    Plain,
}

impl SecretKind {
    /// Whether a value of this kind has a certificate.
    pub fn is_certificate(self) -> bool {
        matches!(self, Self::CertRsa { .. } | Self::CertEcdsa(_) | Self::CertEd25519)
    }

    /// The manifest's `Type`: `symmetric-key`, `cert-rsa`, `cert-ecdsa`, `cert-ed25519` or `plain`.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Symmetric { .. } => "symmetric-key",
            Self::CertRsa { .. } => "cert-rsa",
            Self::CertEcdsa(_) => "cert-ecdsa",
            Self::CertEd25519 => "cert-ed25519",
            Self::Plain => "plain",
        }
    }

    /// The manifest's `Size` in bits; 0 where the type has none.
    pub fn size_bits(self) -> u32 {
        match self {
            Self::Symmetric { bytes } => bytes * 8,
            Self::CertRsa { bits } => bits,
            Self::CertEcdsa(curve) => curve.bits(),
            Self::CertEd25519 | Self::Plain => 0,
        }
    }
}

/// NIST curves of `cert-ecdsa` (SEC 2 names in brackets).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Curve {
    /// P-224 (secp224r1).
    P224,
    /// P-256 (secp256r1).
    P256,
    /// P-384 (secp384r1).
    P384,
    /// P-521 (secp521r1).
    P521,
}

impl Curve {
    /// Field size in bits, as the manifest's `Size` states it.
    pub fn bits(self) -> u32 {
        match self {
            Self::P224 => 224,
            Self::P256 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }
}

/// A secret's definition. Its value lives in the Coordinator's state or is made at activation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Secret {
    /// Kind and size.
    pub kind: SecretKind,
    /// One value for all marbles instead of one per marble.
    pub shared: bool,
    /// The value is uploaded by a user.
    pub user_defined: bool,
    /// How a certificate is made; meaningless for other kinds.
    pub certificate: CertificateTemplate,
}

/// How a certificate secret is made, after Go's `x509.Certificate`; only what the Coordinator honours.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct CertificateTemplate {
    /// Until when, as the manifest says it.
    pub validity: Validity,
    /// `Subject`, as (OID, values): one RDN per entry in Go's order; values of one entry form one multi-valued RDN.
    /// Empty where the manifest names none.
    pub subject: Vec<(String, Vec<String>)>,
    /// `DNSNames`; the default `localhost` is filled in when the manifest names no subject alternative name.
    pub dns_names: Vec<String>,
    /// `IPAddresses`, always 4 or 16 bytes each; defaults filled in.
    pub ip_addresses: Vec<std::net::IpAddr>,
    /// `EmailAddresses`.
    pub email_addresses: Vec<String>,
    /// `URIs`.
    pub uris: Vec<String>,
    /// `KeyUsage`, RFC 5280 section 4.2.1.3 bits in Go's numbering (bit 0 = digitalSignature).
    pub key_usage: u16,
    /// Object identifiers of extended key usages, dotted.
    pub extended_key_usage: Vec<String>,
    /// Further extensions, each `(dotted OID, critical, raw value)`: `ExtraExtensions` and those Go derives from
    /// other fields (`OCSPServer`, `CRLDistributionPoints`, `PolicyIdentifiers`, name constraints, ...).
    pub extensions: Vec<(String, bool, Vec<u8>)>,
    /// `BasicConstraintsValid`: whether a basic constraints extension (CA:FALSE) is written.
    pub basic_constraints: bool,
}

/// Until when a generated certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Days from the moment of issue.
    Days(u32),
    /// Until this moment.
    Until(std::time::SystemTime),
}

impl Default for Validity {
    fn default() -> Self {
        Self::Days(365)
    }
}

/// Someone who may log in with a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// DER of the certificate.
    pub certificate: Vec<u8>,
    /// Names of [`Role`]s, each defined.
    pub roles: Vec<String>,
}

/// What holders of a role may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Raise the SecurityVersion of these packages.
    Packages {
        /// Package names.
        names: Vec<String>,
        /// `UpdateSecurityVersion` is among the actions.
        update_security_version: bool,
    },
    /// Read or write these secrets.
    Secrets {
        /// Secret names.
        names: Vec<String>,
        /// `ReadSecret` is among the actions.
        read: bool,
        /// `WriteSecret` is among the actions.
        write: bool,
    },
    /// Update the manifest.
    Manifest {
        /// `UpdateManifest` is among the actions.
        update: bool,
    },
    /// Read who used which secret, and which marbles were admitted or refused.
    Audit {
        /// `ReadAudit` is among the actions.
        read: bool,
    },
}

/// Connections that the runtime of a marble protects by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsTag {
    /// Ports on which the marble serves.
    pub incoming: Vec<Incoming>,
    /// Servers to which the marble connects.
    pub outgoing: Vec<Outgoing>,
}

/// A port on which a marble serves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incoming {
    /// Port, as written.
    pub port: String,
    /// Certificate secret to present instead of the marble's own.
    pub cert: Option<String>,
    /// Whether clients may come without a certificate (only with `cert`).
    pub disable_client_auth: bool,
}

/// A server to which a marble connects.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outgoing {
    /// Host name or address, as written.
    pub addr: String,
    /// Port, as written.
    pub port: String,
}

/// The public key of someone who can help to recover the Coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryKey {
    /// DER of the SubjectPublicKeyInfo (RFC 5280 section 4.1) of an RSA key of at least 2048 bits.
    pub public_key: Vec<u8>,
}

/// Everything in `Config`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How the state is sealed.
    pub seal_mode: SealMode,
    /// How many holders of `UpdateManifest` must agree; 0 means all.
    pub update_threshold: usize,
    /// How many recovery keys suffice; 0 means all.
    pub recovery_threshold: usize,
    /// Feature gates that are open.
    pub feature_gates: Vec<FeatureGate>,
    /// Whether a manifest update makes a new root secret.
    pub rotate_root_secret: bool,
}

/// How the Coordinator's state is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SealMode {
    /// To the product: any later version of the same signer opens it. The default.
    #[default]
    ProductKey,
    /// To the very build.
    UniqueKey,
    /// Not at all: nothing is kept.
    Disabled,
}

/// Optional parts of the client API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeatureGate {
    /// `POST /api/v2/sign-quote`.
    SignQuoteEndpoint,
    /// `POST /api/v2/monotonic-counter`.
    MonotonicCounter,
    /// Sealing with a key of an Azure managed HSM.
    AzureHsmSealing,
}
