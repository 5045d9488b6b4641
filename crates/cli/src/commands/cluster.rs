//! Commands that speak to a Kubernetes cluster: not built yet, but their command lines are read.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{help, not_built};
use crate::Failure;

/// Arguments of `marblerun install`.
#[derive(Debug, Args)]
pub struct Install {
    /// Port of the client API
    #[arg(long, value_name = "PORT", default_value_t = 4433)]
    client_server_port: u16,
    /// Port of the marble API
    #[arg(long, value_name = "PORT", default_value_t = 2001)]
    mesh_server_port: u16,
    /// Address of the PCCS
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://global.acccache.azure.net/sgx/certification/v4/"
    )]
    dcap_pccs_url: String,
    /// Own QCNL configuration
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dcap_pccs_url", "dcap_secure_cert"])]
    dcap_qcnl_config_file: Option<PathBuf>,
    /// Whether the certificate of the PCCS is checked: TRUE or FALSE
    #[arg(long, value_name = "BOOL", default_value = "TRUE")]
    dcap_secure_cert: String,
    /// Leave the webhook out
    #[arg(long)]
    disable_auto_injection: bool,
    /// Let several Coordinators share one state
    #[arg(long)]
    distributed_deployment: bool,
    /// Further DNS names and IPs for the Coordinator's certificate
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    domain: Vec<String>,
    /// Chart folder or archive instead of the published chart
    #[arg(long, value_name = "PATH")]
    marblerun_chart_path: Option<PathBuf>,
    /// Extended resource that offers SGX; found from the nodes if not given
    #[arg(long, value_name = "NAME")]
    resource_key: Option<String>,
    /// Run without a TEE
    #[arg(long)]
    simulation: bool,
    /// Chart version to install; the newest if not given
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Ignored; not needed any more
    #[arg(long, value_name = "FILE", hide = true)]
    enterprise_access_token: Option<String>,
    /// Ignored; one quote provider library for all
    #[arg(long, value_name = "NAME", hide = true, default_value = "azure")]
    dcap_qpl: String,
}

/// Arguments of `marblerun check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u32,
}

/// Arguments of `marblerun namespace`.
#[derive(Debug, Args)]
pub struct Namespace {
    #[command(subcommand)]
    command: Option<NamespaceCommand>,
}

#[derive(Debug, Subcommand)]
enum NamespaceCommand {
    /// Let the webhook turn pods of a namespace into marbles
    Add {
        /// The namespace
        #[arg(value_name = "NAMESPACE")]
        name: String,
        /// Leave SGX resources out of the pods
        #[arg(long)]
        no_sgx_injection: bool,
    },
    /// List the namespaces whose pods are marbles
    List,
    /// Take a namespace out again
    Remove {
        /// The namespace
        #[arg(value_name = "NAMESPACE")]
        name: String,
    },
}

impl Namespace {
    pub(crate) fn execute(self) -> Result<(), Failure> {
        match self.command {
            None => help(&["namespace"]),
            Some(NamespaceCommand::Add { .. }) => not_built("namespace add"),
            Some(NamespaceCommand::List) => not_built("namespace list"),
            Some(NamespaceCommand::Remove { .. }) => not_built("namespace remove"),
        }
    }
}
