//! Flags as existing scripts write them.

use clap::builder::{TypedValueParser as _, ValueParser};
use clap::{Arg, ArgAction, Command};

/// Lets every switch of a command tree take a value, as in `--insecure=false`, which the Go command line allows.
pub(crate) fn with_go_switches(command: Command) -> Command {
    let command = command.mut_args(go_switch);
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_go_switches))
}

fn go_switch(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .hide_default_value(true)
        .value_name("BOOL")
        .value_parser(ValueParser::new(clap::builder::StringValueParser::new().try_map(|text| truth(&text))))
}

/// The spellings of Go's `strconv.ParseBool`.
fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".into()),
    }
}
