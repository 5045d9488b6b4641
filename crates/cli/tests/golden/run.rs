//! One recorded run: a working folder, perhaps a Coordinator, and steps.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marblerun_testkit::program::{Coordinator, Options};
use serde_json::Value;
use tempfile::TempDir;

use crate::{holder, step};

/// Where a run's steps happen.
pub(crate) struct Stage {
    pub(crate) golden: PathBuf,
    /// The working folder, with `config` in it.
    pub(crate) folder: TempDir,
    pub(crate) home: TempDir,
    pub(crate) coordinator: Option<Coordinator>,
    /// Nobody listens there.
    closed: SocketAddr,
}

pub(crate) fn check(golden: &Path, name: &str) -> Result<(), String> {
    let text = fs::read(golden.join("runs").join(format!("{name}.json"))).map_err(|e| e.to_string())?;
    let run: Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    let mut stage = Stage::new(golden, &run)?;
    let mut problems = Vec::new();
    for (number, step) in run["steps"].as_array().into_iter().flatten().enumerate() {
        match stage.step(step) {
            Ok(()) => {}
            Err(problem) => problems.push(format!("step {}: {problem}", number + 1)),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

impl Stage {
    fn new(golden: &Path, run: &Value) -> Result<Self, String> {
        let temporary = || tempfile::tempdir().map_err(|e| e.to_string());
        let (folder, home) = (temporary()?, temporary()?);
        for input in run["inputs"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            fs::copy(golden.join("inputs").join(input), folder.path().join(input))
                .map_err(|e| format!("{input}: {e}"))?;
        }
        let coordinator = match run["coordinator"] == true {
            true => Some(Coordinator::start(Options::default()).map_err(|e| format!("{e:#}"))?),
            false => None,
        };
        let closed =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).map_err(|e| e.to_string())?;
        Ok(Self { golden: golden.to_owned(), folder, home, coordinator, closed })
    }

    fn step(&mut self, step: &Value) -> Result<(), String> {
        match step["do"].as_str() {
            None => step::check(self, step),
            Some("write") => {
                let text = step["text"].as_str().ok_or("no text")?;
                let to = step["to"].as_str().ok_or("no name")?;
                fs::write(self.folder.path().join(to), text).map_err(|e| e.to_string())
            }
            Some("unpack") => self.unpack(step),
            Some("decrypt") => {
                holder::decrypt(self.folder.path(), &self.inputs(step, ["key", "from", "to"])?)
            }
            Some("check-signature") => {
                holder::check_signature(self.folder.path(), &self.inputs(step, ["key", "signature", "over"])?)
            }
            Some(action) => self.coordinator_step(action).map_err(|e| format!("{action}: {e}")),
        }
    }

    /// A base64 field of a JSON file, as a file of its own.
    fn unpack(&self, step: &Value) -> Result<(), String> {
        let [from, to] = self.inputs(step, ["from", "to"])?;
        let path = |name: &str| self.folder.path().join(name);
        let text = fs::read(path(&from)).map_err(|e| format!("{from}: {e}"))?;
        let json: Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
        let field = step["field"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let text = field.fold(&json, |value, name| &value[name]).as_str().ok_or("no such field")?;
        fs::write(path(&to), STANDARD.decode(text).map_err(|e| e.to_string())?).map_err(|e| e.to_string())
    }

    fn inputs<const N: usize>(&self, step: &Value, names: [&str; N]) -> Result<[String; N], String> {
        match names.iter().find(|name| !step[**name].is_string()) {
            Some(name) => Err(format!("the step has no {name:?}")),
            None => Ok(names.map(|name| step[name].as_str().unwrap_or_default().to_owned())),
        }
    }

    fn coordinator_step(&mut self, action: &str) -> Result<(), String> {
        let coordinator = self.coordinator.as_mut().ok_or("this run has no Coordinator")?;
        let done = match action {
            "restart" => coordinator.restart(),
            "replace" => coordinator.wipe(),
            "lose-key" => coordinator
                .kill()
                .and_then(|()| coordinator.remove_file("sealed_key"))
                .and_then(|()| coordinator.start_again()),
            _ => return Err("this step is not known".into()),
        };
        done.map_err(|e| format!("{e:#}"))
    }

    /// An argument or expected word with its placeholders filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        let address = self.coordinator.as_ref().map(|coordinator| coordinator.client_addr);
        let filled = text.replace("{closed}", &self.closed.to_string());
        let Some(address) = address else { return filled };
        filled.replace("{addr}", &address.to_string()).replace("{port}", &address.port().to_string())
    }

    /// All files of the working folder: content and mode.
    pub(crate) fn files(&self) -> BTreeMap<String, (Vec<u8>, u32)> {
        let mut files = BTreeMap::new();
        crate::folder::read(self.folder.path(), "", &mut files);
        files
    }
}
