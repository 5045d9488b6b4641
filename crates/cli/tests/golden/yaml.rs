//! YAML documents and the JSON that they become.

use std::path::Path;

use marblerun_cli::document::{Document, fingerprint};
use marblerun_testkit::golden::Report;
use serde_json::Value;

pub(crate) fn check_all(golden: &Path, wanted: &dyn Fn(&str) -> bool, report: &mut Report) {
    let Ok(text) = std::fs::read(golden.join("yaml.json")) else {
        return report.skip("yaml", "yaml.json is not there");
    };
    let cases: Vec<Value> = serde_json::from_slice(&text).expect("yaml.json is JSON");
    for case in cases {
        let name = format!("yaml: {}", case["name"].as_str().unwrap_or_default());
        if wanted(&name) {
            report.case(&name, check(&case));
        }
    }
}

fn check(case: &Value) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let path = folder.path().join("manifest");
    std::fs::write(&path, case["yaml"].as_str().unwrap_or_default()).map_err(|e| e.to_string())?;
    let document = Document::read(&path);
    let may_refuse = case["error"] == true || case["may_refuse"] == true;
    match (document, case["json"].as_str()) {
        (Err(_), _) if may_refuse => Ok(()),
        (Err(error), _) => Err(format!("refused: {error}")),
        (Ok(document), None) => Err(format!("accepted as {}", String::from_utf8_lossy(document.json()))),
        (Ok(document), Some(expected)) if document.json() != expected.as_bytes() => {
            Err(format!("{}\ninstead of\n{expected}", String::from_utf8_lossy(document.json())))
        }
        (Ok(document), _) if case["sha256"] != fingerprint(document.json()).as_str() => {
            Err("another hash".into())
        }
        (Ok(_), _) => Ok(()),
    }
}
