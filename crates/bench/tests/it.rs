//! The program as a whole, against its own floor server.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_marblerun-bench");

/// A floor server that ends with its standard input.
struct Floor {
    process: Child,
    input: Option<ChildStdin>,
    address: String,
}

impl Floor {
    fn start() -> Self {
        let mut process = Command::new(PROGRAM)
            .args(["floor", "--tied", "--seconds", "60"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        Self { input: process.stdin.take(), process, address }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

fn bench(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn load(floor: &Floor, more: &[&str]) -> Output {
    let pid = floor.process.id().to_string();
    let fixed = ["load", "--address", &floor.address, "--pid", &pid, "--type", "web", "--in-flight", "2"];
    bench(&[&fixed, more].concat())
}

#[test]
fn json_of_a_short_load() {
    let output = load(&Floor::start(), &["--seconds", "0.2", "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = &report["rows"][0];
    assert!(row["activations"].as_u64().unwrap() > 0, "{row}");
    assert_eq!(row["failures"], 0, "{row}");
    for field in ["per_second", "p50_ms", "p99_ms", "server_cpu_ms", "client_cpu_ms"] {
        assert!(row[field].as_f64().unwrap() > 0.0, "{field}: {row}");
    }
    assert!(row["memory"]["resident_mb"].as_f64().unwrap() > 0.0, "{row}");
}

#[test]
fn a_count_is_kept_and_shown_in_the_table() {
    let output = load(&Floor::start(), &["--activations", "5", "--key-exchange", "x25519-mlkem768"]);
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    let row = table.lines().find(|line| line.starts_with("127.0.0.1:")).unwrap();
    assert_eq!(row.split_whitespace().nth(1), Some("5"), "{table}");
}

#[test]
fn a_server_that_is_gone_is_a_failure_that_says_why() {
    let floor = Floor::start();
    let address = floor.address.clone();
    drop(floor);
    let output = bench(&["load", "--address", &address, "--type", "web", "--activations", "1"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("connect"), "{output:?}");
}

#[test]
fn what_is_refused_before_anything_is_sent() {
    let cases: [(&str, &[&str], &str); 3] = [
        ("another machine", &["load", "--address", "192.0.2.1:2001", "--type", "web"], "--allow-remote"),
        ("no such Coordinator", &["run", "--coordinator", "/nonexistent/coordinator"], "--coordinator"),
        ("no type", &["load", "--address", "127.0.0.1:1"], "--type"),
    ];
    for (name, arguments, hint) in cases {
        let output = bench(arguments);
        assert!(!output.status.success(), "{name}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(hint), "{name}: {output:?}");
    }
}
