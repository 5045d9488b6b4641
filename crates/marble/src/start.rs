//! Becomes the marble's program: its files written, its environment and arguments set, then `exec`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use marblerun_tee::LibraryOs;

use crate::files::{FileError, write_files, write_files_in_enclave};
use crate::parameters::{Parameters, TTLS_BY_PROGRAM, TTLS_CONFIG};

/// What runs if neither the command line nor the manifest names a program.
const DEFAULT_PROGRAM: &str = "./marble";

/// Where Gramine takes the keys of its encrypted files.
const GRAMINE_DEVICE: &str = "/dev/attestation";

/// Who wraps the connections of a marble with `TLS` tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransparentTls {
    /// Nobody: such a marble is not started, rather than let it speak plain text.
    Unsupported,
    /// The program itself, which reads the configuration from its environment.
    ByProgram,
}

/// A program and its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    file: OsString,
    /// The first is what the program is told its name is.
    arguments: Vec<OsString>,
    place: Place,
}

/// What a program's name means, and where its files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// An ordinary system: a bare name is looked up in `PATH`.
    System,
    /// One image, which is measured; the name is a path in it.
    LibraryOs(LibraryOs),
}

impl Program {
    /// The program to start: `command_line` if it names one, else what the manifest says, else `./marble`.
    pub fn choose(command_line: &[OsString], parameters: &Parameters) -> Self {
        let arguments = match command_line {
            [] => manifest_arguments(parameters),
            named => named.to_vec(),
        };
        let file = arguments.first().cloned().unwrap_or_default();
        Self { file, arguments, place: Place::System }
    }

    /// The program to start in a library operating system, which was started by `own_name`.
    ///
    /// Gramine is told by its own manifest to start this process as if it were the program, so the program is
    /// `own_name`; Occlum's image may hold several, and the manifest names one of them.
    pub fn in_library_os(os: LibraryOs, own_name: &OsStr, parameters: &Parameters) -> Self {
        let mut arguments = manifest_arguments(parameters);
        let file = match os {
            LibraryOs::Gramine => own_name.to_owned(),
            LibraryOs::Occlum => {
                let file = arguments.first().cloned().unwrap_or_default();
                let base = Path::new(&file).file_name().unwrap_or_default().to_owned();
                arguments.splice(..1, [base]);
                file
            }
        };
        Self { file: in_place(file), arguments, place: Place::LibraryOs(os) }
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
        match self.place {
            Place::System => write_files(&parameters.files, Path::new(""))?,
            Place::LibraryOs(os) => {
                self.must_exist()?;
                let keys = (os == LibraryOs::Gramine).then_some(Path::new(GRAMINE_DEVICE));
                write_files_in_enclave(&parameters.files, Path::new(""), keys)?;
            }
        }
        Ok(command)
    }

    /// An image holds its programs from the start: files of the manifest never become one.
    fn must_exist(&self) -> Result<(), StartError> {
        match Path::new(&self.file).metadata() {
            Ok(_) => Ok(()),
            Err(why) => Err(StartError::Exec { program: self.file.clone(), why: why.to_string() }),
        }
    }

    fn command(&self, parameters: &Parameters) -> Result<Command, StartError> {
        let has_nul = |text: &OsString| text.as_bytes().contains(&0);
        if let Some(index) = self.arguments.iter().position(has_nul) {
            return Err(StartError::Argument { index });
        }
        let (name, arguments) = self.arguments.split_first().ok_or(StartError::Argument { index: 0 })?;
        if self.file.is_empty() || has_nul(&self.file) || name.is_empty() {
            return Err(StartError::Argument { index: 0 });
        }
        let mut command = Command::new(&self.file);
        command.arg0(name).args(arguments);
        // From the Coordinator or from nobody: the host must not tell a program whom to let in without a certificate.
        command.env_remove(TTLS_CONFIG);
        for (name, value) in &parameters.environment {
            command.env(variable_name(name)?, variable_value(name, value)?);
        }
        Ok(command)
    }
}

fn manifest_arguments(parameters: &Parameters) -> Vec<OsString> {
    match parameters.arguments.as_slice() {
        [] => vec![DEFAULT_PROGRAM.into()],
        arguments => arguments.iter().map(|text| OsString::from(text.as_str())).collect(),
    }
}

/// A bare name is a file of the working directory: `PATH` may be the host's.
fn in_place(file: OsString) -> OsString {
    if file.is_empty() || file.as_bytes().contains(&b'/') { file } else { Path::new(".").join(file).into() }
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
            assert!(program.arguments == wanted.iter().map(OsString::from).collect::<Vec<_>>());
            assert_eq!(program.file, wanted[0]);
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
    fn gramine_starts_whom_it_was_told_and_occlum_whom_the_manifest_names() {
        let check = |os, own_name: &str, manifest: &[&str], file: &str, wanted: &[&str]| {
            let program = Program::in_library_os(os, OsStr::new(own_name), &parameters(&[], manifest));
            assert_eq!(program.file, file, "{os:?} {own_name} {manifest:?}");
            assert!(program.arguments == wanted.iter().map(OsString::from).collect::<Vec<_>>());
        };
        let (gramine, occlum) = (LibraryOs::Gramine, LibraryOs::Occlum);
        check(gramine, "/app/server", &["./other", "-v"], "/app/server", &["./other", "-v"]);
        check(gramine, "server", &[], "./server", &["./marble"]);
        check(occlum, "/bin/premain", &["/bin/server", "-v"], "/bin/server", &["server", "-v"]);
        check(occlum, "/bin/premain", &["server"], "./server", &["server"]);
        check(occlum, "/bin/premain", &[], "./marble", &["marble"]);
        check(occlum, "/bin/premain", &[""], "", &[""]);
    }

    #[test]
    fn a_program_of_occlum_is_told_its_base_name() {
        let mut parameters = parameters(&[], &["/bin/sh", "-c", "echo $0"]);
        parameters.files.clear();
        let program = Program::in_library_os(LibraryOs::Occlum, OsStr::new(""), &parameters);
        let output = program.prepare(&parameters, TransparentTls::Unsupported).unwrap().output().unwrap();
        assert_eq!(output.stdout, b"sh\n");
    }

    #[test]
    fn a_library_os_starts_only_what_is_there() {
        let refused = |os, own_name: &str, manifest: &[&str], environment: &[(&str, &str)]| {
            let parameters = parameters(environment, manifest);
            let program = Program::in_library_os(os, OsStr::new(own_name), &parameters);
            let refused = program.prepare(&parameters, TransparentTls::Unsupported).err();
            assert!(!Path::new("file").exists(), "nothing is written before");
            refused
        };
        let missing = |program: &str| {
            let why = "No such file or directory (os error 2)".to_owned();
            Some(StartError::Exec { program: program.into(), why })
        };
        assert_eq!(refused(LibraryOs::Gramine, "/absent", &["/bin/sh"], &[]), missing("/absent"));
        assert_eq!(refused(LibraryOs::Occlum, "/bin/sh", &["/absent"], &[]), missing("/absent"));
        // A name that PATH would find is no program of the image.
        assert_eq!(refused(LibraryOs::Occlum, "/bin/sh", &["sh"], &[]), missing("./sh"));
        assert_eq!(refused(LibraryOs::Gramine, "", &["sh"], &[]), Some(StartError::Argument { index: 0 }));
        for os in [LibraryOs::Gramine, LibraryOs::Occlum] {
            let tags = refused(os, "/bin/sh", &["/bin/sh"], &[(TTLS_CONFIG, "{}")]);
            assert_eq!(tags, Some(StartError::TransparentTls));
        }
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
