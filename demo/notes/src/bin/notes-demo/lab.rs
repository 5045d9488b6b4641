//! The software TEE in which everything runs, and the programs that are signed for it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::operator::Operator;
use crate::process::{Process, command, open, pause, tail};
use crate::programs::Programs;

/// The programs that prove what they are.
const MEASURED: [&str; 4] = ["marblerun-coordinator", "marblerun-premain", "notes-server", "notes-client"];

/// What the operator's tool is called with.
pub(crate) const TEE: &str = "tee";

/// A running software TEE. It ends when this is dropped.
pub(crate) struct Lab {
    _process: Process,
    /// Where collateral is served.
    pub(crate) collateral: String,
}

impl Lab {
    /// Starts it in the operator's folder, and copies the programs there, so that signing touches no build folder.
    pub(crate) async fn start(programs: &Programs, folder: &Path) -> anyhow::Result<Self> {
        install(programs, &folder.join("bin"))?;
        let log = folder.join("tee.log");
        let mut command = command(programs.path("marblerun"));
        command.args(["emulator", "run", TEE, "--listen", "127.0.0.1:0"]).current_dir(folder);
        command.stdout(open(&log)?).stderr(open(&log)?);
        let mut process = Process::start("the software TEE", &mut command)?;
        let (url, socket) = (folder.join(TEE).join("collateral.url"), folder.join(TEE).join("default.sock"));
        while !(url.exists() && socket.exists()) {
            if let Some(status) = process.ended()? {
                bail!("the software TEE ended with {status}; its log:\n{}", tail(&log));
            }
            pause().await;
        }
        let collateral = std::fs::read_to_string(url)?.trim().to_owned();
        Ok(Self { _process: process, collateral })
    }
}

fn install(programs: &Programs, bin: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(bin)?;
    for program in MEASURED {
        std::fs::copy(programs.path(program), bin.join(program))
            .with_context(|| format!("copying {program}"))?;
    }
    Ok(())
}

/// Signs a program with the demo's key; what a manifest names.
pub(crate) async fn sign(operator: &Operator, arguments: &[&str]) -> anyhow::Result<Value> {
    let output = operator.run(arguments).await?.stdout;
    serde_json::from_str(&output).with_context(|| format!("the tool printed {output:?}"))
}

/// One byte more at the end of a program: it runs as before, and is another one. Returns what undoes it.
pub(crate) fn change(program: &Path) -> anyhow::Result<Undo> {
    let before = std::fs::read(program)?;
    let mut file = std::fs::OpenOptions::new().append(true).open(program)?;
    file.write_all(b"!")?;
    Ok(Undo { program: program.to_owned(), before })
}

/// Puts a program back as it was.
pub(crate) struct Undo {
    program: PathBuf,
    before: Vec<u8>,
}

impl Undo {
    pub(crate) fn undo(self) -> anyhow::Result<()> {
        Ok(std::fs::write(self.program, self.before)?)
    }
}
