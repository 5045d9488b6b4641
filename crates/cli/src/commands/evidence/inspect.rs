//! `marblerun evidence inspect`: what evidence claims. Without `--verify` nothing is checked, and the answer says so.

use std::path::PathBuf;

use clap::Args;
use marblerun_attest::{Unverified, describe};
use serde_json::{Value, json};

use super::verdict::Verdict;
use crate::args::Format;
use crate::trust::Context;
use crate::{Failure, console};

/// Arguments of `marblerun evidence inspect`.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// A quote of SGX (in the Open Enclave header or not) or TDX, an SNP report, evidence of an Azure vTPM, or an NVIDIA
    /// report
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Fetch what vendors publish about the platform and say whether the evidence is genuine
    #[arg(long)]
    verify: bool,
    /// What the evidence must be bound to: 64 bytes of report data, or the nonce. Without it the binding is not checked
    #[arg(long, value_name = "HEX", requires = "verify")]
    report_data: Option<String>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Inspect {
    pub(super) async fn execute(self, context: &Context) -> Result<(), Failure> {
        let evidence = super::read(&self.file)?;
        let claims = describe(&evidence)
            .map_err(|error| Failure::Argument(format!("{}: {error}", self.file.display())))?;
        if !self.verify {
            return self.print_claims(&claims, &evidence);
        }
        let verdict = Verdict::find(&evidence, &claims, self.report_data.as_deref(), context).await?;
        match self.format {
            Format::Text => {
                console::print(&format!("{}\n{}", lines("", &json(&claims)).join("\n"), verdict.text()))?
            }
            Format::Json => console::print(&format!("{:#}", verdict.json(json(&claims))))?,
        }
        if verdict.is_genuine() { Ok(()) } else { Err(Failure::Said) }
    }

    fn print_claims(&self, claims: &Unverified, evidence: &[u8]) -> Result<(), Failure> {
        let needs = marblerun_attest::needs(evidence).ok();
        match self.format {
            Format::Text => console::print(&format!(
                "NOTHING OF THIS WAS VERIFIED: anybody can write it (--verify checks it)\n{}",
                lines("", &json(claims)).join("\n")
            )),
            Format::Json => console::print(&format!(
                "{:#}",
                json!({ "verification": "none", "claims": json(claims), "needs": needs })
            )),
        }
    }
}

/// Claims have text keys and no failing serializers.
fn json(claims: &Unverified) -> Value {
    serde_json::to_value(claims).unwrap_or_default()
}

/// `name: value`, one line for each leaf. What a paravisor or a guest wrote is shown with its quotes and escapes.
fn lines(path: &str, value: &Value) -> Vec<String> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => map.iter().flat_map(|(key, value)| lines(&below(key), value)).collect(),
        Value::Array(list) if list.iter().any(|item| item.is_object() || item.is_array()) => {
            list.iter().enumerate().flat_map(|(i, value)| lines(&below(&i.to_string()), value)).collect()
        }
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            vec![format!("{path}: {text}")]
        }
        other => vec![format!("{path}: {other}")],
    }
}
