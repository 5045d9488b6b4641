//! The expected identity of the Coordinator (an "era-config"), which the user names and nobody else.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::Failure;

/// The identity that the Coordinator's enclave must have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct EraConfig {
    /// MRENCLAVE, hex.
    #[serde(rename = "UniqueID", default)]
    pub unique_id: Option<String>,
    /// MRSIGNER, hex.
    #[serde(rename = "SignerID", default)]
    pub signer_id: Option<String>,
    /// ISVPRODID.
    #[serde(rename = "ProductID", default)]
    pub product_id: Option<u64>,
    /// Smallest ISVSVN.
    #[serde(default)]
    pub security_version: Option<u64>,
    /// Whether a debug enclave is expected.
    #[serde(default)]
    pub debug: bool,
    /// TCB statuses to accept.
    #[serde(rename = "AcceptedTCBStatuses", default)]
    pub accepted_tcb_statuses: Option<Vec<String>>,
    /// Advisories to tolerate.
    #[serde(default)]
    pub accepted_advisories: Option<Vec<String>>,
}

impl EraConfig {
    /// Reads and checks the file that the user named. There is no default file and no download: what a working folder
    /// or a web page says about the Coordinator's identity is what an attacker there wants it to say.
    ///
    /// # Errors
    /// [`Failure::Era`] without a file, and for one that expects nothing in particular.
    pub fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let path = path.ok_or_else(|| {
            Failure::Era(
                "the Coordinator's expected identity is needed to verify it: name it with --era-config FILE. The \
                 file comes with the Coordinator's release; for your own build write it with `marblerun package-info FILE --format json`. \
                 To skip the verification, as for a Coordinator in simulation mode, use --insecure"
                    .into(),
            )
        })?;
        let bad = |reason: String| Failure::Era(format!("--era-config {}: {reason}", path.display()));
        let text = fs::read(path).map_err(|e| bad(e.to_string()))?;
        let config: Self = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
        config.check().map_err(bad)?;
        Ok(config)
    }

    /// An expectation that anybody meets is a mistake, never a policy.
    fn check(&self) -> Result<(), String> {
        let product =
            self.signer_id.is_some() && self.product_id.is_some() && self.security_version.is_some();
        if self.unique_id.is_none() && !product {
            return Err("it needs UniqueID, or all of SignerID, ProductID and SecurityVersion".into());
        }
        for (name, id) in [("UniqueID", &self.unique_id), ("SignerID", &self.signer_id)] {
            if id.as_ref().is_some_and(|id| hex::decode(id).map_or(true, |id| id.len() != 32)) {
                return Err(format!("{name} must be 32 bytes in hex"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<(), &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("era.json");
        fs::write(&path, json).unwrap();
        match (EraConfig::read(Some(&path)), expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{json}: {error}"),
            (read, expected) => panic!("{json}: {read:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn only_a_complete_identity_is_one() {
        let id = "ab".repeat(32);
        check(&format!(r#"{{"UniqueID":"{id}"}}"#), Ok(()));
        check(&format!(r#"{{"SignerID":"{id}","ProductID":1,"SecurityVersion":2,"Debug":false}}"#), Ok(()));
        check(&format!(r#"{{"SignerID":"{id}","ProductID":1}}"#), Err("SecurityVersion"));
        check("{}", Err("UniqueID"));
        check(r#"{"UniqueID":"abcd"}"#, Err("32 bytes"));
        check(&format!(r#"{{"UniqueID":"{id}","Uniqueid":""}}"#), Err("unknown field"));
        check("nonsense", Err("era.json"));
        assert!(EraConfig::read(None).unwrap_err().to_string().contains("--era-config"));
    }
}
