//! A desk with a software TEE beside it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use marblerun_testkit::program::{Coordinator, Options, Process, build};
use serde_json::Value;

use crate::desk::{Call, Desk};

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A desk with an emulator that runs, and a copy of `marblerun` that can be signed and tampered with.
pub(crate) struct Lab {
    pub(crate) desk: Desk,
    pub(crate) program: PathBuf,
    pub(crate) emulator: Process,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let desk = Desk::new();
        let program = desk.path("program");
        fs::copy(env!("CARGO_BIN_EXE_marblerun"), &program).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_marblerun"));
        command.args(["emulator", "run", "--listen", "127.0.0.1:0"]).arg(desk.path("tee"));
        let mut emulator = Process::start(&mut command, &desk.path("log")).unwrap();
        emulator.wait_for_log("collateral: http", SOON).unwrap();
        desk.done(&["emulator", "key", "key.pem"]);
        Self { desk, program, emulator }
    }

    pub(crate) fn sign(&self, flags: &[&str]) -> Value {
        let sign = ["emulator", "sign", "program", "--key", "key.pem"];
        serde_json::from_str(&self.desk.done(&[&sign[..], flags].concat())).unwrap()
    }

    /// The copy asks for evidence about itself.
    pub(crate) fn ask(&self) -> Call {
        let socket = self.desk.path("tee/default.sock");
        let output = Command::new(&self.program)
            .args(["emulator", "evidence", "--report-data", "c0ffee", "-o", "evidence"])
            .arg(socket)
            .current_dir(self.desk.path(""))
            .env_clear()
            .output()
            .unwrap();
        Call {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn evidence(&self) -> Vec<u8> {
        let call = self.ask();
        assert_eq!(call.code, 0, "{call:?}");
        fs::read(self.desk.path("evidence")).unwrap()
    }

    /// Where collateral is served.
    pub(crate) fn url(&self) -> String {
        self.desk.read("tee/collateral.url").trim().to_owned()
    }

    /// A Coordinator that proves itself by this emulator, and its package as an era-config names it.
    pub(crate) fn coordinator(&self) -> (Coordinator, Value) {
        let (options, package) = self.options(&self.url());
        (Coordinator::start(options).unwrap(), package)
    }

    /// What such a Coordinator is started with, if collateral comes from `pccs`; and its package.
    pub(crate) fn options(&self, pccs: &str) -> (Options, Value) {
        let built = build("marblerun-coordinator", "marblerun-coordinator").unwrap();
        let program = self.desk.path("coordinator");
        fs::copy(built, &program).unwrap();
        let package = self.desk.done(&["emulator", "sign", "coordinator", "--key", "key.pem", "--svn", "2"]);
        let socket = self.desk.path("tee/default.sock").display().to_string();
        let options = Options { program: Some(program), ..Options::default() };
        let options = Options { env: vec![("OE_SIMULATION".into(), None)], ..options };
        let options = options.env("EDG_EMULATOR", &socket).env("EDG_PCCS_URL", pccs);
        (options, serde_json::from_str(&package).unwrap())
    }
}
