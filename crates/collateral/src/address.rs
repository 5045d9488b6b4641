//! Addresses of services (RFC 3986), as far as collateral needs them: scheme, host, port, path.

use std::fmt;

use rustls_pki_types::ServerName;

use crate::CollateralError;

/// Where a service is, with the beginning of all its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) https: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Empty, or with a slash at its beginning and none at its end.
    pub(crate) path: String,
}

impl Address {
    /// Reads `https://HOST[:PORT][/PATH]`, or the same with `http`: what is fetched is signed.
    ///
    /// # Errors
    /// [`CollateralError::Address`] for anything else.
    pub fn parse(text: &str) -> Result<Self, CollateralError> {
        let wrong = |reason| CollateralError::Address { address: text.to_owned(), reason };
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| wrong("it must begin with https:// or http://"))?;
        let https = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(wrong("it must begin with https:// or http://")),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (host, port) = host_and_port(authority).map_err(wrong)?;
        if !path.bytes().all(is_of_a_path) {
            return Err(wrong("its path has characters that a path does not have; leave the query out"));
        }
        let port = port.unwrap_or(if https { 443 } else { 80 });
        Ok(Self { https, host: host.to_owned(), port, path: path.trim_end_matches('/').to_owned() })
    }

    /// The same service at another path: below this one.
    pub(crate) fn below(&self, path: &str) -> Self {
        Self { path: format!("{}{path}", self.path), ..self.clone() }
    }

    pub(crate) fn name(&self) -> Result<ServerName<'static>, CollateralError> {
        ServerName::try_from(self.host.clone()).map_err(|_| CollateralError::Address {
            address: self.to_string(),
            reason: "the host is neither a name nor an IP address",
        })
    }

    /// As the `Host` header has it.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("a bracket is missing")?,
        None => authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon)),
    };
    if ServerName::try_from(host).is_err() {
        return Err("the host is neither a name nor an IP address");
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, None)),
        Some(port) => {
            port.parse().map(|port| (host, Some(port))).map_err(|_| "the port is no number up to 65535")
        }
        None => Err("only a port may follow the host"),
    }
}

fn is_of_a_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(Address::parse(text).ok().map(|a| a.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn addresses() {
        check("https://pccs.example", Some("https://pccs.example:443"));
        check("http://127.0.0.1:8081/", Some("http://127.0.0.1:8081"));
        check("https://[::1]:8081/a/b/", Some("https://[::1]:8081/a/b"));
        for bad in [
            "",
            "pccs.example",
            "ftp://a",
            "https://",
            "https://a:b",
            "https://a:65536",
            "https://user@a",
            "https://a/?q",
            "https://a/b\r\nX: y",
            "https://[::1",
        ] {
            check(bad, None);
        }
    }
}
