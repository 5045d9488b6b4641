//! One change, as a sentence and as data.

use std::fmt;

use super::{
    ConfigChange, Consent, InfrastructureChange, MarbleChange, PackageChange, RecoveryChange, SecretChange,
    UserChange,
};
use crate::finding::shown;

/// One thing that an update would change. Shown, it is a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Software that may run.
    Package(String, PackageChange),
    /// A platform on which marbles may run.
    Infrastructure(String, InfrastructureChange),
    /// A type of marble.
    Marble(String, MarbleChange),
    /// There is another root secret: every per-marble key changes, and every generated shared key.
    RootSecretRotated,
    /// A secret.
    Secret(String, SecretChange),
    /// A user.
    User(String, UserChange),
    /// Who has to agree to later updates.
    UpdateConsent {
        /// Before the update.
        before: Consent,
        /// After it.
        after: Consent,
    },
    /// Nobody could ever update the manifest again.
    NobodyCanUpdate,
    /// Who can recover the state.
    Recovery(RecoveryChange),
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
            Self::Infrastructure(..) => "Infrastructures",
            Self::Marble(..) => "Marbles",
            Self::RootSecretRotated | Self::Secret(..) => "Secrets",
            Self::User(..) | Self::UpdateConsent { .. } | Self::NobodyCanUpdate => "Users",
            Self::Recovery(_) => "RecoveryKeys",
            Self::Tls(_) => "TLS",
            Self::Config(_) => "Config",
        }
    }

    /// The name of the entry that it is about, if it is about one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Package(name, _)
            | Self::Infrastructure(name, _)
            | Self::Marble(name, _)
            | Self::Secret(name, _)
            | Self::User(name, _)
            | Self::Tls(name) => Some(name),
            Self::RootSecretRotated | Self::UpdateConsent { .. } | Self::NobodyCanUpdate => None,
            Self::Recovery(_) | Self::Config(_) => None,
        }
    }

    /// Whether something is lost, refused or less protected afterwards: worth a second look before anyone signs.
    #[must_use]
    pub fn warns(&self) -> bool {
        match self {
            Self::Package(_, change) => change.warns(),
            Self::Infrastructure(_, change) => change.warns(),
            Self::Marble(_, change) => change.warns(),
            Self::Secret(_, change) => change.warns(),
            Self::User(_, change) => change.warns(),
            Self::Recovery(change) => change.warns(),
            Self::Config(change) => change.warns(),
            Self::RootSecretRotated | Self::NobodyCanUpdate => true,
            Self::UpdateConsent { before, after } => after.needed < before.needed,
            Self::Tls(_) => false,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(name, change) => write!(f, "package `{}` {change}", shown(name)),
            Self::Infrastructure(name, change) => write!(f, "infrastructure `{}` {change}", shown(name)),
            Self::Marble(name, change) => write!(f, "marble `{}` {change}", shown(name)),
            Self::RootSecretRotated => f.write_str(ROTATED),
            Self::Secret(name, change) => write!(f, "secret `{}` {change}", shown(name)),
            Self::User(name, change) => write!(f, "user `{}` {change}", shown(name)),
            Self::UpdateConsent { before, after } => {
                write!(f, "later updates need {after}, instead of {before}")
            }
            Self::NobodyCanUpdate => {
                f.write_str("nobody could ever update the manifest again: no user has UpdateManifest")
            }
            Self::Recovery(change) => change.fmt(f),
            Self::Tls(name) => write!(f, "the connections of TLS tag `{}` change", shown(name)),
            Self::Config(change) => change.fmt(f),
        }
    }
}

const ROTATED: &str = "the root secret is rotated: every per-marble key changes, and every shared key that the Coordinator \
                       made; those of before are under `.Previous` until the next rotation";
