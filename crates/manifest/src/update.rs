//! What a user sends as an update: a whole new manifest, or only higher security versions.
//!
//! Which of the two it is follows from the document alone: a body that has nothing but `Packages` raises security
//! versions. Whether the packages exist and the versions are higher is for those who know the manifest in force.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::check::{Checked, ManifestErrors, read, text};
use crate::finding::{Finding, Findings};
use crate::json::Places;
use crate::{Manifest, written};

/// An update that passed every check that needs the document alone.
#[derive(Debug, Clone)]
pub enum Update {
    /// New smallest security versions, by package; at least one.
    Packages(PackageUpdate),
    /// A whole new manifest.
    Manifest(Box<Checked>),
}

/// Security versions to raise.
#[derive(Debug, Clone)]
pub struct PackageUpdate {
    /// New smallest ISVSVN by package.
    pub versions: BTreeMap<String, u64>,
    /// Unknown keys and the like: accepted, but worth a word.
    pub warnings: Vec<Finding>,
}

impl Update {
    /// Parses the bytes of an update exactly as sent (JSON, bounded as a manifest is); `now` as in
    /// [`Manifest::parse`].
    ///
    /// # Errors
    /// As [`Manifest::parse`]; a body of `Packages` that has anything but security versions, or `Config` beside it, is
    /// named as such.
    pub fn parse(raw: &[u8], now: SystemTime) -> Result<Self, ManifestErrors> {
        let text = text(raw)?;
        let (written, errors, warnings) = read(text)?;
        if !concerns_packages_alone(&written) {
            return Manifest::parse(raw, now).map(|checked| Self::Manifest(Box::new(checked)));
        }
        versions(written, errors, warnings, text).map(Self::Packages)
    }
}

/// `Config` beside `Packages` is no manifest either: it is taken for a package update with something too much.
fn concerns_packages_alone(written: &written::Manifest) -> bool {
    let written::Manifest {
        packages,
        infrastructures,
        marbles,
        users,
        secrets,
        recovery_keys,
        roles,
        tls,
        config: _,
    } = written;
    let others = [
        infrastructures.is_some(),
        marbles.is_some(),
        users.is_some(),
        secrets.is_some(),
        recovery_keys.is_some(),
        roles.is_some(),
        tls.is_some(),
    ];
    packages.is_some() && others == [false; 7]
}

fn versions(
    written: written::Manifest,
    mut errors: Findings,
    mut warnings: Findings,
    text: &str,
) -> Result<PackageUpdate, ManifestErrors> {
    if written.config.is_some() {
        errors.push(
            "Config",
            None,
            "an update of `Packages` alone changes nothing else; send the whole manifest to change `Config`",
        );
    }
    let mut versions = BTreeMap::new();
    for (name, package) in written.packages.unwrap_or_default().iter() {
        match version(package) {
            Ok(version) => drop(versions.insert(name.to_owned(), version)),
            Err((key, why)) => errors.push(&format!("Packages.{name}{key}"), None, why),
        }
    }
    if versions.is_empty() && errors.is_empty() {
        errors.push("Packages", None, "an update needs at least one package");
    }
    if !errors.is_empty() {
        return Err(ManifestErrors(placed(errors, text)));
    }
    Ok(PackageUpdate { versions, warnings: placed(std::mem::take(&mut warnings), text) })
}

/// The one field that an update of packages may carry. What means nothing where it stands (`false`, empty) counts as
/// absent, as it does in a manifest.
fn version(package: &written::Package) -> Result<u64, (&'static str, &'static str)> {
    const ALONE: &str =
        "an update of packages changes `SecurityVersion` alone; send the whole manifest to change this";
    let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let listed = |list: &Option<Vec<String>>| list.as_deref().is_some_and(|list| !list.is_empty());
    let others = [
        (".Debug", package.debug == Some(true)),
        (".UniqueID", given(&package.unique_id)),
        (".SignerID", given(&package.signer_id)),
        (".ProductID", package.product_id.is_some()),
        (".AcceptedTCBStatuses", listed(&package.accepted_tcb_statuses)),
        (".AcceptedAdvisories", listed(&package.accepted_advisories)),
        (".TDX", package.tdx.is_some()),
        (".SNP", package.snp.is_some()),
        (".PCRs", package.pcrs.is_some()),
        (".RequireFreshEvidence", package.require_fresh_evidence.is_some()),
        (".AllowedDNSNames", package.allowed_dns_names.is_some()),
    ];
    match others.iter().find(|(_, there)| *there) {
        Some((key, _)) => Err((key, ALONE)),
        None => package.security_version.ok_or(("", "needs the new `SecurityVersion`")),
    }
}

fn placed(mut findings: Findings, text: &str) -> Vec<Finding> {
    if !findings.is_empty() {
        let places = Places::find(text, findings.paths());
        findings.place(&places);
    }
    findings.finish(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Update, ManifestErrors> {
        Update::parse(text.as_bytes(), SystemTime::UNIX_EPOCH)
    }

    #[track_caller]
    fn check_refused(text: &str, words: &str) {
        let error = parse(text).map(|_| ()).expect_err(text).to_string();
        assert!(error.contains(words), "{text}: {error}");
    }

    #[test]
    fn nothing_but_packages_raises_versions() {
        let text = r#"{"packages": {"a": {"SecurityVersion": 3, "Debug": false}, "b": {"securityversion": 0}}, "Users": null}"#;
        let Ok(Update::Packages(update)) = parse(text) else { panic!("an update of packages") };
        assert_eq!(update.versions, BTreeMap::from([("a".into(), 3), ("b".into(), 0)]));
        assert!(!update.warnings.is_empty(), "the lower case is worth a word");
    }

    #[test]
    fn anything_else_in_a_package_is_refused_with_its_place() {
        for key in ["UniqueID", "SignerID"] {
            let text = format!(r#"{{"Packages": {{"a": {{"SecurityVersion": 3, "{key}": "00"}}}}}}"#);
            check_refused(&text, &format!("Packages.a.{key}: an update of packages"));
        }
        check_refused(r#"{"Packages": {"a": {"Debug": true, "SecurityVersion": 3}}}"#, "Packages.a.Debug");
        check_refused(
            r#"{"Packages": {"a": {"ProductID": 0, "SecurityVersion": 3}}}"#,
            "Packages.a.ProductID",
        );
        check_refused(r#"{"Packages": {"a": {}}}"#, "Packages.a: needs the new `SecurityVersion`");
        check_refused(r#"{"Packages": {}}"#, "at least one package");
        check_refused(r#"{"Packages": {"a": {"SecurityVersion": 3}}, "Config": {}}"#, "Config: an update of");
    }

    #[test]
    fn everything_else_is_read_as_a_whole_manifest() {
        check_refused("{}", "at least one package");
        check_refused(
            r#"{"Packages": {"a": {"SecurityVersion": 3}}, "Marbles": {"m": {"Package": "a"}}}"#,
            "lacks",
        );
        check_refused("six", "JSON");
    }
}
