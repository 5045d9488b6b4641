//! T1: whoever issues evidence fails in every way that we can think of, for a marble and for the Coordinator: at start, at
//! restart and while it runs. Nobody is admitted without evidence, nobody falls back to simulation, and all is well again
//! when the issuer is.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use crate::attested::Mesh;

/// What stands in the place of the issuer.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Nothing.
    Absent,
    /// A file that is no socket.
    File,
    /// Closes the connection without reading.
    HangsUp,
    /// Answers this to every question.
    Says(&'static str),
    /// Says what kind of TEE it is, and this to every other question.
    SaysLater(&'static str),
    /// Never answers.
    Silent,
}

/// What no question is answered with.
const NONSENSE: [&str; 11] = [
    "",
    "\n",
    "no JSON\n",
    "null\n",
    "{}\n",
    "[]\n",
    "{\"kind\":\n",
    "{\"kind\":\"sgx\",\"evidence\":\"00\"}\n",
    "{\"kind\":\"simulation\"}\n",
    "{\"evidence\":\"0\"}\n",
    "{\"refused\":\"the device is out of order\"}\n",
];

/// Answers of the right form with nothing of worth in them.
const WORTHLESS: [&str; 4] = [
    "{\"kind\":\"sgx\"}\n",
    "{\"evidence\":\"\"}\n",
    "{\"evidence\":\"03000200\"}\n",
    "{\"evidence\":\"00000000000000000000000000000000\"}\n",
];

fn faults() -> Vec<Fault> {
    let mut all = vec![Fault::Absent, Fault::File, Fault::HangsUp];
    all.extend(NONSENSE.map(Fault::Says));
    all.extend(NONSENSE.map(Fault::SaysLater));
    all.extend(WORTHLESS.map(Fault::SaysLater));
    all
}

/// The real issuer is moved aside until this is dropped.
struct Failing {
    socket: PathBuf,
    aside: PathBuf,
}

impl Failing {
    fn new(mesh: &Mesh, fault: Fault) -> Self {
        let path = |name| mesh.lab.desk.path(name);
        let failing = Self { socket: path("tee/default.sock"), aside: path("tee/aside.sock") };
        fs::rename(&failing.socket, &failing.aside).unwrap();
        match fault {
            Fault::Absent => {}
            Fault::File => fs::write(&failing.socket, "no socket").unwrap(),
            fault => {
                let listener = UnixListener::bind(&failing.socket).unwrap();
                thread::spawn(move || serve(&listener, fault));
            }
        }
        failing
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
        let _ = fs::rename(&self.aside, &self.socket);
    }
}

fn serve(listener: &UnixListener, fault: Fault) {
    let mut unanswered = Vec::new();
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        match fault {
            Fault::Says(answer) => say(&stream, answer, answer),
            Fault::SaysLater(answer) => say(&stream, "{\"kind\":\"sgx\"}\n", answer),
            Fault::Silent => unanswered.push(stream),
            _ => drop(stream),
        }
    }
}

fn say(mut stream: &UnixStream, kind: &str, other: &str) {
    let mut question = String::new();
    let _ = BufReader::new(stream).read_line(&mut question);
    let answer = if question.contains("\"ask\":\"kind\"") { kind } else { other };
    // Who asked may have gone.
    let _ = stream.write_all(answer.as_bytes());
}

fn mesh() -> Mesh {
    let mesh = Mesh::new();
    mesh.set(&mesh.manifest(&mesh.sign(&[])));
    mesh
}

impl Mesh {
    /// How often the Coordinator admitted somebody.
    fn admissions(&self) -> usize {
        self.coordinator.log().matches("marble activated").count()
    }

    #[track_caller]
    fn nobody_is_admitted(&self, fault: Fault) {
        let before = self.admissions();
        let why = self.start_with(&[]).unwrap_err();
        assert!(!why.contains("panicked") && !why.contains("SIMULATION"), "{fault:?}: {why}");
        assert!(why.contains("marblerun-premain: "), "{fault:?}: it says why: {why}");
        assert_eq!(self.admissions(), before, "{fault:?}");
    }
}

#[test]
fn a_marble_whose_issuer_fails_is_not_admitted() {
    let mesh = mesh();
    assert!(faults().len() > 20);
    for fault in faults() {
        let failing = Failing::new(&mesh, fault);
        mesh.nobody_is_admitted(fault);
        drop(failing);
    }
    mesh.admitted();
}

/// An issuer that never answers is given up after half a minute.
#[test]
fn a_marble_whose_issuer_is_silent_gives_up() {
    let mesh = mesh();
    let failing = Failing::new(&mesh, Fault::Silent);
    let why = mesh.start_with(&[]).unwrap_err();
    assert!(why.contains("no TEE answers at"), "{why}");
    drop(failing);
    mesh.admitted();
}

#[test]
fn a_running_coordinator_whose_issuer_fails_verifies_all_the_same() {
    let mesh = mesh();
    mesh.admitted();
    for fault in faults() {
        let _failing = Failing::new(&mesh, fault);
        mesh.nobody_is_admitted(fault);
        let address = mesh.coordinator.client_addr.to_string();
        let status = mesh.lab.desk.done(&["status", &address, "--insecure"]);
        assert!(status.starts_with("3:") && !status.contains("simulation"), "{fault:?}: {status}");
    }
    mesh.admitted();
}

#[test]
fn a_coordinator_whose_issuer_fails_at_start_serves_nobody() {
    let mut mesh = mesh();
    for fault in faults() {
        mesh.coordinator.kill().unwrap();
        let failing = Failing::new(&mesh, fault);
        let started = mesh.coordinator.start_again();
        if let Err(error) = &started {
            let error = error.to_string();
            assert!(error.contains("exit status: 1") && !error.contains("panicked"), "{fault:?}: {error}");
        }
        drop(failing);
        // Where it did start, it is in recovery: its key did not open. The marbles' issuer works, and yet:
        let why = mesh.start_with(&[]).expect_err("a marble of a Coordinator that lost its issuer");
        assert!(started.is_err() || why.contains("cannot accept marbles in state 1"), "{fault:?}: {why}");
    }
    assert!(!mesh.coordinator.log().contains("SIMULATION"));
    mesh.coordinator.restart().unwrap();
    mesh.admitted();
}
