//! What the Coordinator hands to a marble. Every value may be a secret, so the type has no `Debug`, and nothing here
//! puts a value into a message.

use std::collections::BTreeMap;

use marblerun_api::grpc;
use zeroize::Zeroizing;

/// The variable that holds the configuration of transparent TLS; only marbles with `TLS` tags have it.
pub const TTLS_CONFIG: &str = "MARBLE_TTLS_CONFIG";

/// A manifest that sets this variable to `1` for a marble says that the marble's program reads [`TTLS_CONFIG`] and
/// protects the connections itself. Taken from the manifest alone, where users see it; the process's own environment,
/// which the host chooses, does not count.
pub const TTLS_BY_PROGRAM: &str = "EDG_MARBLE_TTLS_BY_PROGRAM";

/// Files, variables and arguments of an activated marble, as its manifest entry says, templates rendered.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    /// File contents by path.
    pub files: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// Environment variables by name, the predefined ones among them.
    pub environment: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// The argument vector, program name first; empty if the manifest gives none.
    pub arguments: Vec<Zeroizing<String>>,
}

impl Parameters {
    /// The text of a variable; `None` if there is none or it is no UTF-8.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether the manifest wants connections of this marble to be wrapped in TLS by its runtime.
    pub fn wants_transparent_tls(&self) -> bool {
        self.environment.contains_key(TTLS_CONFIG) && self.variable(TTLS_BY_PROGRAM) != Some("1")
    }
}

impl From<grpc::Parameters> for Parameters {
    fn from(wire: grpc::Parameters) -> Self {
        Self {
            files: wire.files.into_iter().map(protected).collect(),
            environment: wire.env.into_iter().map(protected).collect(),
            arguments: wire.argv.into_iter().map(Zeroizing::new).collect(),
        }
    }
}

fn protected((name, value): (String, Vec<u8>)) -> (String, Zeroizing<Vec<u8>>) {
    (name, Zeroizing::new(value))
}
