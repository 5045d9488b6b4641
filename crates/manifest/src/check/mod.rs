//! From the document as written to the [`Manifest`] that it means: every rule, every error at once.

mod certificate;
mod config;
mod extensions;
mod marbles;
mod packages;
mod parameters;
mod pem;
mod place;
mod secrets;
mod tees;
mod tls;
mod trial;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use self::place::{Place, section};
use crate::finding::{Finding, Findings};
use crate::json::{Parser, Places, Stop, object};
use crate::model::{Contents, MAX_MANIFEST_BYTES, Manifest};
use crate::{Secret, written};

/// A manifest that passed every check, and what the operator should nevertheless know.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What the document means.
    pub manifest: Manifest,
    /// Unknown keys, case variants, debug packages and the like: accepted, but worth a word. Never a secret.
    pub warnings: Vec<Finding>,
}

/// Every error of a refused manifest, in the order of the document. At least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the manifest has {} error(s): {}", .0.len(), .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ManifestErrors(pub Vec<Finding>);

impl Manifest {
    /// Parses and checks the bytes of a manifest exactly as uploaded (JSON, at most [`MAX_MANIFEST_BYTES`]).
    ///
    /// `now` decides whether a certificate secret's `NotAfter` lies in the past.
    ///
    /// # Errors
    /// All findings at once, each with the place in the document; a text that is no JSON, or exceeds a limit
    /// of size, depth or count, has one.
    pub fn parse(raw: &[u8], now: SystemTime) -> Result<Checked, ManifestErrors> {
        let text = text(raw)?;
        let (written, mut errors, mut warnings) = read(text)?;
        let mut check = Check::new(now);
        let contents = check.manifest(written, raw);
        errors.absorb(check.errors);
        // Never dropped as mere consequences: `packages` in lower case must not hide that one is a debug package.
        warnings.append(check.warnings);
        for findings in [&mut errors, &mut warnings] {
            if !findings.is_empty() {
                let places = Places::find(text, findings.paths());
                findings.place(&places);
            }
        }
        if !errors.is_empty() {
            return Err(ManifestErrors(errors.finish(text)));
        }
        Ok(Checked { manifest: Manifest(Arc::new(contents)), warnings: warnings.finish(text) })
    }
}

/// The bytes as text, if they are few enough and UTF-8 (RFC 8259 section 8.1).
pub(crate) fn text(raw: &[u8]) -> Result<&str, ManifestErrors> {
    if raw.len() > MAX_MANIFEST_BYTES {
        let message = format!("{} bytes, but a manifest has at most {MAX_MANIFEST_BYTES}", raw.len());
        return Err(ManifestErrors(vec![Finding { path: String::new(), message, position: None }]));
    }
    std::str::from_utf8(raw).map_err(|error| {
        let good = std::str::from_utf8(&raw[..error.valid_up_to()]).unwrap_or_default();
        stopped(good, "", Stop::new(good.len(), "not JSON: the text is not UTF-8"))
    })
}

/// The document as written, with errors and warnings about its shape.
pub(crate) fn read(text: &str) -> Result<(written::Manifest, Findings, Findings), ManifestErrors> {
    let mut parser = Parser::new(text);
    let read = object(&mut parser).and_then(|written| parser.end().map(|()| written));
    match read {
        Ok(written) => Ok((written.unwrap_or_default(), parser.errors, parser.warnings)),
        Err(stop) => Err(stopped(text, &parser.path(), stop)),
    }
}

fn stopped(text: &str, path: &str, stop: Stop) -> ManifestErrors {
    let mut findings = Findings::default();
    findings.push(path, Some(stop.at), stop.message);
    let mut findings = findings.finish(text);
    // What stops the reading is about the text: line and column tell more than a path.
    for finding in &mut findings {
        if let Some(at) = finding.position.filter(|_| !finding.path.is_empty()) {
            finding.message = format!("{} (line {}, column {})", finding.message, at.line, at.column);
        }
    }
    ManifestErrors(findings)
}

/// What checks share: the moment, and what was found so far.
struct Check {
    now: SystemTime,
    errors: Findings,
    warnings: Findings,
}

impl Check {
    fn new(now: SystemTime) -> Self {
        Self { now, errors: Findings::default(), warnings: Findings::default() }
    }

    fn error(&mut self, place: &Place<'_>, message: impl Into<String>) {
        self.errors.push(&place.to_string(), None, message);
    }

    fn warn(&mut self, place: &Place<'_>, message: impl Into<String>) {
        self.warnings.push(&place.to_string(), None, message);
    }

    /// The whole document. What it returns is a manifest only if no error was found.
    fn manifest(&mut self, written: written::Manifest, raw: &[u8]) -> Contents {
        let packages = written.packages.unwrap_or_default();
        let packages = self.packages(&packages);
        let secrets = self.secrets(written.secrets.unwrap_or_default());
        let tls = self.tls(written.tls.unwrap_or_default(), &secrets);
        let marbles = self.marbles(written.marbles.unwrap_or_default(), &packages, &tls, &secrets);
        let roles = self.roles(written.roles.unwrap_or_default(), &packages, &secrets);
        let users = self.users(written.users.unwrap_or_default(), &roles);
        let recovery_keys = self.recovery_keys(written.recovery_keys.unwrap_or_default());
        let config = self.config(written.config.unwrap_or_default(), &users, &roles, recovery_keys.len());
        Contents {
            raw: raw.to_vec(),
            fingerprint: fingerprint(raw),
            packages,
            infrastructures: self.infrastructures(written.infrastructures.unwrap_or_default()),
            marbles,
            users,
            secrets: secrets.into_iter().filter_map(|(name, secret)| Some((name, secret?))).collect(),
            recovery_keys,
            roles,
            tls,
            config,
        }
    }

    /// A name that operators choose: not empty, no NUL.
    fn name(&mut self, place: &Place<'_>, what: &str, name: &str) {
        if name.is_empty() {
            self.error(place, format!("the name of a {what} must not be empty"));
        }
        if name.contains('\0') {
            self.error(place, format!("the name of a {what} must not contain NUL"));
        }
    }
}

/// Secrets by name; `None` for one whose definition has errors: it exists, but nothing more is known.
type Secrets = BTreeMap<String, Option<Secret>>;

fn fingerprint(raw: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, raw);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}
