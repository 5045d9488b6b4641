//! `marblerun log verify`: a history that goes on, one that was rolled back, and one that was forked.

use std::path::{Path, PathBuf};

use marblerun_testkit::program::Coordinator;
use serde_json::Value;

use crate::desk::Desk;
use crate::secrets::{ALICE, desk};

/// A deployment with a user, whose sealed state can be put back.
struct Scene {
    desk: Desk,
    coordinator: Coordinator,
}

impl Scene {
    fn new() -> Self {
        let (desk, coordinator, _) = desk();
        desk.write("abc.json", r#"{"note":{"Key":"YWJj"}}"#);
        desk.write("xyz.json", r#"{"note":{"Key":"eHl6"}}"#);
        Self { desk, coordinator }
    }

    fn address(&self) -> String {
        self.coordinator.client_addr.to_string()
    }

    fn set(&self, file: &str) {
        self.desk.done(&[&["secret", "set", file, &self.address()], &ALICE[..]].concat());
    }

    fn read(&self) {
        self.desk.done(&[&["secret", "get", "note", &self.address()], &ALICE[..]].concat());
    }

    fn verify(&self) -> Value {
        let address = self.address();
        let out = self.desk.done(&["log", "verify", &address, "--format", "json"]);
        serde_json::from_str(&out).unwrap()
    }

    fn alarm(&self, words: &str) -> String {
        self.desk.refused(&["log", "verify", &self.address()], words).stderr
    }

    fn copy(&self, name: &str) {
        copy(&self.coordinator.seal_dir, &self.desk.path(name));
    }

    /// What whoever runs the machine can do: the state of `name` is there again.
    fn put_back(&mut self, name: &str) {
        self.coordinator.kill().unwrap();
        copy(&self.desk.path(name), &self.coordinator.seal_dir);
        self.coordinator.start_again().unwrap();
    }

    fn remembered(&self) -> PathBuf {
        let files = std::fs::read_dir(self.desk.path("config/marblerun")).unwrap();
        let mut names = files.map(|file| file.unwrap().path());
        let is_it = |path: &PathBuf| {
            path.to_string_lossy().contains("log-checkpoint")
                && !path.to_string_lossy().contains("contradiction")
        };
        names.find(is_it).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["sealed_data", "sealed_key"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn a_history_that_goes_on_is_printed_and_remembered() {
    let mut scene = Scene::new();
    let first = scene.verify();
    assert_eq!((&first["outcome"], &first["now"]["size"]), (&"ok".into(), &1.into()));
    assert_eq!(first["remembered"], Value::Null);
    for file in ["abc.json", "xyz.json"] {
        scene.set(file);
        scene.coordinator.restart().unwrap();
    }
    let second = scene.verify();
    assert_eq!((&second["now"]["size"], &second["remembered"]), (&3.into(), &first["now"]));
    let address = scene.address();
    let printed = scene.desk.call(&["log", "verify", &address]);
    assert!(printed.stderr.contains("goes on from 3 entries"), "{printed:?}");
    let lines: Vec<_> = printed.stdout.lines().collect();
    assert!(lines[0].ends_with("Initial manifest set") && lines.len() == 3, "{printed:?}");
    assert!(lines[2].contains("Secret set  secret=note  type=plain  user=alice"), "{printed:?}");
    let note = std::fs::read_to_string(scene.remembered()).unwrap();
    assert!(note.starts_with("marblerun/") && note.contains("\n3\n"), "{note}");
}

#[test]
fn a_roll_back_is_noticed_even_of_what_is_not_in_the_log() {
    let mut scene = Scene::new();
    scene.copy("before");
    scene.set("abc.json");
    scene.copy("set");
    scene.read();
    let before = scene.verify();
    let note = std::fs::read(scene.remembered()).unwrap();
    // A read is a record of the journal, and no entry of the log.
    scene.put_back("set");
    let alarm = scene.alarm("ALARM: the Coordinator's history was rolled back");
    assert!(alarm.contains("Do not trust this Coordinator"), "{alarm}");
    scene.put_back("before");
    scene.alarm("2 entries");
    let out = scene.desk.call(&["log", "verify", &scene.address(), "--format", "json"]);
    let json: Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!((&json["outcome"], &json["remembered"]), (&"roll-back".into(), &before["now"]));
    assert_eq!(std::fs::read(scene.remembered()).unwrap(), note, "what is remembered stays");
    let proof = scene.remembered().with_extension("contradiction.txt");
    assert!(std::fs::read_to_string(proof).unwrap().contains("\n1\n"));
    // Growing past the remembered number does not heal it.
    scene.set("abc.json");
    scene.set("abc.json");
    scene.set("abc.json");
    scene.alarm("ALARM: the Coordinator's history was forked");
}

#[test]
fn a_fork_of_the_same_length_is_noticed() {
    let mut scene = Scene::new();
    scene.copy("before");
    scene.set("abc.json");
    scene.verify();
    scene.put_back("before");
    scene.set("xyz.json");
    scene.alarm("ALARM: the Coordinator's history was forked");
}

#[test]
fn what_is_remembered_cannot_be_changed_unnoticed_and_belongs_to_one_deployment() {
    let scene = Scene::new();
    scene.verify();
    let file = scene.remembered();
    let note = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, note.replace("\n1\n", "\n0\n")).unwrap();
    scene.alarm("changed or damaged");
    std::fs::write(&file, &note).unwrap();
    scene.verify();
    // Another deployment is somebody else: its certificate is not the trusted one.
    let (other, address) = crate::desk::coordinator();
    scene.desk.refused(&["log", "verify", &address], "did not prove to be the trusted Coordinator");
    scene.desk.refused(&["log", "verify", &address, "-i"], "no manifest is set");
    drop(other);
}
