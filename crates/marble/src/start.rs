//! Becomes the marble's program: its files written, its environment and arguments set, then `exec`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::files::{FileError, write_files};
use crate::parameters::{Parameters, TTLS_BY_PROGRAM, TTLS_CONFIG};

/// What runs if neither the command line nor the manifest names a program.
const DEFAULT_PROGRAM: &str = "./marble";

/// Who wraps the connections of a marble with `TLS` tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransparentTls {
    /// Nobody: such a marble is not started, rather than let it speak plain text.
    Unsupported,
    /// The program itself, which reads the configuration from its environment.
    ByProgram,
}

/// A program and its arguments, program name first.
#[derive(Clone, PartialEq, Eq)]
pub struct Program(Vec<OsString>);

impl Program {
    /// The program to start: `command_line` if it names one, else what the manifest says, else `./marble`.
    pub fn choose(command_line: &[OsString], parameters: &Parameters) -> Self {
        if !command_line.is_empty() {
            return Self(command_line.to_vec());
        }
        match parameters.arguments.as_slice() {
            [] => Self(vec![DEFAULT_PROGRAM.into()]),
            arguments => Self(arguments.iter().map(|text| OsString::from(text.as_str())).collect()),
        }
    }

    /// Writes the marble's files (relative paths start in the working directory) and becomes this program, with the
    /// marble's variables set over the inherited ones; a configuration of transparent TLS is never inherited. Returns
    /// only if that fails.
    pub fn start(&self, parameters: &Parameters, transparent_tls: TransparentTls) -> StartError {
        match self.prepare(parameters, transparent_tls) {
            Ok(mut command) => {
                let error = command.exec();
                StartError::Exec { program: command.get_program().to_owned(), why: error.to_string() }
            }
            Err(error) => error,
        }
    }

    fn prepare(&self, parameters: &Parameters, ttls: TransparentTls) -> Result<Command, StartError> {
        if ttls == TransparentTls::Unsupported && parameters.wants_transparent_tls() {
            return Err(StartError::TransparentTls);
        }
        let command = self.command(parameters)?;
        write_files(&parameters.files, Path::new(""))?;
        Ok(command)
    }

    fn command(&self, parameters: &Parameters) -> Result<Command, StartError> {
        let (program, arguments) = self.0.split_first().ok_or(StartError::Argument { index: 0 })?;
        if let Some(index) = self.0.iter().position(|text| text.as_bytes().contains(&0)) {
            return Err(StartError::Argument { index });
        }
        if program.is_empty() {
            return Err(StartError::Argument { index: 0 });
        }
        let mut command = Command::new(program);
        command.args(arguments);
        // From the Coordinator or from nobody: the host must not tell a program whom to let in without a certificate.
        command.env_remove(TTLS_CONFIG);
        for (name, value) in &parameters.environment {
            command.env(variable_name(name)?, variable_value(name, value)?);
        }
        Ok(command)
    }
}

fn variable_name(name: &str) -> Result<&OsStr, StartError> {
    let fits = !name.is_empty() && !name.contains(['=', '\0']);
    fits.then_some(OsStr::new(name)).ok_or_else(|| StartError::VariableName(name.to_owned()))
}

fn variable_value(name: &str, value: &[u8]) -> Result<OsString, StartError> {
    if value.contains(&0) {
        return Err(StartError::VariableValue(name.to_owned()));
    }
    Ok(OsString::from_vec(value.to_vec()))
}

/// The program was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nobody would wrap the marble's connections.
    #[error(
        "the manifest gives this marble TLS tags ({TTLS_CONFIG}), but nothing here wraps its connections, so it would \
         speak plain text; remove the tags, or, if the program reads that variable itself, say so with {TTLS_BY_PROGRAM}=1 \
         in the marble's Env in the manifest or with --ttls-by-program"
    )]
    TransparentTls,
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// An argument.
    #[error("argument {index} of the program is empty where it names the program, or holds a NUL byte")]
    Argument {
        /// From 0, the program.
        index: usize,
    },
    /// A variable's name.
    #[error("the manifest's variable {0:?} has a name that no process can have")]
    VariableName(String),
    /// A variable's value.
    #[error(
        "the value of the manifest's variable {0} holds a NUL byte, which no process can have; encode it"
    )]
    VariableValue(String),
    /// The program does not run.
    #[error(
        "starting {program:?}: {why}; name a program after marblerun-premain, or in the marble's Argv in the manifest"
    )]
    Exec {
        /// The program's name as looked up.
        program: OsString,
        /// What the system said.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(environment: &[(&str, &str)], arguments: &[&str]) -> Parameters {
        Parameters {
            files: [("file".to_owned(), b"x".to_vec().into())].into(),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).into(), value.as_bytes().to_vec().into()))
                .collect(),
            arguments: arguments.iter().map(|text| (*text).to_owned().into()).collect(),
        }
    }

    #[test]
    fn the_command_line_comes_before_the_manifest_and_that_before_the_default() {
        let check = |command_line: &[&str], manifest: &[&str], wanted: &[&str]| {
            let command_line: Vec<_> = command_line.iter().map(OsString::from).collect();
            let program = Program::choose(&command_line, &parameters(&[], manifest));
            assert!(program.0 == wanted.iter().map(OsString::from).collect::<Vec<_>>());
        };
        check(&["web", "-v"], &["./other", "x"], &["web", "-v"]);
        check(&[], &["./other", "x", ""], &["./other", "x", ""]);
        check(&[], &[], &["./marble"]);
    }

    #[test]
    fn nothing_is_written_or_started_when_a_rule_is_broken() {
        let check = |environment: &[(&str, &str)], arguments: &[&str], wanted: StartError| {
            let parameters = parameters(environment, arguments);
            let program = Program::choose(&[], &parameters);
            let refused = program.prepare(&parameters, TransparentTls::Unsupported);
            assert_eq!(refused.err(), Some(wanted));
            assert!(!Path::new("file").exists());
        };
        check(&[(TTLS_CONFIG, "{}")], &[], StartError::TransparentTls);
        check(&[(TTLS_CONFIG, "{}"), (TTLS_BY_PROGRAM, "yes")], &[], StartError::TransparentTls);
        check(&[("A=B", "")], &[], StartError::VariableName("A=B".into()));
        check(&[("", "")], &[], StartError::VariableName(String::new()));
        check(&[("A", "x\0y")], &[], StartError::VariableValue("A".into()));
        check(&[], &["a", "b\0"], StartError::Argument { index: 1 });
        check(&[], &["", "b"], StartError::Argument { index: 0 });
    }

    #[test]
    fn a_program_that_handles_transparent_tls_itself_is_started() {
        let allowed = |environment: &[(&str, &str)], ttls| {
            let mut parameters = parameters(environment, &[]);
            parameters.files.clear();
            Program::choose(&[], &parameters).prepare(&parameters, ttls).is_ok()
        };
        assert!(allowed(&[(TTLS_CONFIG, "{}"), (TTLS_BY_PROGRAM, "1")], TransparentTls::Unsupported));
        assert!(allowed(&[(TTLS_CONFIG, "{}")], TransparentTls::ByProgram));
        assert!(allowed(&[], TransparentTls::Unsupported));
    }
}
