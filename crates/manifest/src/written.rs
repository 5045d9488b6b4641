//! The manifest as it was written: one struct per JSON object, nothing checked yet. The JSON schema is
//! generated from these types.
//!
//! A field is `None` where the document has no such key, or `null`. Keys match in any case; what they may be is
//! said here once, in the declarations.

mod certificate;
mod values;

pub use certificate::{
    AttributeTypeAndValue, Certificate, ExtendedKeyUsage, Extension, IpNet, Name, ObjectId, Uri, UriParts,
};
pub(crate) use values::base64;
pub use values::{Argument, Bytes, Content, Map, Presence};

/// Declares a JSON object: a struct of optional fields, its known keys, and how to read it. Keys after
/// `without_effect` are known and accepted, but mean nothing.
macro_rules! written {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* $key:literal => $field:ident: $type:ty,)*
        }
        without_effect [$($ignored:literal),* $(,)?]
    ) => {
        $(#[$meta])*
        #[derive(Default, schemars::JsonSchema)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_meta])* #[schemars(rename = $key)] pub $field: Option<$type>,)*
        }

        impl $crate::json::Object for $name {
            const FIELDS: &'static [&'static str] = &[$($key),*];
            const WITHOUT_EFFECT: &'static [&'static str] = &[$($ignored),*];

            fn field(
                &mut self,
                index: usize,
                p: &mut $crate::json::Parser<'_>,
            ) -> Result<(), $crate::json::Stop> {
                match Self::FIELDS.get(index).copied() {
                    $(Some($key) => self.$field = $crate::json::optional(p)?,)*
                    _ => p.skip()?,
                }
                Ok(())
            }
        }

        impl $crate::json::Decode for $name {
            fn decode(p: &mut $crate::json::Parser<'_>) -> Result<Option<Self>, $crate::json::Stop> {
                $crate::json::object(p)
            }
        }
    };
}
pub(crate) use written;

written! {
    /// A MarbleRun manifest.
    pub struct Manifest {
        /// Software that may run as a marble, by name.
        "Packages" => packages: Map<Package>,
        /// Platforms on which marbles may run, by name. None means any.
        "Infrastructures" => infrastructures: Map<Infrastructure>,
        /// Types of marbles, by name.
        "Marbles" => marbles: Map<Marble>,
        /// Who may log in with a client certificate, by name.
        "Users" => users: Map<User>,
        /// Secrets that marbles get, by name.
        "Secrets" => secrets: Map<Secret>,
        /// RSA public keys (PKIX, PEM) whose owners can help to recover the Coordinator, by name.
        "RecoveryKeys" => recovery_keys: Map<String>,
        /// What users may do, by name.
        "Roles" => roles: Map<Role>,
        /// Connections that the marble's runtime protects, by the tag that marbles refer to.
        "TLS" => tls: Map<TlsTag>,
        /// Everything that concerns the Coordinator itself.
        "Config" => config: Config,
    }
    without_effect []
}

written! {
    /// Software that may run as a marble, told apart by at least one identity: as an SGX enclave (UniqueID alone, or
    /// SignerID, ProductID and SecurityVersion together), as a TDX trust domain, as an SEV-SNP guest.
    pub struct Package {
        /// Whether the enclave is a debug enclave, whose memory the host can read.
        "Debug" => debug: bool,
        /// MRENCLAVE, 32 bytes in hexadecimal.
        "UniqueID" => unique_id: String,
        /// MRSIGNER, 32 bytes in hexadecimal.
        "SignerID" => signer_id: String,
        /// ISVPRODID.
        "ProductID" => product_id: u64,
        /// Smallest ISVSVN that is admitted.
        "SecurityVersion" => security_version: u64,
        /// TCB statuses that are admitted; default UpToDate and SWHardeningNeeded.
        "AcceptedTCBStatuses" => accepted_tcb_statuses: Vec<String>,
        /// Advisories that are tolerated with the status SWHardeningNeeded (`INTEL-SA-00615`).
        "AcceptedAdvisories" => accepted_advisories: Vec<String>,
        /// The software as an Intel TDX trust domain.
        "TDX" => tdx: Tdx,
        /// The software as an AMD SEV-SNP guest.
        "SNP" => snp: Snp,
        /// What a virtual TPM must have measured (Azure): SHA-256 PCRs by number, 32 bytes in hexadecimal.
        "PCRs" => pcrs: Map<String>,
        /// Marbles must show evidence that was made for this activation, not before.
        "RequireFreshEvidence" => require_fresh_evidence: bool,
        /// The DNS names that certificates of these marbles may carry; none named: any.
        "AllowedDNSNames" => allowed_dns_names: Vec<String>,
    }
    without_effect []
}

written! {
    /// A trust domain. Measurements are in hexadecimal, as reports have them.
    pub struct Tdx {
        /// Measurement of what the TD was launched with, 48 bytes; required.
        "MRTD" => mrtd: String,
        /// Run-time measurement register 0, 48 bytes.
        "RTMR0" => rtmr0: String,
        /// Run-time measurement register 1, 48 bytes.
        "RTMR1" => rtmr1: String,
        /// Run-time measurement register 2, 48 bytes.
        "RTMR2" => rtmr2: String,
        /// Run-time measurement register 3, 48 bytes.
        "RTMR3" => rtmr3: String,
        /// What the host said at launch, 48 bytes.
        "MRCONFIGID" => mrconfigid: String,
        /// Measurement of the TDX module, 48 bytes.
        "MRSEAM" => mrseam: String,
        /// TD attributes exactly, 8 bytes.
        "TDAttributes" => td_attributes: String,
        /// Admit TDs into which the host can inject #VE (SEPT_VE_DISABLE is not set).
        "AllowSeptVe" => allow_sept_ve: bool,
        /// Admit TDs that a migration TD may move.
        "AllowMigration" => allow_migration: bool,
        /// Admit TDs to which a service TD is bound.
        "AllowServiceTD" => allow_service_td: bool,
    }
    without_effect []
}

written! {
    /// An SNP guest. Measurements are in hexadecimal, as reports have them.
    pub struct Snp {
        /// Measurement of what the guest was launched with, 48 bytes; required.
        "Measurement" => measurement: String,
        /// What the host said at launch, 32 bytes.
        "HostData" => host_data: String,
        /// From the identity block, 16 bytes.
        "FamilyID" => family_id: String,
        /// From the identity block, 16 bytes.
        "ImageID" => image_id: String,
        /// Smallest security version of the guest.
        "GuestSVN" => guest_svn: u32,
        /// Smallest security versions of the platform's firmware.
        "MinimumTCB" => minimum_tcb: SnpTcb,
        /// The guest policy exactly.
        "Policy" => policy: u64,
        /// The least privileged level that may ask for evidence; 0 is the most privileged.
        "VMPL" => vmpl: u32,
        /// Product lines that are admitted (Milan, Genoa, Turin); none named: all but Milan.
        "ProductLines" => product_lines: Vec<String>,
        /// Admit guests that a migration agent may move.
        "AllowMigration" => allow_migration: bool,
    }
    without_effect []
}

written! {
    /// Security versions of an SNP platform's firmware; what is left out is 0.
    pub struct SnpTcb {
        /// The FMC, on Turin alone.
        "FMC" => fmc: u8,
        /// The boot loader.
        "Bootloader" => bootloader: u8,
        /// The secure processor's operating system.
        "TEE" => tee: u8,
        /// The SNP firmware.
        "SNP" => snp: u8,
        /// The microcode.
        "Microcode" => microcode: u8,
    }
    without_effect []
}

written! {
    /// A platform on which marbles may run: what is given must match.
    pub struct Infrastructure {
        /// DER of the vendor's root certificate.
        "RootCA" => root_ca: Bytes,
        /// CPUSVN, 16 bytes.
        "CPUSVN" => cpusvn: Bytes,
        /// Version of the quoting enclave.
        "QESVN" => qesvn: u16,
        /// Version of the provisioning certification enclave.
        "PCESVN" => pcesvn: u16,
        /// Kinds of Intel platform that will do, 6 bytes in hexadecimal each.
        "FMSPCs" => fmspcs: Vec<String>,
        /// Intel platforms that will do, 16 bytes in hexadecimal each.
        "PPIDs" => ppids: Vec<String>,
        /// AMD chips that will do, 64 bytes (Turin: 8) in hexadecimal each.
        "ChipIDs" => chip_ids: Vec<String>,
        /// The oldest evaluation of TCBs by which an Intel platform may be judged.
        "MinimumTCBEvaluation" => minimum_tcb_evaluation: u32,
    }
    without_effect []
}

written! {
    /// A type of marble.
    pub struct Marble {
        /// Name of its package.
        "Package" => package: String,
        /// How many marbles of this type may ever be activated; 0 means no limit.
        "MaxActivations" => max_activations: u64,
        /// What a marble of this type is started with.
        "Parameters" => parameters: Parameters,
        /// Tags from the section TLS.
        "TLS" => tls: Vec<String>,
        /// Leave the type's name out of the derivation of per-marble keys.
        "DisableSecretBinding" => disable_secret_binding: bool,
    }
    without_effect []
}

written! {
    /// What a marble is started with.
    pub struct Parameters {
        /// Files, by path.
        "Files" => files: Map<Content>,
        /// Environment variables, by name.
        "Env" => env: Map<Content>,
        /// The argument vector.
        "Argv" => argv: Vec<Argument>,
    }
    without_effect []
}

written! {
    /// The content of a file or variable that a plain string cannot express.
    pub struct ContentObject {
        /// The content, encoded.
        "Data" => data: String,
        /// How `Data` is encoded: string (default), base64 or hex, in any case.
        "Encoding" => encoding: String,
        /// Take the content as it stands, without looking for templates.
        "NoTemplates" => no_templates: bool,
    }
    without_effect []
}

written! {
    /// An argument that is rendered as an environment variable is.
    pub struct ArgumentObject {
        /// The argument; required.
        "Data" => data: String,
        /// Take the argument as it stands, without looking for templates.
        "NoTemplates" => no_templates: bool,
    }
    without_effect []
}

written! {
    /// Someone who may log in.
    pub struct User {
        /// The client certificate, PEM.
        "Certificate" => certificate: String,
        /// Names of roles.
        "Roles" => roles: Vec<String>,
    }
    without_effect []
}

written! {
    /// What the holders of a role may do.
    pub struct Role {
        /// What kind of thing the role is about.
        #[schemars(extend("enum" = ["Packages", "Secrets", "Manifest", "Audit", null]))]
        "ResourceType" => resource_type: String,
        /// Names of packages or secrets; none for Manifest and Audit.
        "ResourceNames" => resource_names: Vec<String>,
        /// UpdateSecurityVersion for packages, ReadSecret and WriteSecret for secrets, UpdateManifest for the
        /// manifest, ReadAudit for the audit; in any case.
        "Actions" => actions: Vec<String>,
    }
    without_effect []
}

written! {
    /// A secret.
    pub struct Secret {
        /// What kind of secret it is.
        #[schemars(extend("enum" = ["symmetric-key", "cert-rsa", "cert-ecdsa", "cert-ed25519", "plain", null]))]
        "Type" => kind: String,
        /// Size in bits; none for cert-ed25519 and plain.
        "Size" => size: u32,
        /// One value for all marbles instead of one for each.
        "Shared" => shared: bool,
        /// A user uploads the value.
        "UserDefined" => user_defined: bool,
        /// How a certificate is made.
        "Cert" => cert: Certificate,
        /// Validity of a certificate in days, default 365; not together with Cert.NotAfter.
        "ValidFor" => valid_for: u32,
        /// Never in a manifest, which everybody can read.
        #[schemars(skip)]
        "Private" => private: values::Presence,
    }
    without_effect ["Public"]
}

written! {
    /// Connections that the runtime of a marble protects by itself.
    pub struct TlsTag {
        /// Ports on which the marble serves.
        "Incoming" => incoming: Vec<TlsEntry>,
        /// Servers to which the marble connects.
        "Outgoing" => outgoing: Vec<TlsEntry>,
    }
    without_effect []
}

written! {
    /// One connection of a tag.
    pub struct TlsEntry {
        /// Port, as a string; required.
        "Port" => port: String,
        /// Host name or address; required for outgoing connections.
        "Addr" => addr: String,
        /// Incoming: certificate secret to present instead of the marble's own certificate.
        "Cert" => cert: String,
        /// Incoming, with Cert: clients may come without a certificate.
        "DisableClientAuth" => disable_client_auth: bool,
    }
    without_effect []
}

written! {
    /// Everything that concerns the Coordinator itself.
    pub struct Config {
        /// How the Coordinator's state is sealed; default ProductKey.
        #[schemars(extend("enum" = ["", "ProductKey", "UniqueKey", "Disabled", null]))]
        "SealMode" => seal_mode: String,
        /// How many holders of UpdateManifest must agree to an update; 0 means all.
        "UpdateThreshold" => update_threshold: u64,
        /// How many recovery keys suffice: 0 for all, or from 2 up.
        "RecoveryThreshold" => recovery_threshold: u64,
        /// Optional parts to open: SignQuoteEndpoint, MonotonicCounter, AzureHSMSealing; in any case.
        "FeatureGates" => feature_gates: Vec<String>,
        /// Make a new root secret when this manifest replaces another.
        "RotateRootSecret" => rotate_root_secret: bool,
    }
    without_effect []
}

/// The JSON schema (draft 2020-12) of a manifest, generated from the types of this module.
///
/// It describes shapes; rules that span several fields are checked by [`crate::Manifest::parse`] alone.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Manifest).to_value()
}
