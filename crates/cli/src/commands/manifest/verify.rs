//! `marblerun manifest verify`: is this the Coordinator, and does it hold this manifest?

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::get::held_manifest;
use crate::args::Format;
use crate::document::Document;
use crate::trust::{self, Context};
use crate::{Failure, console};

/// Arguments of `marblerun manifest verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Manifest (JSON or YAML), or its SHA-256 in hex
    #[arg(value_name = "manifest/signature")]
    expected: String,
    /// Address of the Coordinator's client API
    #[arg(value_name = "IP:PORT")]
    addr: String,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Verify {
    pub(super) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let expected = expected_hash(&self.expected)?;
        let coordinator = trust::verified(&self.addr, context).await?;
        let found = held_manifest(&coordinator.client).await?.manifest_fingerprint;
        let matches = found == expected;
        if self.format == Format::Json {
            let verified = coordinator.verified;
            console::print(
                &json!({ "matches": matches, "expected": expected, "found": found, "verified": verified })
                    .to_string(),
            )?;
        }
        if !matches {
            return Err(Failure::OtherManifest { expected, found });
        }
        if self.format == Format::Text {
            console::print("OK")?;
        }
        context.remember(&coordinator)
    }
}

/// A file's hash, or the hash that the argument is. A file comes first: a name of 64 hex digits may be one.
fn expected_hash(argument: &str) -> Result<String, Failure> {
    let path = Path::new(argument);
    if path.exists() {
        return Ok(Document::read(path)?.fingerprint());
    }
    match hex::decode(argument) {
        Ok(hash) if hash.len() == 32 => Ok(argument.to_ascii_lowercase()),
        Ok(hash) => Err(Failure::Argument(format!(
            "{argument} is not a file, and as a hash it has {} bytes instead of 32",
            hash.len()
        ))),
        Err(_) => Err(Failure::Argument(format!("{argument} is not a file, and not a hash in hex either"))),
    }
}
