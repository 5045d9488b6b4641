//! The file that names the Coordinator's expected identity, which the user names and nobody else.

use std::path::Path;

use marblerun_attest::era::EraConfig;

use crate::{Failure, file};

/// Longer files are not read, in bytes.
const LONGEST: usize = 1 << 20;

/// Reads and checks the file that the user named. There is no default file and no download: what a working folder or a
/// web page says about the Coordinator's identity is what an attacker there wants it to say.
///
/// # Errors
/// [`Failure::Era`] without a file, and for one that expects nothing in particular.
pub fn read(path: Option<&Path>) -> Result<EraConfig, Failure> {
    let path = path.ok_or_else(|| {
        Failure::Era(
            "the Coordinator's expected identity is needed to verify it: name it with --era-config FILE. The file comes \
             with the Coordinator's release; for your own build write it with `marblerun package-info FILE --format \
             json`. To skip the verification, as for a Coordinator in simulation mode, use --insecure"
                .into(),
        )
    })?;
    let bad = |reason: String| Failure::Era(format!("--era-config {}: {reason}", path.display()));
    let text = file::within(path, LONGEST, "an era-config").map_err(|e| bad(e.to_string()))?;
    EraConfig::from_json(&text).map_err(|e| bad(e.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_needed_and_named_in_errors() {
        assert!(read(None).unwrap_err().to_string().contains("--era-config"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("era.json");
        assert!(read(Some(&path)).unwrap_err().to_string().contains("era.json"));
        fs::write(&path, "{}").unwrap();
        let error = read(Some(&path)).unwrap_err().to_string();
        assert!(error.contains("era.json") && error.contains("UniqueID"), "{error}");
    }
}
