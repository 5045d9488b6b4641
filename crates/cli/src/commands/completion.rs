//! `marblerun completion`: scripts for shells.

use clap::{Args, Command, Subcommand};
use clap_complete::{Shell, generate};

use super::help;
use crate::args::command_tree;
use crate::{Failure, console};

/// Arguments of `marblerun completion`.
#[derive(Debug, Args)]
pub struct Completion {
    #[command(subcommand)]
    shell: Option<Script>,
}

/// A shell.
#[derive(Debug, Subcommand)]
enum Script {
    /// Print the completion script for bash
    #[command(after_help = "Example:
  marblerun completion bash > marblerun.bash")]
    Bash(Options),
    /// Print the completion script for zsh
    #[command(after_help = "Example:
  marblerun completion zsh > marblerun.zsh")]
    Zsh(Options),
    /// Print the completion script for fish
    #[command(after_help = "Example:
  marblerun completion fish > marblerun.fish")]
    Fish(Options),
    /// Print the completion script for PowerShell
    #[command(after_help = "Example:
  marblerun completion powershell > marblerun.powershell")]
    Powershell(Options),
}

#[derive(Debug, Args)]
struct Options {
    /// Leave descriptions out of the script
    #[arg(long)]
    no_descriptions: bool,
}

impl Completion {
    pub(crate) fn execute(self) -> Result<(), Failure> {
        let (shell, options) = match self.shell {
            None => return help(&["completion"]),
            Some(Script::Bash(options)) => (Shell::Bash, options),
            Some(Script::Zsh(options)) => (Shell::Zsh, options),
            Some(Script::Fish(options)) => (Shell::Fish, options),
            Some(Script::Powershell(options)) => (Shell::PowerShell, options),
        };
        let tree = command_tree();
        let mut tree = if options.no_descriptions { without_descriptions(tree) } else { tree };
        let mut script = Vec::new();
        generate(shell, &mut tree, "marblerun", &mut script);
        console::bytes(&script)
    }
}

fn without_descriptions(command: Command) -> Command {
    let command = command.about(None::<&str>).long_about(None::<&str>);
    let command = command.mut_args(|arg| arg.help(None::<&str>).long_help(None::<&str>));
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, without_descriptions))
}
