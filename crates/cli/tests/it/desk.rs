//! A working folder, and the program called in it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use marblerun_testkit::program::{Coordinator, Options};
use tempfile::TempDir;

/// A manifest that every Coordinator takes.
pub(crate) const MANIFEST: &str = r#"{"Packages":{"p":{"UniqueID":"1111111111111111111111111111111111111111111111111111111111111111"}},"Marbles":{"m":{"Package":"p"}}}"#;

/// Where an operator sits.
pub(crate) struct Desk {
    folder: TempDir,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        desk.write("manifest.json", MANIFEST);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn call(&self, args: &[&str]) -> Call {
        self.call_in(&[], args)
    }

    /// The same, with more in the environment.
    pub(crate) fn call_in(&self, environment: &[(&str, &str)], args: &[&str]) -> Call {
        let output = Command::new(env!("CARGO_BIN_EXE_marblerun"))
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("SOFTHSM2_CONF", self.folder.path().join("softhsm2.conf"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Call {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Whether OpenSSL does it, in this folder.
    pub(crate) fn openssl(&self, args: &[&str]) -> bool {
        let output =
            Command::new("openssl").args(args).current_dir(self.folder.path()).stdin(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success())
    }

    /// A call that must succeed; its standard output.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let call = self.call(args);
        assert_eq!(call.code, 0, "{args:?}: {call:?}");
        call.stdout
    }

    /// A call that must fail and say `words` on standard error.
    pub(crate) fn refused(&self, args: &[&str], words: &str) -> Call {
        let call = self.call(args);
        assert!(call.code == 1 && call.stderr.contains(words), "{args:?}, {words:?}: {call:?}");
        call
    }
}

pub(crate) fn coordinator() -> (Coordinator, String) {
    let coordinator = Coordinator::start(Options::default()).unwrap();
    let address = coordinator.client_addr.to_string();
    (coordinator, address)
}
