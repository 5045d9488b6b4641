//! Which HSM, which key in it, and how to log in: from the environment only, since one of them is a secret.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// Where Microsoft issues access tokens, unless `EDG_AZURE_AUTHORITY_URL` says otherwise (sovereign clouds).
const AUTHORITY: &str = "https://login.microsoftonline.com";

/// All that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Issues access tokens.
    pub(super) authority: Url,
    /// The directory that knows the application.
    pub(super) tenant: String,
    /// The application, and what it logs in with.
    pub(super) client: String,
    pub(super) secret: ClientSecret,
    /// The HSM.
    pub(super) vault: Url,
    /// The key, and its version: another version is another key.
    pub(super) key: String,
    pub(super) version: String,
    /// Microsoft Azure Attestation.
    pub(super) attestation: Url,
}

/// Settings, or the names of those that are missing.
pub type Chosen = Result<Settings, Missing>;

/// What is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not set: {}. Set it for the Coordinator and start it again, or remove the gate", .0.join(", "))]
pub struct Missing(Vec<&'static str>);

/// A password that does not show, and is wiped.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ClientSecret(pub(super) Zeroizing<String>);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// Reads the settings. An empty variable counts as unset.
///
/// # Errors
/// The name of a setting that means nothing, and why.
pub fn choose(environment: &BTreeMap<String, String>) -> Result<Chosen, (&'static str, String)> {
    let mut read = Reader { environment, missing: Vec::new() };
    let authority = read.found("EDG_AZURE_AUTHORITY_URL").unwrap_or_else(|| AUTHORITY.into());
    let settings = Settings {
        authority: url("EDG_AZURE_AUTHORITY_URL", &authority)?,
        tenant: read.segment("EDG_AZURE_TENANT_ID")?,
        client: read.text("EDG_AZURE_CLIENT_ID"),
        secret: ClientSecret(Zeroizing::new(read.text("EDG_AZURE_CLIENT_SECRET"))),
        vault: read.url("EDG_AZURE_HSM_VAULT_URL")?,
        key: read.segment("EDG_AZURE_HSM_KEY_NAME")?,
        version: read.segment("EDG_AZURE_HSM_KEY_VERSION")?,
        attestation: read.url("EDG_MAA_URL")?,
    };
    Ok(if read.missing.is_empty() { Ok(settings) } else { Err(Missing(read.missing)) })
}

/// Collects what is missing.
struct Reader<'a> {
    environment: &'a BTreeMap<String, String>,
    missing: Vec<&'static str>,
}

impl Reader<'_> {
    fn found(&self, name: &str) -> Option<String> {
        self.environment.get(name).filter(|text| !text.is_empty()).cloned()
    }

    fn text(&mut self, name: &'static str) -> String {
        self.found(name).unwrap_or_else(|| {
            self.missing.push(name);
            String::new()
        })
    }

    /// A part of a path (RFC 3986 section 3.3): nothing that would need an escape, so nothing that leads elsewhere.
    fn segment(&mut self, name: &'static str) -> Result<String, (&'static str, String)> {
        let text = self.text(name);
        match text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            && !text.starts_with('.')
        {
            true => Ok(text),
            false => Err((name, format!("{text:?} may have letters, digits, dashes and dots only"))),
        }
    }

    fn url(&mut self, name: &'static str) -> Result<Url, (&'static str, String)> {
        match self.text(name) {
            missing if missing.is_empty() => Ok(Url::default()),
            text => url(name, &text),
        }
    }
}

/// `https://HOST[:PORT]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) https: bool,
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { https, host, port } = self;
        write!(f, "{}://{host}:{port}", if *https { "https" } else { "http" })
    }
}

/// Passwords go to one of them: plain HTTP is for a proxy or a stand-in on this very machine.
fn url(name: &'static str, text: &str) -> Result<Url, (&'static str, String)> {
    let wrong = |why: &str| Err((name, format!("{text:?}: {why}; expected https://HOST[:PORT]")));
    let Ok(uri) = text.parse::<http::Uri>() else { return wrong("it is no URL") };
    let (Some(host), Some(scheme)) = (uri.host(), uri.scheme_str()) else {
        return wrong("it has no scheme or no host");
    };
    if uri.path() != "/" || uri.query().is_some() || text.contains(['@', '#']) {
        return wrong("only a port may follow the host");
    }
    let https = match scheme {
        "https" => true,
        "http" if ["127.0.0.1", "localhost", "[::1]"].contains(&host) => false,
        "http" => return wrong("plain HTTP is allowed to this machine only"),
        _ => return wrong("it is neither HTTPS nor HTTP"),
    };
    let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
    Ok(Url { https, host: host.to_owned(), port })
}

impl Settings {
    /// What the access token is for: the service whose host name the vault's ends in.
    pub(super) fn scope(&self) -> String {
        let service = self.vault.host.split_once('.').map_or("", |(_, service)| service);
        let known = service.starts_with("managedhsm.") || service.starts_with("vault.");
        format!("https://{}/.default", if known { service } else { "managedhsm.azure.net" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> BTreeMap<String, String> {
        let all = [
            ("EDG_AZURE_TENANT_ID", "72f9"),
            ("EDG_AZURE_CLIENT_ID", "cider"),
            ("EDG_AZURE_CLIENT_SECRET", "canary"),
            ("EDG_AZURE_HSM_VAULT_URL", "https://press.managedhsm.azure.net/"),
            ("EDG_AZURE_HSM_KEY_NAME", "seal"),
            ("EDG_AZURE_HSM_KEY_VERSION", "7a"),
            ("EDG_MAA_URL", "https://shared.weu.attest.azure.net"),
        ];
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn whatever_is_missing_is_named() {
        assert!(choose(&complete()).unwrap().is_ok());
        for name in complete().into_keys() {
            for without in [None, Some(String::new())] {
                let mut some = complete();
                some.remove(&name);
                some.extend(without.map(|empty| (name.clone(), empty)));
                let missing = choose(&some).unwrap().unwrap_err().to_string();
                assert!(missing.contains(&name) && missing.matches("EDG_").count() == 1, "{missing}");
            }
        }
    }

    #[test]
    fn what_means_nothing_is_named_and_refused() {
        for (name, value) in [
            ("EDG_AZURE_HSM_VAULT_URL", "press.managedhsm.azure.net"),
            ("EDG_AZURE_HSM_VAULT_URL", "http://press.managedhsm.azure.net"),
            ("EDG_AZURE_HSM_VAULT_URL", "https://press.managedhsm.azure.net/keys"),
            ("EDG_AZURE_HSM_VAULT_URL", "https://user@press.managedhsm.azure.net"),
            ("EDG_MAA_URL", "https://"),
            ("EDG_AZURE_AUTHORITY_URL", "ftp://localhost"),
            ("EDG_AZURE_HSM_KEY_NAME", "a/../b"),
            ("EDG_AZURE_HSM_KEY_VERSION", ".."),
            ("EDG_AZURE_TENANT_ID", "a?b"),
        ] {
            let mut some = complete();
            some.insert(name.into(), value.into());
            assert_eq!(choose(&some).unwrap_err().0, name, "{value}");
        }
    }

    #[test]
    fn a_token_is_for_the_cloud_of_the_vault() {
        for (vault, scope) in [
            ("https://a.managedhsm.azure.net", "https://managedhsm.azure.net/.default"),
            ("https://a.managedhsm.usgovcloudapi.net", "https://managedhsm.usgovcloudapi.net/.default"),
            ("https://a.vault.azure.net", "https://vault.azure.net/.default"),
            ("http://127.0.0.1:1", "https://managedhsm.azure.net/.default"),
        ] {
            let mut some = complete();
            some.insert("EDG_AZURE_HSM_VAULT_URL".into(), vault.into());
            assert_eq!(choose(&some).unwrap().unwrap().scope(), scope);
        }
    }

    #[test]
    fn the_password_does_not_show() {
        assert!(!format!("{:?}", choose(&complete())).contains("canary"));
    }
}
