//! Runs recorded scenarios against a Coordinator process.
//!
//! A scenario is a fresh Coordinator, a list of steps, and the answer that was recorded for each; `testdata/golden/api`
//! has the recordings and a page on their form. Every step of every kind is checked; nothing here knows what a
//! Coordinator ought to answer, nor which step is excused.

mod crypto;
mod expression;
mod facts;
mod file;
mod json;
mod matcher;
mod metrics;
mod pem;
mod placeholder;
mod steps;
mod x509;

use std::path::Path;

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;

use crate::program::{Coordinator, Options};
use expression::Saved;
use file::Scenario;
use json::Json;

/// A step whose answer was another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// From 1.
    pub step: usize,
    /// What it does, for example `POST /manifest`.
    pub what: String,
    /// Why it is so, as the recording remarks; may be empty.
    pub say: String,
    /// The Coordinator answered 501: the route is not built yet.
    pub not_built: bool,
    /// Every difference, with its place in the answer.
    pub reasons: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let remark = if self.say.is_empty() { String::new() } else { format!(" ({})", self.say) };
        write!(f, "step {}: {}{remark}", self.step, self.what)?;
        self.reasons.iter().try_for_each(|reason| write!(f, "\n    {reason}"))
    }
}

/// Runs the scenario in `path` from start to end and says which steps failed.
///
/// A step that fails does not end the scenario: those that follow often stand for themselves.
///
/// # Errors
/// If the scenario cannot be read or the Coordinator does not start.
pub fn run(path: &Path, options: &Options) -> Result<Vec<Failure>> {
    let scenario = Scenario::load(path)?;
    let mut options = options.clone();
    options.env.extend(scenario.environment()?);
    let mut run = Run {
        coordinator: Coordinator::start(options)?,
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().context("runtime")?,
        saved: Saved::new(),
        scenario,
    };
    let steps = run.scenario.steps.clone();
    Ok(steps.iter().enumerate().filter_map(|(index, step)| run.judge(index + 1, step)).collect())
}

/// A scenario on its way.
struct Run {
    scenario: Scenario,
    coordinator: Coordinator,
    runtime: Runtime,
    saved: Saved,
}

/// What a step found to be different.
#[derive(Debug, Default)]
struct Outcome {
    reasons: Vec<String>,
    not_built: bool,
}

impl Run {
    fn judge(&mut self, number: usize, step: &Json) -> Option<Failure> {
        let outcome = self
            .step(step)
            .unwrap_or_else(|why| Outcome { reasons: vec![format!("{why:#}")], not_built: false });
        (!outcome.reasons.is_empty()).then(|| Failure {
            step: number,
            what: describe(step),
            say: step.field_text("say").unwrap_or_default().to_owned(),
            not_built: outcome.not_built,
            reasons: outcome.reasons,
        })
    }
}

fn describe(step: &Json) -> String {
    let text = |name| step.field_text(name).unwrap_or_default();
    match text("do") {
        "http" => format!("{} {}", text("method"), text("path")),
        "activate" => format!("activate {:?}", text("type")),
        "tls" => format!("tls {}", text("listener")),
        "let" => format!("let {}", text("name")),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_well() {
        let failure = Failure {
            step: 3,
            what: "GET /status".into(),
            say: "again".into(),
            not_built: false,
            reasons: vec!["/http: expected 200, seen 500".into(), "/data: expected {}, seen null".into()],
        };
        assert_eq!(
            failure.to_string(),
            "step 3: GET /status (again)\n    /http: expected 200, seen 500\n    /data: expected {}, seen null"
        );
    }

    /// Every recording, with its steps.
    fn recordings() -> Vec<(String, Scenario)> {
        let Some(folder) = crate::golden::folder("api") else { return Vec::new() };
        let files =
            std::fs::read_dir(folder).expect("the recordings").map(|entry| entry.expect("an entry").path());
        let scenarios = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        scenarios
            .map(|path| (path.display().to_string(), Scenario::load(&path).expect("a scenario")))
            .collect()
    }

    /// The bytes that are uploaded are those that were recorded: their hashes stand in the answers.
    #[test]
    fn uploaded_bytes_have_the_recorded_fingerprints() {
        let mut checked = 0;
        for (path, scenario) in recordings() {
            for step in &scenario.steps {
                let recorded = ["/answer/data/manifestFingerprint", "/answer/data/ManifestSignature"];
                for fingerprint in recorded.iter().filter_map(|pointer| step.at(pointer)?.as_text()) {
                    let known = scenario.manifest_names().any(|name| {
                        let bytes = scenario.manifest(&Json::text(name)).expect("a manifest");
                        hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes))
                            == fingerprint
                    });
                    assert!(known || fingerprint.is_empty(), "{path}: {fingerprint}");
                    checked += usize::from(known);
                }
            }
        }
        assert!(checked > 20 || recordings().is_empty(), "{checked} fingerprints");
    }

    /// Whatever looks like a placeholder is one, but for the few texts that the recordings mean literally.
    #[test]
    fn every_placeholder_is_known() {
        for (path, scenario) in recordings() {
            for answer in scenario.steps.iter().filter_map(|step| step.field("answer")) {
                let check = &mut |text: &str| {
                    let looks = text.starts_with('<') && text.ends_with('>');
                    let literal = ["<pear>", "<refused>", "<fail or error>"].contains(&text);
                    assert!(
                        !looks || literal || placeholder::Placeholder::parse(text).is_some(),
                        "{path}: {text}"
                    );
                    Ok(text.to_owned())
                };
                answer.map_texts(check).expect("a walk");
            }
        }
    }

    #[test]
    fn every_kind_of_step_has_a_name() {
        let step = |text| describe(&Json::parse(text).expect("JSON"));
        assert_eq!(step(r#"{"do":"http","method":"GET","path":"/x"}"#), "GET /x");
        assert_eq!(step(r#"{"do":"activate","type":"press"}"#), "activate \"press\"");
        assert_eq!(step(r#"{"do":"restart"}"#), "restart");
    }
}
