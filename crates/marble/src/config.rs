//! What a marble process is told by its environment: where the Coordinator is, and what it claims to be.
//!
//! Parsed from a plain map; only a program's `main` reads the environment. None of this is trusted: it comes from the
//! host, and the Coordinator checks every claim against evidence and manifest.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use marblerun_tee::Wish;

/// The variables that [`Config::from_variables`] reads.
pub const VARIABLES: [&str; 9] = [
    COORDINATOR_ADDR,
    COORDINATOR_ERA,
    MARBLE_TYPE,
    DNS_NAMES,
    UUID_FILE,
    WORKING_DIRECTORY,
    ACTIVATION_TIMEOUT,
    SIMULATION,
    EMULATOR,
];

const COORDINATOR_ADDR: &str = "EDG_MARBLE_COORDINATOR_ADDR";
const COORDINATOR_ERA: &str = "EDG_MARBLE_COORDINATOR_ERA";
const MARBLE_TYPE: &str = "EDG_MARBLE_TYPE";
const DNS_NAMES: &str = "EDG_MARBLE_DNS_NAMES";
const UUID_FILE: &str = "EDG_MARBLE_UUID_FILE";
const WORKING_DIRECTORY: &str = "EDG_CWD";
const ACTIVATION_TIMEOUT: &str = "EDG_MARBLE_ACTIVATION_TIMEOUT";
const SIMULATION: &str = "OE_SIMULATION";
const EMULATOR: &str = "EDG_EMULATOR";

const DEFAULT_COORDINATOR: &str = "localhost:2001";
const DEFAULT_NAMES: &str = "localhost";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// The longest DNS name (RFC 1035 section 3.1, without the root's dot).
const MAX_DNS_NAME: usize = 253;

/// How this process activates itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the Coordinator serves marbles.
    pub coordinator: Address,
    /// The era-config that says which Coordinator is expected; none trusts whoever answers. It counts for something only
    /// where the host can change neither the file nor this setting, because both are part of what evidence measures.
    pub coordinator_era: Option<PathBuf>,
    /// The marble's entry in the manifest.
    pub marble_type: String,
    /// The names that the marble's certificate shall carry.
    pub names: Names,
    /// Where the marble's UUID is kept.
    pub uuid_file: PathBuf,
    /// How long to keep trying before giving up; zero tries once.
    pub timeout: Duration,
    /// Whether to run in a TEE, and in which.
    pub tee: Wish,
}

impl Config {
    /// From variables as in the environment; an empty value counts as none. `working_directory` is where relative
    /// paths start and where the UUID file lies by default, unless `EDG_CWD` names the folder that an enclave runtime
    /// maps elsewhere.
    ///
    /// # Errors
    /// Which variable is missing or wrong, and what to write instead.
    pub fn from_variables(
        variables: &BTreeMap<String, String>,
        working_directory: &Path,
    ) -> Result<Self, ConfigError> {
        let value = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let folder = value(WORKING_DIRECTORY).map_or(working_directory, Path::new);
        Ok(Self {
            coordinator: Address::parse(value(COORDINATOR_ADDR).unwrap_or(DEFAULT_COORDINATOR))?,
            coordinator_era: value(COORDINATOR_ERA).map(|file| working_directory.join(file)),
            marble_type: value(MARBLE_TYPE).ok_or(ConfigError::NoType)?.to_owned(),
            names: Names::parse(value(DNS_NAMES).unwrap_or(DEFAULT_NAMES))?,
            uuid_file: folder.join(value(UUID_FILE).unwrap_or("uuid")),
            timeout: value(ACTIVATION_TIMEOUT).map_or(Ok(DEFAULT_TIMEOUT), timeout)?,
            tee: tee(value(SIMULATION).map_or(Ok(false), simulation)?, value(EMULATOR))?,
        })
    }
}

fn tee(simulation: bool, emulator: Option<&str>) -> Result<Wish, ConfigError> {
    match (simulation, emulator) {
        (false, None) => Ok(Wish::Hardware),
        (true, None) => Ok(Wish::Simulation),
        (false, Some(socket)) => Ok(Wish::Emulator { socket: socket.into(), starts: Vec::new() }),
        (true, Some(_)) => Err(ConfigError::TwoWishes),
    }
}

fn timeout(text: &str) -> Result<Duration, ConfigError> {
    let seconds = text.parse().map(Duration::from_secs).ok();
    seconds
        .or_else(|| humantime::parse_duration(text).ok())
        .ok_or_else(|| ConfigError::Timeout(text.to_owned()))
}

/// Only `1` asks for simulation: whoever writes anything else may not mean to run unprotected.
fn simulation(text: &str) -> Result<bool, ConfigError> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        other => Err(ConfigError::Simulation(other.to_owned())),
    }
}

/// A host name or IP address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A DNS name or an IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Address {
    /// Parses `host:port`, `ip:port`, `[ip6]:port` or `:port` (this machine).
    ///
    /// # Errors
    /// [`ConfigError::Address`] if it is none of these.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::Address(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(ip6) => ip6.parse::<Ipv6Addr>().map_err(|_| wrong())?.to_string(),
            None if host.is_empty() => "localhost".to_owned(),
            None if host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) => host.to_owned(),
            None => return Err(wrong()),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// DNS names and addresses for a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// ASCII DNS names.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ips: Vec<IpAddr>,
}

impl Names {
    /// Parses a comma list of DNS names and addresses; `localhost` brings 127.0.0.1 and ::1 with it, which mean the
    /// same.
    ///
    /// # Errors
    /// [`ConfigError::Name`] for what is neither.
    pub fn parse(list: &str) -> Result<Self, ConfigError> {
        let mut names = Self::default();
        for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match entry.parse() {
                Ok(ip) => names.add_ip(ip),
                Err(_) => names.add_dns(entry)?,
            }
        }
        Ok(names)
    }

    fn add_dns(&mut self, name: &str) -> Result<(), ConfigError> {
        let fits = name.len() <= MAX_DNS_NAME && name.chars().all(|c| c.is_ascii_graphic());
        if !fits {
            return Err(ConfigError::Name(name.to_owned()));
        }
        if !self.dns.iter().any(|known| known == name) {
            self.dns.push(name.to_owned());
        }
        if name == "localhost" {
            self.add_ip(Ipv4Addr::LOCALHOST.into());
            self.add_ip(Ipv6Addr::LOCALHOST.into());
        }
        Ok(())
    }

    fn add_ip(&mut self, ip: IpAddr) {
        if !self.ips.contains(&ip) {
            self.ips.push(ip);
        }
    }
}

/// A variable is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No type.
    #[error("{MARBLE_TYPE} is not set: name the marble's entry in the manifest's section Marbles")]
    NoType,
    /// No address.
    #[error("{COORDINATOR_ADDR}: {0:?} is not an address; write host:port, for example coordinator:2001")]
    Address(String),
    /// No name.
    #[error(
        "{DNS_NAMES}: {0:?} is neither an IP address nor an ASCII DNS name of at most {MAX_DNS_NAME} characters; \
         write international names in their xn-- form"
    )]
    Name(String),
    /// No duration.
    #[error("{ACTIVATION_TIMEOUT}: {0:?} is not a duration; write seconds or, for example, 5m or 90s")]
    Timeout(String),
    /// Neither 0 nor 1.
    #[error("{SIMULATION}: {0:?} is neither 0 nor 1; 1 runs without a TEE and protects nothing")]
    Simulation(String),
    /// Both ways to run without hardware at once.
    #[error("{EMULATOR} and {SIMULATION} exclude each other; unset one of them")]
    TwoWishes,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Config::from_variables(&variables, Path::new("/srv"))
    }

    #[test]
    fn the_type_is_all_that_is_needed() {
        let config = config(&[(MARBLE_TYPE, "web")]).unwrap();
        let loopback = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        assert_eq!(config.coordinator.to_string(), "localhost:2001");
        assert_eq!(config.names, Names { dns: vec!["localhost".into()], ips: loopback });
        assert_eq!(config.uuid_file, Path::new("/srv/uuid"));
        assert_eq!(config.timeout, Duration::from_secs(300));
        assert_eq!((config.tee, config.coordinator_era), (Wish::Hardware, None));
    }

    #[test]
    fn the_expected_coordinator_is_named_by_a_file() {
        let check = |file: &str, wanted: Option<&str>| {
            let config = config(&[(MARBLE_TYPE, "web"), (COORDINATOR_ERA, file)]).unwrap();
            assert_eq!(config.coordinator_era.as_deref(), wanted.map(Path::new));
        };
        check("/etc/era.json", Some("/etc/era.json"));
        check("era.json", Some("/srv/era.json"));
        check("", None);
    }

    #[test]
    fn the_uuid_file_follows_the_working_directory_that_a_runtime_maps() {
        let check = |variables: &[(&str, &str)], file: &str| {
            let all = [&[(MARBLE_TYPE, "web")], variables].concat();
            assert_eq!(config(&all).unwrap().uuid_file, Path::new(file), "{variables:?}");
        };
        check(&[(WORKING_DIRECTORY, "/mapped")], "/mapped/uuid");
        check(&[(WORKING_DIRECTORY, "/mapped"), (UUID_FILE, "id")], "/mapped/id");
        check(&[(WORKING_DIRECTORY, "/mapped"), (UUID_FILE, "/web-uid/uuid-file")], "/web-uid/uuid-file");
        check(&[(WORKING_DIRECTORY, ""), (UUID_FILE, "")], "/srv/uuid");
    }

    #[test]
    fn addresses() {
        let check = |text: &str, wanted: Option<(&str, u16)>| {
            let parsed = Address::parse(text).ok();
            let wanted = wanted.map(|(host, port)| Address { host: host.into(), port });
            assert_eq!(parsed, wanted, "{text}");
        };
        check("localhost:2001", Some(("localhost", 2001)));
        check(":2001", Some(("localhost", 2001)));
        check("10.0.0.7:1", Some(("10.0.0.7", 1)));
        check("[::1]:2001", Some(("::1", 2001)));
        check("coordinator-mesh-api.marblerun:2001", Some(("coordinator-mesh-api.marblerun", 2001)));
        for wrong in
            ["", "localhost", "a:", "a:x", "a:0", "a:65536", "::1:2001", "[a]:1", "a b:1", "http://a:1"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn names_of_a_certificate() {
        let names = Names::parse("web,web.default.svc.cluster.local, 10.1.2.3,fe80::1,,web").unwrap();
        assert_eq!(names.dns, ["web", "web.default.svc.cluster.local"]);
        assert_eq!(names.ips, ["10.1.2.3".parse::<IpAddr>().unwrap(), "fe80::1".parse().unwrap()]);
        for wrong in ["bücher.example", "a b", &"a".repeat(254)] {
            assert_eq!(Names::parse(wrong), Err(ConfigError::Name(wrong.to_owned())));
        }
    }

    #[test]
    fn durations_and_switches() {
        let check = |name: &str, value: &str| config(&[(MARBLE_TYPE, "web"), (name, value)]);
        assert_eq!(check(ACTIVATION_TIMEOUT, "90").unwrap().timeout, Duration::from_secs(90));
        assert_eq!(check(ACTIVATION_TIMEOUT, "1m 30s").unwrap().timeout, Duration::from_secs(90));
        assert_eq!(check(ACTIVATION_TIMEOUT, "soon"), Err(ConfigError::Timeout("soon".into())));
        assert_eq!(check(SIMULATION, "1").unwrap().tee, Wish::Simulation);
        assert_eq!(check(SIMULATION, "0").unwrap().tee, Wish::Hardware);
        let emulator = Wish::Emulator { socket: "tee.sock".into(), starts: Vec::new() };
        assert_eq!(check(EMULATOR, "tee.sock").unwrap().tee, emulator);
        let both = config(&[(MARBLE_TYPE, "web"), (SIMULATION, "1"), (EMULATOR, "tee.sock")]);
        assert_eq!(both, Err(ConfigError::TwoWishes));
        assert_eq!(check(SIMULATION, "true"), Err(ConfigError::Simulation("true".into())));
        assert_eq!(config(&[]), Err(ConfigError::NoType));
    }
}
