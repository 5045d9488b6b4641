//! What the operator chose: flags over environment variables over defaults, parsed without touching anything.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use marblerun_collateral::{self as collateral, Choice, CollateralError, Sources};
use marblerun_tee::{Pcrs, Wish};

use crate::hsm;

/// The MarbleRun Coordinator: holds one manifest, admits marbles that prove what they are, and gives them their
/// certificates, secrets and parameters.
///
/// Without arguments it listens on :2001 for marbles and on :4433 for clients, and keeps its sealed state in
/// ./marblerun-coordinator-data. Every flag has an environment variable; the flag wins.
#[derive(Debug, Clone, Default, Parser)]
#[command(name = "marblerun-coordinator", version, about, after_help = EXAMPLES)]
pub struct Flags {
    /// Address for marbles (gRPC) [env: EDG_COORDINATOR_MESH_ADDR] [default: :2001]
    #[arg(long, value_name = "ADDR")]
    pub mesh_addr: Option<String>,
    /// Address for clients (HTTPS) [env: EDG_COORDINATOR_CLIENT_ADDR] [default: :4433]
    #[arg(long, value_name = "ADDR")]
    pub client_addr: Option<String>,
    /// Address for plain HTTP /metrics and /events [env: EDG_COORDINATOR_PROMETHEUS_ADDR] [default: off]
    #[arg(long, value_name = "ADDR")]
    pub prometheus_addr: Option<String>,
    /// Comma list of names and addresses for the CA certificates [env: EDG_COORDINATOR_DNS_NAMES] [default: localhost]
    #[arg(long, value_name = "NAMES")]
    pub dns_names: Option<String>,
    /// Folder of the sealed state [env: EDG_COORDINATOR_SEAL_DIR] [default: ./marblerun-coordinator-data]
    #[arg(long, value_name = "DIR")]
    pub seal_dir: Option<String>,
    /// Manifest to set at the first start [env: EDG_STARTUP_MANIFEST]
    #[arg(long, value_name = "FILE")]
    pub startup_manifest: Option<String>,
    /// Log more; weakens no check [env: EDG_COORDINATOR_DEV_MODE]
    #[arg(long, value_name = "0|1", num_args = 0..=1, default_missing_value = "1")]
    pub dev_mode: Option<String>,
    /// Debug logs [env: EDG_DEBUG_LOGGING]
    #[arg(long, value_name = "0|1", num_args = 0..=1, default_missing_value = "1")]
    pub debug_logging: Option<String>,
    /// Level for handshake and HTTP errors: debug, info, warn or error [env: EDG_HTTP_ERROR_LOG_LEVEL] [default: error]
    #[arg(long, value_name = "LEVEL")]
    pub http_error_log_level: Option<String>,
    /// human or json [env: EDG_LOG_FORMAT] [default: human]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Run without a TEE: nothing is protected, no evidence is checked [env: OE_SIMULATION]
    #[arg(long, value_name = "0|1", num_args = 0..=1, default_missing_value = "1")]
    pub simulation: Option<String>,
    /// Run in the software TEE behind this socket, which protects nothing [env: EDG_EMULATOR]
    #[arg(long, value_name = "SOCKET")]
    pub emulator: Option<String>,
    /// Let this TPM 2.0 seal where the TEE has no sealing key; PCRs to count beside those of the boot [env: EDG_COORDINATOR_SEAL_TPM]
    #[arg(long, value_name = "DEVICE[:PCR,...]", num_args = 0..=1, default_missing_value = "/dev/tpmrm0")]
    pub seal_with_tpm: Option<String>,
    /// PCCS that has Intel's collateral [env: EDG_PCCS_URL] [default: as in /etc/sgx_default_qcnl.conf, else Intel's PCS]
    #[arg(long, value_name = "URL")]
    pub pccs_url: Option<String>,
    /// Key distribution service that has AMD's collateral [env: EDG_KDS_URL] [default: AMD's]
    #[arg(long, value_name = "URL")]
    pub kds_url: Option<String>,
    /// Certificates (PEM) that vouch for collateral services, beside whom the web trusts [env: EDG_COLLATERAL_CA]
    #[arg(long, value_name = "FILE")]
    pub collateral_ca: Option<String>,
    /// After which time collateral is fetched anew, 1m to 24h [env: EDG_COLLATERAL_REFRESH] [default: 1h]
    #[arg(long, value_name = "DURATION")]
    pub collateral_refresh: Option<String>,
    /// Several Coordinators share one state [env: EDG_DISTRIBUTED_COORDINATOR]
    #[arg(long, value_name = "0|1", num_args = 0..=1, default_missing_value = "1")]
    pub distributed_coordinator: Option<String>,
    /// Engine for the shared state [env: EDG_STORE_BACKEND]
    #[arg(long, value_name = "NAME")]
    pub store_backend: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  OE_SIMULATION=1 marblerun-coordinator
      Try it on a machine without a TEE. Everything is loud about the missing protection.
  marblerun-coordinator --simulation --client-addr localhost:4433 --seal-dir /tmp/coordinator
      The same with flags.
  marblerun-coordinator --dns-names localhost,coordinator.example.org,203.0.113.7
      Names by which clients reach the Coordinator.";

/// Everything that the Coordinator needs to know to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where marbles connect.
    pub mesh: SocketAddr,
    /// Where clients connect.
    pub client: SocketAddr,
    /// Where metrics and events are read, if anywhere.
    pub prometheus: Option<SocketAddr>,
    /// DNS names for the CA certificates.
    pub dns_names: Vec<String>,
    /// Addresses for the CA certificates.
    pub ip_addresses: Vec<IpAddr>,
    /// Folder of the sealed state.
    pub seal_dir: PathBuf,
    /// Manifest to set at the first start.
    pub startup_manifest: Option<PathBuf>,
    /// How to log.
    pub log: LogConfig,
    /// Whether to run in a TEE, and in which.
    pub tee: Wish,
    /// The TPM that seals where the TEE does not.
    pub seal_tpm: Option<SealTpm>,
    /// Where collateral is fetched.
    pub collateral: Sources,
    /// Certificates that vouch for its services, beside whom the web trusts.
    pub collateral_ca: Option<PathBuf>,
    /// After which time it is fetched anew.
    pub collateral_refresh: Duration,
    /// The HSM for manifests that ask for it, or what is missing.
    pub hsm: hsm::Chosen,
}

/// A TPM, and which of its registers count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealTpm {
    /// A device such as `/dev/tpmrm0`, or a Unix socket.
    pub device: PathBuf,
    /// Those that measure the boot, and what the operator added.
    pub pcrs: Pcrs,
}

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Debug logs too.
    pub debug: bool,
    /// JSON instead of text for people.
    pub json: bool,
    /// Level of handshake and HTTP errors of callers.
    pub http_errors: tracing::Level,
}

/// A setting that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct ConfigError {
    /// The environment variable (its flag has the same name in lower case, without the prefix).
    pub name: &'static str,
    /// What was seen, and what is expected.
    pub reason: String,
}

/// The environment as a plain map.
pub type Environment = BTreeMap<String, String>;

impl Config {
    /// Reads flags and environment; `folder` is the working folder. Resolves host names, touches nothing else.
    ///
    /// # Errors
    /// Names the setting, what was seen and what is expected.
    pub fn parse(
        flags: &Flags,
        environment: &Environment,
        folder: &Path,
        qcnl: Option<Result<&str, &str>>,
    ) -> Result<Self, ConfigError> {
        let settings = Settings { environment };
        settings.refuse_distributed(flags)?;
        let names =
            settings.text(&flags.dns_names, "EDG_COORDINATOR_DNS_NAMES").unwrap_or("localhost".into());
        let (ip_addresses, dns_names) = names_and_addresses(&names)?;
        let dev_mode = settings.switch(&flags.dev_mode, "EDG_COORDINATOR_DEV_MODE")?;
        Ok(Self {
            mesh: settings
                .address(&flags.mesh_addr, "EDG_COORDINATOR_MESH_ADDR", Some(":2001"))?
                .unwrap_or(ANY),
            client: settings
                .address(&flags.client_addr, "EDG_COORDINATOR_CLIENT_ADDR", Some(":4433"))?
                .unwrap_or(ANY),
            prometheus: settings.address(&flags.prometheus_addr, "EDG_COORDINATOR_PROMETHEUS_ADDR", None)?,
            dns_names,
            ip_addresses,
            seal_dir: settings
                .text(&flags.seal_dir, "EDG_COORDINATOR_SEAL_DIR")
                .map_or_else(|| folder.join("marblerun-coordinator-data"), PathBuf::from),
            startup_manifest: settings
                .text(&flags.startup_manifest, "EDG_STARTUP_MANIFEST")
                .map(PathBuf::from),
            log: LogConfig {
                debug: settings.switch(&flags.debug_logging, "EDG_DEBUG_LOGGING")? || dev_mode,
                json: settings.log_format(&flags.log_format)?,
                http_errors: settings.level(&flags.http_error_log_level)?,
            },
            tee: settings.tee(flags)?,
            seal_tpm: settings.seal_tpm(flags)?,
            collateral: settings.collateral(flags, qcnl)?,
            collateral_ca: settings.text(&flags.collateral_ca, "EDG_COLLATERAL_CA").map(PathBuf::from),
            collateral_refresh: settings.refresh(flags)?,
            hsm: hsm::choose(environment).map_err(|(name, reason)| ConfigError { name, reason })?,
        })
    }
}

const REFRESH_WITHIN: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(24 * 60 * 60);

const ANY: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

struct Settings<'a> {
    environment: &'a Environment,
}

impl Settings<'_> {
    /// The flag, else the variable; an empty one counts as unset.
    fn text(&self, flag: &Option<String>, name: &str) -> Option<String> {
        flag.as_ref().or_else(|| self.environment.get(name)).filter(|text| !text.is_empty()).cloned()
    }

    fn switch(&self, flag: &Option<String>, name: &'static str) -> Result<bool, ConfigError> {
        match self.text(flag, name).as_deref() {
            None | Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(other) => Err(ConfigError { name, reason: format!("{other:?} is neither 0 nor 1") }),
        }
    }

    /// What a vendor revokes is seen that much later, so there is an end to it; and services are not to be flooded.
    fn refresh(&self, flags: &Flags) -> Result<Duration, ConfigError> {
        let name = "EDG_COLLATERAL_REFRESH";
        let Some(text) = self.text(&flags.collateral_refresh, name) else { return Ok(collateral::REFRESH) };
        let parsed = humantime::parse_duration(&text).ok().filter(|time| REFRESH_WITHIN.contains(time));
        let reason = || format!("{text:?} is no duration from 1m to 24h, such as 30m");
        parsed.ok_or_else(|| ConfigError { name, reason: reason() })
    }

    fn collateral(&self, flags: &Flags, qcnl: Option<Result<&str, &str>>) -> Result<Sources, ConfigError> {
        let choice = Choice {
            pccs_flag: flags.pccs_url.as_deref(),
            pccs_environment: self.environment.get("EDG_PCCS_URL").map(String::as_str),
            qcnl,
            kds_flag: flags.kds_url.as_deref(),
            kds_environment: self.environment.get("EDG_KDS_URL").map(String::as_str),
        };
        let wrong = |error: CollateralError| ConfigError { name: "EDG_PCCS_URL", reason: error.to_string() };
        Sources::choose(&choice).map(|chosen| chosen.sources).map_err(wrong)
    }

    fn tee(&self, flags: &Flags) -> Result<Wish, ConfigError> {
        let simulation = self.switch(&flags.simulation, "OE_SIMULATION")?;
        match (simulation, self.text(&flags.emulator, "EDG_EMULATOR")) {
            (false, None) => Ok(Wish::Hardware),
            (true, None) => Ok(Wish::Simulation),
            (false, Some(socket)) => Ok(Wish::Emulator { socket: socket.into(), starts: Vec::new() }),
            (true, Some(_)) => {
                let reason =
                    "the software TEE and OE_SIMULATION exclude each other; unset one of them".into();
                Err(ConfigError { name: "EDG_EMULATOR", reason })
            }
        }
    }

    fn seal_tpm(&self, flags: &Flags) -> Result<Option<SealTpm>, ConfigError> {
        let name = "EDG_COORDINATOR_SEAL_TPM";
        let Some(text) = self.text(&flags.seal_with_tpm, name) else { return Ok(None) };
        let (device, more) = text.split_once(':').unwrap_or((&text, ""));
        let pcrs = more.split(',').filter(|pcr| !pcr.is_empty()).try_fold(Pcrs::BOOT, |pcrs, pcr| {
            let register = pcr.trim().parse().map_err(|_| format!("{pcr:?} is no number of a PCR"))?;
            pcrs.and(register).map_err(|why| why.to_string())
        });
        let pcrs = pcrs.map_err(|reason| ConfigError { name, reason })?;
        Ok(Some(SealTpm { device: device.into(), pcrs }))
    }

    fn address(
        &self,
        flag: &Option<String>,
        name: &'static str,
        default: Option<&str>,
    ) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(text) = self.text(flag, name).or(default.map(Into::into)) else { return Ok(None) };
        resolve(&text).map(Some).map_err(|reason| ConfigError { name, reason })
    }

    fn log_format(&self, flag: &Option<String>) -> Result<bool, ConfigError> {
        match self.text(flag, "EDG_LOG_FORMAT").as_deref() {
            None | Some("human") => Ok(false),
            Some("json") => Ok(true),
            Some(other) => Err(ConfigError {
                name: "EDG_LOG_FORMAT",
                reason: format!("{other:?} is neither human nor json"),
            }),
        }
    }

    fn level(&self, flag: &Option<String>) -> Result<tracing::Level, ConfigError> {
        let name = "EDG_HTTP_ERROR_LOG_LEVEL";
        let Some(text) = self.text(flag, name) else { return Ok(tracing::Level::ERROR) };
        text.parse().map_err(|_| ConfigError {
            name,
            reason: format!("{text:?} is no log level (debug, info, warn, error)"),
        })
    }

    /// Sharing a state is not built yet; pretending to would let two Coordinators diverge.
    fn refuse_distributed(&self, flags: &Flags) -> Result<(), ConfigError> {
        let reason = "several Coordinators on one state are not built yet; unset it".to_owned();
        if self.switch(&flags.distributed_coordinator, "EDG_DISTRIBUTED_COORDINATOR")? {
            return Err(ConfigError { name: "EDG_DISTRIBUTED_COORDINATOR", reason });
        }
        match self.text(&flags.store_backend, "EDG_STORE_BACKEND") {
            None => Ok(()),
            Some(_) => Err(ConfigError { name: "EDG_STORE_BACKEND", reason }),
        }
    }
}

/// `host:port`, `:port` or `[::]:port`.
fn resolve(text: &str) -> Result<SocketAddr, String> {
    use std::net::ToSocketAddrs as _;
    let expected = "expected host:port or :port";
    if let Some(port) = text.strip_prefix(':') {
        let port = port.parse().map_err(|_| format!("{text:?} has no valid port; {expected}"))?;
        return Ok(SocketAddr::new(ANY.ip(), port));
    }
    let mut found = text.to_socket_addrs().map_err(|error| format!("{text:?}: {error}; {expected}"))?;
    found.next().ok_or_else(|| format!("{text:?} resolves to no address; {expected}"))
}

fn names_and_addresses(list: &str) -> Result<(Vec<IpAddr>, Vec<String>), ConfigError> {
    let (mut addresses, mut names) = (Vec::new(), Vec::new());
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        match entry.parse() {
            Ok(address) => addresses.push(address),
            Err(_) if entry.bytes().all(|b| b.is_ascii_graphic()) => names.push(entry.to_owned()),
            Err(_) => {
                let reason = format!(
                    "{entry:?} is neither an address nor a DNS name (write other letters as xn--...)"
                );
                return Err(ConfigError { name: "EDG_COORDINATOR_DNS_NAMES", reason });
            }
        }
    }
    Ok((addresses, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let environment = environment.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Config::parse(&Flags::default(), &environment, Path::new("/srv"), None)
    }

    #[test]
    fn defaults() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.mesh.to_string(), "[::]:2001");
        assert_eq!(config.client.to_string(), "[::]:4433");
        assert_eq!(config.prometheus, None);
        assert_eq!(config.dns_names, ["localhost"]);
        assert_eq!(config.seal_dir, Path::new("/srv/marblerun-coordinator-data"));
        assert!(config.tee == Wish::Hardware && !config.log.debug && !config.log.json);
    }

    #[test]
    fn registers_of_a_tpm_can_be_added() {
        let tpm = |text: &str| parse(&[("EDG_COORDINATOR_SEAL_TPM", text)]).map(|config| config.seal_tpm);
        let boot = SealTpm { device: "/dev/tpmrm0".into(), pcrs: Pcrs::BOOT };
        assert_eq!(tpm(""), Ok(None));
        assert_eq!(tpm("/dev/tpmrm0"), Ok(Some(boot.clone())));
        let pcrs = Pcrs::BOOT.and(10).unwrap().and(15).unwrap();
        assert_eq!(tpm("/dev/tpmrm0:10,15"), Ok(Some(SealTpm { pcrs, ..boot })));
        for (wrong, why) in [("/dev/tpmrm0:x", "no number of a PCR"), ("/dev/tpmrm0:16", "proves nothing")] {
            let error = tpm(wrong).unwrap_err();
            assert!(error.reason.contains(why), "{error}");
        }
    }

    #[test]
    fn collateral_is_renewed_within_bounds() {
        let refresh = |text: &str| parse(&[("EDG_COLLATERAL_REFRESH", text)]).map(|c| c.collateral_refresh);
        let minutes = |minutes: u64| Ok(Duration::from_secs(60 * minutes));
        assert_eq!((refresh(""), refresh("5m"), refresh("24h")), (minutes(60), minutes(5), minutes(24 * 60)));
        for wrong in ["0", "1s", "25h", "never", "-1h"] {
            assert!(refresh(wrong).unwrap_err().reason.contains("1m to 24h"), "{wrong}");
        }
    }

    #[test]
    fn names_are_told_from_addresses() {
        let config = parse(&[("EDG_COORDINATOR_DNS_NAMES", "localhost, a.example,10.0.0.1,::1")]).unwrap();
        assert_eq!(config.dns_names, ["localhost", "a.example"]);
        assert_eq!(config.ip_addresses.len(), 2);
    }

    #[test]
    fn flags_win() {
        let flags = Flags { mesh_addr: Some("127.0.0.1:7".into()), ..Flags::default() };
        let environment = [("EDG_COORDINATOR_MESH_ADDR".to_owned(), ":8".to_owned())].into();
        let config = Config::parse(&flags, &environment, Path::new("/"), None).unwrap();
        assert_eq!(config.mesh.to_string(), "127.0.0.1:7");
    }

    #[test]
    fn less_than_hardware_is_one_wish_of_two() {
        let wish = |environment: &[(&str, &str)]| parse(environment).map(|config| config.tee);
        assert_eq!(wish(&[("OE_SIMULATION", "1")]), Ok(Wish::Simulation));
        let emulator = Wish::Emulator { socket: "/tee/default.sock".into(), starts: Vec::new() };
        assert_eq!(wish(&[("EDG_EMULATOR", "/tee/default.sock")]), Ok(emulator));
        let both = [("EDG_EMULATOR", "/tee/default.sock"), ("OE_SIMULATION", "1")];
        assert_eq!(wish(&both).unwrap_err().name, "EDG_EMULATOR");
    }

    #[test]
    fn nonsense_is_named() {
        for (name, value) in [
            ("OE_SIMULATION", "yes please"),
            ("OE_SIMULATION", "true"),
            ("EDG_COORDINATOR_MESH_ADDR", "2001"),
            ("EDG_COORDINATOR_CLIENT_ADDR", ":port"),
            ("EDG_COORDINATOR_DNS_NAMES", "localhost,büro.example"),
            ("EDG_COORDINATOR_DNS_NAMES", "a b"),
            ("EDG_LOG_FORMAT", "xml"),
            ("EDG_HTTP_ERROR_LOG_LEVEL", "loud"),
            ("EDG_DISTRIBUTED_COORDINATOR", "1"),
            ("EDG_STORE_BACKEND", "k8s-secret"),
            ("EDG_MAA_URL", "attest.example"),
        ] {
            assert_eq!(parse(&[(name, value)]).unwrap_err().name, name, "{value}");
        }
    }

    #[test]
    fn an_empty_variable_is_unset() {
        assert_eq!(parse(&[("EDG_COORDINATOR_PROMETHEUS_ADDR", ""), ("OE_SIMULATION", "")]), parse(&[]));
    }
}
