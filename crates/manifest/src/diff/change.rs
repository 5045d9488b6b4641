//! One change, as a sentence and as data.

use std::fmt;

use super::pairs::Names;
use super::{ConfigChange, Consent, MarbleChange, PackageChange, SecretChange, Shares, UserChange};
use crate::finding::shown;

/// One thing that an update would change. Shown, it is a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Software that may run.
    Package(String, PackageChange),
    /// A platform was added: marbles may also run there. If it is the first, they may run only there.
    InfrastructureAdded(String),
    /// A platform was removed.
    InfrastructureRemoved(String),
    /// A platform is described in another way.
    InfrastructureChanged(String),
    /// A type of marble.
    Marble(String, MarbleChange),
    /// There is another root secret: every per-marble key changes, and every generated shared key.
    RootSecretRotated,
    /// A secret.
    Secret(String, SecretChange),
    /// A user.
    User(String, UserChange),
    /// How many users have to agree to later updates.
    UpdateConsent {
        /// Before the update.
        before: Consent,
        /// After it.
        after: Consent,
    },
    /// Nobody could ever update the manifest again.
    NobodyCanUpdate,
    /// Holders of recovery keys that come, go or have another key.
    RecoveryKeys {
        /// New holders.
        added: Vec<String>,
        /// Holders of before.
        removed: Vec<String>,
        /// Holders with another key.
        replaced: Vec<String>,
    },
    /// There is a new state key: recovery secrets of before open nothing any more.
    StateKeyReplaced {
        /// Who could recover the state before.
        before: Shares,
        /// Who can afterwards, with new recovery secrets.
        after: Shares,
    },
    /// Connections of a TLS tag, or the tag itself.
    Tls(String),
    /// The Coordinator's own settings.
    Config(ConfigChange),
}

impl Change {
    /// The section of the manifest that it is about.
    #[must_use]
    pub fn section(&self) -> &'static str {
        match self {
            Self::Package(..) => "Packages",
            Self::InfrastructureAdded(_)
            | Self::InfrastructureRemoved(_)
            | Self::InfrastructureChanged(_) => "Infrastructures",
            Self::Marble(..) => "Marbles",
            Self::RootSecretRotated | Self::Secret(..) => "Secrets",
            Self::User(..) | Self::UpdateConsent { .. } | Self::NobodyCanUpdate => "Users",
            Self::RecoveryKeys { .. } | Self::StateKeyReplaced { .. } => "RecoveryKeys",
            Self::Tls(_) => "TLS",
            Self::Config(_) => "Config",
        }
    }

    /// The name of the package, marble, secret or user that it is about, if it is about one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Package(name, _) | Self::Marble(name, _) | Self::Secret(name, _) | Self::User(name, _) => {
                Some(name)
            }
            Self::InfrastructureAdded(name)
            | Self::InfrastructureRemoved(name)
            | Self::InfrastructureChanged(name)
            | Self::Tls(name) => Some(name),
            _ => None,
        }
    }

    /// Whether something is lost, refused or less protected afterwards: worth a second look before anyone signs.
    #[must_use]
    pub fn warns(&self) -> bool {
        match self {
            Self::Package(_, change) => change.warns(),
            Self::Marble(_, change) => change.warns(),
            Self::Secret(_, change) => change.warns(),
            Self::User(_, change) => change.warns(),
            Self::Config(change) => change.warns(),
            Self::InfrastructureRemoved(_) | Self::InfrastructureChanged(_) => true,
            Self::RootSecretRotated | Self::NobodyCanUpdate | Self::StateKeyReplaced { .. } => true,
            Self::UpdateConsent { before, after } => after.needed < before.needed,
            Self::InfrastructureAdded(_) | Self::RecoveryKeys { .. } | Self::Tls(_) => false,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(name, change) => write!(f, "package `{}` {change}", shown(name)),
            Self::InfrastructureAdded(name) => {
                write!(f, "infrastructure `{}` is added: where there are any, marbles run on these alone", shown(name))
            }
            Self::InfrastructureRemoved(name) => {
                write!(f, "infrastructure `{}` is removed: its platforms are refused, unless none is left", shown(name))
            }
            Self::InfrastructureChanged(name) => {
                write!(f, "infrastructure `{}` is described in another way: platforms may be refused", shown(name))
            }
            Self::Marble(name, change) => write!(f, "marble `{}` {change}", shown(name)),
            Self::RootSecretRotated => f.write_str(
                "the root secret is rotated: every per-marble key changes, and every shared key that the Coordinator made; \
                 those of before are under `.Previous` until the next rotation",
            ),
            Self::Secret(name, change) => write!(f, "secret `{}` {change}", shown(name)),
            Self::User(name, change) => write!(f, "user `{}` {change}", shown(name)),
            Self::UpdateConsent { before, after } => {
                write!(f, "later updates need {after}, instead of {before}")
            }
            Self::NobodyCanUpdate => f.write_str("nobody could ever update the manifest again: no user has UpdateManifest"),
            Self::RecoveryKeys { added, removed, replaced } => holders(f, added, removed, replaced),
            Self::StateKeyReplaced { before, after } => write!(
                f,
                "the state gets a new key, and recovery secrets of before open nothing any more: {after} can recover it, instead of {before}"
            ),
            Self::Tls(name) => write!(f, "the connections of TLS tag `{}` change", shown(name)),
            Self::Config(change) => change.fmt(f),
        }
    }
}

fn holders(
    f: &mut fmt::Formatter<'_>,
    added: &[String],
    removed: &[String],
    replaced: &[String],
) -> fmt::Result {
    let lists = [(added, "added"), (removed, "removed"), (replaced, "replaced by another key")];
    let mut join = "recovery keys:";
    for (names, what) in lists.iter().filter(|(names, _)| !names.is_empty()) {
        write!(f, "{join} {} {what}", Names(names))?;
        join = ",";
    }
    Ok(())
}
