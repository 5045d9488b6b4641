//! One call of the program, and everything that it left behind.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::folder;
use crate::matcher::{matches, without_defaults};
use crate::run::Stage;

pub(crate) fn check(stage: &Stage, step: &Value) -> Result<(), String> {
    let before = stage.files();
    let output = call(stage, step)?;
    let said = format!(
        "{}\n-- stderr\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let checked = check_exit(step, &output)
        .and_then(|()| check_words(stage, step, &said))
        .and_then(|()| check_machine(step, &String::from_utf8_lossy(&output.stdout)))
        .and_then(|()| folder::check(step, &before, &stage.files(), &stage.golden.join("inputs")));
    checked.map_err(|problem| format!("{}\n{problem}\n-- stdout\n{said}", step["args"]))
}

fn call(stage: &Stage, step: &Value) -> Result<Output, String> {
    let args = step["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Command::new(env!("CARGO_BIN_EXE_marblerun"))
        .args(args.map(|arg| stage.fill(arg)))
        .current_dir(stage.folder.path())
        .env_clear()
        .env("HOME", stage.home.path())
        .env("XDG_CONFIG_HOME", stage.folder.path().join("config"))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())
}

/// A failure says why, on standard error.
fn check_exit(step: &Value, output: &Output) -> Result<(), String> {
    let code = output.status.code();
    if step["exit"] != code.map_or(Value::Null, Value::from) {
        return Err(format!("ended with {code:?} instead of {}", step["exit"]));
    }
    match code {
        Some(1) if output.stderr.is_empty() => Err("it failed without a word on standard error".into()),
        _ => Ok(()),
    }
}

fn check_words(stage: &Stage, step: &Value, said: &str) -> Result<(), String> {
    let words = step["says"].as_array().into_iter().flatten().filter_map(Value::as_str);
    match words.map(|word| stage.fill(word)).find(|word| !said.contains(word)) {
        Some(word) => Err(format!("it does not say {word:?}")),
        None => Ok(()),
    }
}

/// JSON at the end of standard output; lines for people may stand before it.
fn check_machine(step: &Value, stdout: &str) -> Result<(), String> {
    let machine = &step["machine"];
    let prune = |value: &Value| {
        if step["without_defaults"] == true { without_defaults(value) } else { value.clone() }
    };
    let found = match machine["kind"].as_str() {
        None => return Ok(()),
        Some("json") => last_value(stdout).ok_or("standard output does not end with JSON")?,
        Some(_) => last_lines(stdout, machine["value"].as_array().map_or(0, Vec::len))?,
    };
    matches(&prune(&machine["value"]), &prune(&found))
}

fn last_value(stdout: &str) -> Option<Value> {
    let starts = std::iter::once(0).chain(stdout.match_indices('\n').map(|(at, _)| at + 1));
    starts.filter_map(|start| serde_json::from_str(&stdout[start..]).ok()).next()
}

fn last_lines(stdout: &str, count: usize) -> Result<Value, String> {
    let lines: Vec<&str> = stdout.lines().filter(|line| !line.is_empty()).collect();
    let last = lines.len().checked_sub(count).ok_or("too few lines")?;
    let values: Result<Vec<Value>, _> = lines[last..].iter().map(|line| serde_json::from_str(line)).collect();
    values.map(Value::Array).map_err(|e| e.to_string())
}
