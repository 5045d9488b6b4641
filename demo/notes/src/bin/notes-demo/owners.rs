//! The owners of the mesh and the safes that can bring its state back: their keys, and the manifest that names them.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::programs::manifest;

/// Who must agree to every change.
pub(crate) const OWNERS: [&str; 2] = ["alice", "bob"];
/// Whose keys bring a lost state back; [`NEEDED`] of them suffice.
pub(crate) const SAFES: [&str; 3] = ["safe-one", "safe-two", "safe-three"];
/// As many as are needed.
pub(crate) const NEEDED: usize = 2;

/// Makes all keys in `folder`, and beside them `manifest.json`: the demo's, for software that was signed here, with owners
/// and safes.
pub(crate) fn prepare(folder: &Path, signed: &Signed) -> anyhow::Result<()> {
    let mut manifest = read(&manifest())?;
    manifest["Packages"] = json!({"notes-server": signed.server, "notes-client": signed.client});
    manifest["Infrastructures"] = json!({"software-tee": signed.infrastructure});
    write(&folder.join("era.json"), &signed.era())?;
    for owner in OWNERS {
        let certificate = user(folder, owner)?;
        let roles = if owner == "alice" { json!(["owner", "releaser"]) } else { json!(["owner"]) };
        manifest["Users"][owner] = json!({"Certificate": certificate, "Roles": roles});
    }
    manifest["Roles"]["releaser"] = json!({
        "ResourceType": "Packages", "ResourceNames": ["notes-server"], "Actions": ["UpdateSecurityVersion"],
    });
    manifest["Roles"]["owner"] = json!({"ResourceType": "Manifest", "Actions": ["UpdateManifest"]});
    for safe in SAFES {
        manifest["RecoveryKeys"][safe] = recovery_key(folder, safe)?.into();
    }
    manifest["Config"]["RecoveryThreshold"] = NEEDED.into();
    write(&folder.join("manifest.json"), &manifest)
}

/// What the tool printed about the programs that it signed, and about the software TEE.
pub(crate) struct Signed {
    pub(crate) coordinator: Value,
    pub(crate) server: Value,
    pub(crate) client: Value,
    pub(crate) infrastructure: Value,
}

impl Signed {
    /// What a Coordinator is expected to be, and where.
    fn era(&self) -> Value {
        let mut era = self.coordinator.clone();
        era["Infrastructures"] = json!({"software-tee": self.infrastructure});
        era
    }
}

/// Writes `raise.json`: the version of the notes service from which on it is admitted.
pub(crate) fn prepare_raise(folder: &Path) -> anyhow::Result<()> {
    write(&folder.join("raise.json"), &json!({"Packages": {"notes-server": {"SecurityVersion": 2}}}))
}

/// Writes `new.json`: the same manifest, which makes new keys when it takes effect.
pub(crate) fn prepare_rotation(folder: &Path) -> anyhow::Result<()> {
    let mut manifest = read(&folder.join("manifest.json"))?;
    manifest["Config"]["RotateRootSecret"] = true.into();
    manifest["Packages"]["notes-server"]["SecurityVersion"] = 2.into();
    write(&folder.join("new.json"), &manifest)
}

/// Takes the recovery secret of `safe` out of what the Coordinator answered: still encrypted to the safe's key.
pub(crate) fn unpack(folder: &Path, safe: &str) -> anyhow::Result<()> {
    let answer = read(&folder.join("recovery.json"))?;
    let secret = answer["RecoverySecrets"][safe].as_str().context("a recovery secret for each safe")?;
    Ok(std::fs::write(folder.join(format!("{safe}.secret")), STANDARD.decode(secret)?)?)
}

/// Key and certificate of a user; the certificate is returned.
fn user(folder: &Path, name: &str) -> anyhow::Result<String> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec![name.to_owned()])?.self_signed(&key)?.pem();
    private(&folder.join(format!("{name}.key")), &key.serialize_pem())?;
    std::fs::write(folder.join(format!("{name}.pem")), &certificate)?;
    Ok(certificate)
}

/// An RSA key; its public half is returned.
fn recovery_key(folder: &Path, name: &str) -> anyhow::Result<String> {
    let unusable = |_| anyhow!("the system gives no RSA key");
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(unusable)?;
    let secret: Pkcs8V1Der<'_> = pair.as_der().map_err(unusable)?;
    private(&folder.join(format!("{name}.key")), &pem("PRIVATE KEY", secret.as_ref()))?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(unusable)?;
    Ok(pem("PUBLIC KEY", public.as_ref()))
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn private(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    Ok(open.write_all(text.as_bytes())?)
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(serde_json::from_slice(&text)?)
}

fn write(file: &Path, value: &Value) -> anyhow::Result<()> {
    Ok(std::fs::write(file, serde_json::to_vec_pretty(value)?)?)
}
