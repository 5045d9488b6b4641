//! The command line against the list of commands and flags that existing scripts use.

use std::collections::BTreeSet;

use clap::{Arg, ArgAction, Command};
use marblerun_cli::command_tree;
use marblerun_testkit::golden::folder;
use serde_json::Value;

#[test]
fn every_command_argument_and_flag_is_known() {
    let Some(golden) = folder("cli") else { return };
    let list: Value = serde_json::from_slice(&std::fs::read(golden.join("commands.json")).unwrap()).unwrap();
    let mut tree = command_tree();
    tree.build();
    let mut problems = Vec::new();
    for recorded in list["commands"].as_array().unwrap() {
        let words: Vec<&str> = recorded["command"].as_str().unwrap().split(' ').skip(1).collect();
        match words.iter().try_fold(&tree, |command, word| command.find_subcommand(word)) {
            // "help" is special to the parser and takes any number of words.
            Some(_) if words == ["help"] => {}
            Some(command) => compare(command, recorded, &mut problems),
            None => problems.push(format!("{words:?} is missing")),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn compare(command: &Command, recorded: &Value, problems: &mut Vec<String>) {
    let name = recorded["command"].as_str().unwrap();
    let positional: Vec<&Arg> = command.get_positionals().collect();
    let least = recorded["positional"]["min"].as_u64().unwrap() as usize;
    let endless = recorded["positional"]["max"].is_null();
    let repeats = positional
        .iter()
        .any(|arg| arg.get_action().takes_values() && matches!(arg.get_action(), ArgAction::Append));
    if positional.len() != least || endless != repeats {
        problems.push(format!("{name}: {} arguments, repeating {repeats}", positional.len()));
    }
    for flag in recorded["flags"].as_array().unwrap() {
        let long = flag["long"].as_str().unwrap();
        match command.get_arguments().find(|arg| arg.get_long() == Some(long)) {
            Some(arg) => compare_flag(name, arg, flag, problems),
            None => problems.push(format!("{name}: --{long} is missing")),
        }
    }
}

fn compare_flag(name: &str, arg: &Arg, recorded: &Value, problems: &mut Vec<String>) {
    let long = arg.get_long().unwrap();
    let short = recorded["short"].as_str().and_then(|short| short.chars().next());
    if arg.get_short() != short {
        problems.push(format!("{name}: --{long} is -{:?} instead of -{short:?}", arg.get_short()));
    }
    let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let expected = recorded["default"].as_str().unwrap();
    // The default of the cache is where the configuration lives, which only a run knows.
    if default.join(",") != expected && long != "coordinator-cert" {
        problems.push(format!("{name}: --{long} defaults to {default:?} instead of {expected:?}"));
    }
    if recorded["persistent"] == true && name != "marblerun" && !arg.is_global_set() {
        problems.push(format!("{name}: --{long} must hold for subcommands"));
    }
}

#[test]
fn no_two_flags_of_a_command_share_a_letter() {
    fn check(command: &Command) {
        let mut seen = BTreeSet::new();
        for short in command.get_arguments().filter_map(Arg::get_short) {
            assert!(seen.insert(short), "{}: -{short}", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    let mut tree = command_tree();
    tree.build();
    tree.clone().debug_assert();
    check(&tree);
}

/// Commands that are known by name only have nothing to show.
const NOT_BUILT: [&str; 5] = ["install", "uninstall", "precheck", "check", "namespace"];

#[test]
fn every_command_shows_examples_that_can_be_typed() {
    fn check(command: &Command, path: &[&str]) {
        let subcommands: Vec<&Command> =
            command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
        if subcommands.is_empty() || command.get_positionals().count() > 0 {
            check_examples(command, path);
        }
        for sub in subcommands.into_iter().filter(|sub| !sub.is_hide_set()) {
            check(sub, &[path, &[sub.get_name()]].concat());
        }
    }
    let mut tree = command_tree();
    tree.build();
    for command in tree.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        if !NOT_BUILT.contains(&command.get_name()) {
            check(command, &["marblerun", command.get_name()]);
        }
    }
}

fn check_examples(command: &Command, path: &[&str]) {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let own = path.join(" ");
    assert!(examples.iter().any(|line| line.starts_with(&own)), "{own} has no example");
    for line in examples.into_iter().filter(|line| line.starts_with("marblerun ")) {
        // What the shell adds, and what a remark two blanks away says, is no part of the command.
        let command = line.split(" > ").next().and_then(|line| line.split("  ").next()).unwrap_or_default();
        let command = command.trim_end_matches(" &");
        let words = command.split(' ').map(Into::into);
        assert!(marblerun_cli::args::parse(words).is_ok(), "{line}");
    }
}
