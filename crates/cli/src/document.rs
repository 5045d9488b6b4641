//! The manifest file that an operator names: JSON byte for byte, or anything else as YAML.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use marblerun_manifest::{Finding, MAX_MANIFEST_BYTES, Position};

use crate::places::Places;
use crate::yaml::{self, YamlError};

/// A manifest file, as the bytes that go to the Coordinator and are hashed.
#[derive(Debug)]
pub struct Document {
    json: Vec<u8>,
    /// `None` for a file that is JSON itself.
    yaml: Option<Places>,
}

/// Why a manifest file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It cannot be read.
    #[error("{}: {source}", .path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is larger than a Coordinator takes.
    #[error("{}: a manifest has at most {MAX_MANIFEST_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// It is no text.
    #[error("{}: a manifest is UTF-8 text; byte {at} is not", .path.display())]
    NotText {
        /// Its path.
        path: PathBuf,
        /// Where UTF-8 ends.
        at: usize,
    },
    /// It looks like JSON and is none, and no YAML either.
    #[error("{}: neither JSON ({json}) nor YAML ({yaml})", .path.display())]
    NotJson {
        /// Its path.
        path: PathBuf,
        /// What the JSON parser said, with line and column.
        json: String,
        /// What the YAML parser said.
        yaml: YamlError,
    },
    /// It is no YAML, or YAML that would not survive the way into JSON.
    #[error("{}: {yaml}", .path.display())]
    NotYaml {
        /// Its path.
        path: PathBuf,
        /// Where and why.
        yaml: YamlError,
    },
}

impl Document {
    /// Reads a manifest file.
    ///
    /// # Errors
    /// As [`DocumentError`] says.
    pub fn read(path: &Path) -> Result<Self, DocumentError> {
        let source = read_bounded(path)?;
        // JSON stays as it is, whatever is in it: the Coordinator judges, and the hash is over these very bytes.
        let json_error = match serde_json::from_slice::<serde::de::IgnoredAny>(&source) {
            Ok(_) => return Ok(Self { json: source, yaml: None }),
            Err(error) => error,
        };
        let text = std::str::from_utf8(&source)
            .map_err(|e| DocumentError::NotText { path: path.to_owned(), at: e.valid_up_to() })?;
        from_yaml(text).map_err(|yaml| {
            let path = path.to_owned();
            match text.trim_start().starts_with('{') {
                true => DocumentError::NotJson { path, json: json_error.to_string(), yaml },
                false => DocumentError::NotYaml { path, yaml },
            }
        })
    }

    /// A document that a Coordinator gave: JSON, byte for byte.
    #[must_use]
    pub fn of_json(json: Vec<u8>) -> Self {
        Self { json, yaml: None }
    }

    /// The bytes that are sent and hashed.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// Where in the file, as it was written, the thing stands that a finding names.
    #[must_use]
    pub fn locate(&self, finding: &Finding) -> Option<Position> {
        match &self.yaml {
            None => finding.position,
            Some(places) => places.find(&finding.path),
        }
    }

    /// Hex SHA-256 of the bytes.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.json)
    }
}

/// Hex SHA-256 in lower case, as manifests are compared.
#[must_use]
pub fn fingerprint(manifest: &[u8]) -> String {
    hex::encode(digest(&SHA256, manifest))
}

fn from_yaml(text: &str) -> Result<Document, YamlError> {
    let document = yaml::parse(text)?;
    Ok(Document { json: yaml::to_json(&document)?, yaml: Some(Places::of_yaml(&document)) })
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, DocumentError> {
    let unreadable = |source| DocumentError::Unreadable { path: path.to_owned(), source };
    let mut source = Vec::new();
    let limit = MAX_MANIFEST_BYTES as u64 + 1;
    File::open(path).map_err(unreadable)?.take(limit).read_to_end(&mut source).map_err(unreadable)?;
    if source.len() > MAX_MANIFEST_BYTES {
        return Err(DocumentError::TooLarge(path.to_owned()));
    }
    Ok(source)
}
