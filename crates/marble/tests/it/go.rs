//! Existing marbles work unchanged: a Go program that knows only `ego/marble`, started by the premain, under a real
//! Coordinator.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use marblerun_testkit::program::{Coordinator, Options};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const MANIFEST: &str = r#"{
    "Packages": {"go": {"UniqueID": "6060606060606060606060606060606060606060606060606060606060606060"}},
    "Marbles": {
        "server": {"Package": "go", "Parameters": {"Argv": ["./marble"], "Env": {"GREETING": "hello"}}},
        "client": {"Package": "go"}
    }
}"#;

#[tokio::test]
async fn a_go_program_serves_and_calls_with_the_mesh_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = build(folder.path()) else { return };
    let manifest = folder.path().join("manifest.json");
    std::fs::write(&manifest, MANIFEST).unwrap();
    let options = Options::default().env("EDG_STARTUP_MANIFEST", manifest.to_str().unwrap());
    let coordinator = Coordinator::start(options).unwrap();

    let mut server = premain(&coordinator, folder.path(), "server").stdout(Stdio::piped()).spawn().unwrap();
    let address = format!("localhost:{}", first_line(&mut server).await);
    let mut client = premain(&coordinator, folder.path(), "client");
    let answer = output(client.arg(&program).args(["call", &address])).await;

    let uuid = |marble| std::fs::read_to_string(folder.path().join(marble)).unwrap();
    let wanted = format!("hello {}, says {}", uuid("client"), uuid("server"));
    assert_eq!(
        String::from_utf8_lossy(&answer.stdout),
        wanted,
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    let stranger = output(Command::new(&program).args(["call", &address])).await;
    assert!(!stranger.status.success(), "without the variables there is no TLS configuration");
}

/// The premain for a marble of this type, with a UUID file of that name; killed when dropped.
fn premain(coordinator: &Coordinator, folder: &Path, marble_type: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_marblerun-premain"));
    command
        .env_clear()
        .env("OE_SIMULATION", "1")
        .env("EDG_MARBLE_COORDINATOR_ADDR", coordinator.mesh_addr.to_string())
        .env("EDG_MARBLE_TYPE", marble_type)
        .env("EDG_MARBLE_UUID_FILE", marble_type)
        .env("EDG_MARBLE_ACTIVATION_TIMEOUT", "30s")
        .current_dir(folder)
        .kill_on_drop(true);
    command
}

async fn output(command: &mut Command) -> Output {
    command.output().await.unwrap()
}

async fn first_line(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next_line().await.unwrap().expect("the program says where it listens")
}

/// The program `marble` in `folder`; `None`, said aloud, where Go or the module cannot be had.
fn build(folder: &Path) -> Option<PathBuf> {
    if let Err(why) = go(&["mod", "download", "github.com/edgelesssys/ego"]) {
        let why = why.lines().last().unwrap_or_default().to_owned();
        // Past the capturing of tests, so that it is read.
        let _ = writeln!(std::io::stderr(), "SKIPPED: the check with a Go marble: {why}");
        return None;
    }
    let program = folder.join("marble");
    go(&["build", "-o", program.to_str().unwrap(), "."]).expect("the Go program builds");
    Some(program)
}

fn go(arguments: &[&str]) -> Result<(), String> {
    let output = std::process::Command::new("go")
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go"))
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .output()
        .map_err(|error| format!("go does not start: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
