//! The commands, one file each.

pub mod certificate;
pub mod cluster;
pub mod collateral;
pub mod completion;
pub mod doctor;
#[cfg(unix)]
pub mod emulator;
pub mod evidence;
pub mod log;
pub mod man;
pub mod manifest;
pub mod package_info;
pub mod recover;
pub mod recover_with_signature;
pub mod secret;
pub mod status;
pub mod user;
pub mod version;

use clap::Subcommand;

use crate::args::{Cli, command_tree};
use crate::trust::Context;
use crate::{Failure, Surroundings, console};

/// Everything that `marblerun` can be told to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Install the control plane in a Kubernetes cluster
    Install(Box<cluster::Install>),
    /// Remove the control plane from a Kubernetes cluster
    Uninstall,
    /// Check which nodes of a Kubernetes cluster offer SGX
    Precheck,
    /// Wait until the control plane in a Kubernetes cluster is ready
    Check(cluster::Check),
    /// Manage the namespaces whose pods are marbles
    Namespace(cluster::Namespace),
    /// Check, set, get and verify manifests
    Manifest(manifest::Manifest),
    /// Verify the Coordinator's history
    Log(log::Log),
    /// Save the Coordinator's certificates
    Certificate(certificate::Certificate),
    /// Set and get secrets that the manifest defines
    Secret(secret::Secret),
    /// Print what state the Coordinator is in
    #[command(after_help = "Examples:
  marblerun status localhost:4433
  marblerun status localhost:4433 --insecure --format json")]
    Status(status::Status),
    /// Upload a recovery secret
    #[command(after_help = "Examples:
  marblerun recover alice.enc localhost:4433 --key alice.key
  marblerun recover alice.enc localhost:4433 --pkcs11-config token.json --pkcs11-key-label alice")]
    Recover(recover::Recover),
    /// Upload a recovery secret with a signature that was made elsewhere
    #[command(after_help = "Example:
  marblerun recover-with-signature alice.sealed localhost:4433 --signature alice.sig")]
    RecoverWithSignature(recover_with_signature::RecoverWithSignature),
    /// Print the identity of a signed enclave, as manifests name it
    #[command(visible_alias = "sgxsdk-package-info")]
    PackageInfo(package_info::PackageInfo),
    /// Look at attestation evidence
    Evidence(evidence::Evidence),
    /// Say what this machine can do for attestation, and what to change
    #[command(after_help = "Examples:
  marblerun doctor
  marblerun doctor --pccs-url https://pccs.example:8081 --format json")]
    Doctor(doctor::Doctor),
    /// Carry what vendors publish about platforms to places without a network
    Collateral(collateral::Collateral),
    /// Run and change a software TEE: the whole path of attestation on any machine, without protection
    #[cfg(unix)]
    Emulator(emulator::Emulator),
    /// Print the version of this program, and of the Coordinator if a cluster has one
    #[command(after_help = "Example:
  marblerun version")]
    Version,
    /// Print a completion script for a shell
    Completion(completion::Completion),
    /// Write the manual pages into a folder
    #[command(hide = true)]
    Man(man::Man),
}

pub(crate) async fn execute(cli: Cli, surroundings: Surroundings) -> Result<(), Failure> {
    let context = Context { global: cli.global, surroundings };
    match cli.command {
        None => help(&[]),
        Some(Command::Install(_)) => not_built("install"),
        Some(Command::Uninstall) => not_built("uninstall"),
        Some(Command::Precheck) => not_built("precheck"),
        Some(Command::Check(_)) => not_built("check"),
        Some(Command::Namespace(command)) => command.execute(),
        Some(Command::Manifest(command)) => command.execute(&context).await,
        Some(Command::Log(command)) => command.execute(&context).await,
        Some(Command::Certificate(command)) => command.execute(&context).await,
        Some(Command::Secret(command)) => command.execute(&context).await,
        Some(Command::Status(command)) => command.execute(&context).await,
        Some(Command::Recover(command)) => command.execute(&context).await,
        Some(Command::RecoverWithSignature(command)) => command.execute(&context).await,
        Some(Command::PackageInfo(command)) => command.execute(),
        Some(Command::Evidence(command)) => command.execute(&context).await,
        Some(Command::Doctor(command)) => command.execute(&context).await,
        Some(Command::Collateral(command)) => command.execute(&context).await,
        #[cfg(unix)]
        Some(Command::Emulator(command)) => command.execute(&context).await,
        Some(Command::Version) => version::execute(),
        Some(Command::Completion(command)) => command.execute(),
        Some(Command::Man(command)) => command.execute(),
    }
}

/// What a command says that this version only knows by name.
fn not_built(command: &'static str) -> Result<(), Failure> {
    Err(Failure::NotBuilt { command })
}

/// The help of a group that was called without one of its commands: an answer, not a failure.
fn help(path: &[&str]) -> Result<(), Failure> {
    let mut tree = command_tree();
    // Building passes global flags and full names down to the subcommands.
    tree.build();
    let group = path.iter().try_fold(&mut tree, |command, name| command.find_subcommand_mut(name));
    group.map_or(Ok(()), |group| console::print(&group.render_help().to_string()))
}
