//! Where a Coordinator listens: `HOST:PORT`, as people type it.

use std::fmt;

use rustls_pki_types::ServerName;

use super::ClientError;

/// The client API's port, taken where an address names none.
pub const DEFAULT_PORT: u16 = 4433;

/// A host name or IP address and a port. The host is also the name that the Coordinator's certificate must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    name: ServerName<'static>,
    port: u16,
}

impl Address {
    /// Reads `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`.
    ///
    /// # Errors
    /// [`ClientError::Address`] for anything else.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let wrong = |reason: &'static str| ClientError::Address { address: text.to_owned(), reason };
        if text.contains("://") {
            return Err(wrong("leave the scheme out, as in localhost:4433"));
        }
        let (host, port) =
            split(text).ok_or_else(|| wrong("expected HOST:PORT, as in localhost:4433 or [::1]:4433"))?;
        let port = port.map_or(Ok(DEFAULT_PORT), |port| {
            port.parse().map_err(|_| wrong("the port is no number up to 65535"))
        })?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| wrong("the host is neither a name nor an IP address"))?;
        Ok(Self { host: host.to_owned(), name, port })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest {
            "" => Some((host, None)),
            rest => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match text.split_once(':') {
        None => Some((text, None)),
        // Two colons without brackets are a bare IPv6 address; where its port would begin is anyone's guess.
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(Address::parse(text).ok().map(|a| a.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn addresses() {
        check("localhost:4433", Some("localhost:4433"));
        check("localhost", Some("localhost:4433"));
        check("127.0.0.1:1", Some("127.0.0.1:1"));
        check("[::1]:65535", Some("[::1]:65535"));
        check("[::1]", Some("[::1]:4433"));
        for bad in ["", ":4433", "::1", "a:b", "a:65536", "https://a:1", "a b:1", "[::1]x", "[::1:1", "a:1/x"]
        {
            check(bad, None);
        }
    }
}
