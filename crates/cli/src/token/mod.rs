//! Keys and certificates in a PKCS#11 token (PKCS#11 2.40 and later): what a user logs in with, what a recovery key opens
//! and signs. Private keys stay in the token; the PIN goes to the token and nowhere else.
//!
//! The module that the user names is loaded into this process and trusted as this program is.

mod config;
mod explain;
mod key;
mod login;
mod oaep;

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use rustls_pki_types::CertificateDer;

pub(crate) use key::TokenKey;
pub(crate) use login::LoginKey;

use crate::Failure;
use config::Config;
use explain::explain;

/// A token, logged in to.
pub(crate) struct Token {
    session: Session,
    /// The configuration file, by which errors name the token.
    name: String,
}

/// What an object in the token is called: by ID, by label, or by both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Called<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) label: Option<&'a str>,
}

impl Token {
    /// Loads the module that the configuration names, finds the token and logs in.
    ///
    /// # Errors
    /// If the file cannot be used, the module cannot be loaded, there is no such token, or it refuses the PIN.
    pub(crate) fn open(config: &Path) -> Result<Self, Failure> {
        let name = config.display().to_string();
        let config = Config::read(config)?;
        let failed = |doing: &str, error: cryptoki::error::Error| {
            failure(&name, format!("{doing}: {}", explain(&error)))
        };
        let module = Pkcs11::new(&config.module)
            .map_err(|e| failed(&format!("loading the module {}", config.module.display()), e))?;
        module
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .map_err(|e| failed("starting the module", e))?;
        let slot = find_slot(&module, &config).map_err(|e| failed("looking for the token", e))?;
        let slot = slot.ok_or_else(|| failure(&name, "the module has no such token".into()))?;
        let session = module.open_ro_session(slot).map_err(|e| failed("opening a session", e))?;
        log_in(&module, &session, slot, &config)
            .map_err(|reason| failure(&name, format!("logging in: {reason}")))?;
        Ok(Self { session, name })
    }

    /// The private key of that name; the token is used up, as a command needs one key.
    ///
    /// # Errors
    /// If there is none, or there are several.
    pub(crate) fn into_key(self, called: Called<'_>) -> Result<TokenKey, Failure> {
        let key = self.find(ObjectClass::PRIVATE_KEY, "private key", called)?;
        Ok(TokenKey::new(self.session, key, self.name))
    }

    /// The certificate of that name.
    ///
    /// # Errors
    /// If there is none, or there are several.
    pub(crate) fn certificate(&self, called: Called<'_>) -> Result<CertificateDer<'static>, Failure> {
        let found = self.find(ObjectClass::CERTIFICATE, "certificate", called)?;
        let attributes = self.session.get_attributes(found, &[AttributeType::Value]);
        let attributes = attributes
            .map_err(|e| failure(&self.name, format!("reading the certificate: {}", explain(&e))))?;
        let der = attributes.into_iter().find_map(|attribute| match attribute {
            Attribute::Value(der) => Some(der),
            _ => None,
        });
        der.map(Into::into).ok_or_else(|| failure(&self.name, "the certificate has no value".into()))
    }

    /// An ID is bytes: those of the text, as the Go command line takes it, or else what the text says in hex, as tokens'
    /// own tools show it.
    fn find(&self, class: ObjectClass, what: &str, called: Called<'_>) -> Result<ObjectHandle, Failure> {
        let decoded = called.id.and_then(|id| hex::decode(id).ok());
        let written = called.id.map(|id| id.as_bytes().to_vec());
        let mut found = self.search(class, written, called.label)?;
        if found.is_empty() && decoded.is_some() {
            found = self.search(class, decoded, called.label)?;
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(failure(&self.name, format!("the token has no {what} with {called}"))),
            several => {
                let count = several.len();
                let why = format!("the token has {count} objects `{what}` with {called}: give ID and label");
                Err(failure(&self.name, why))
            }
        }
    }

    fn search(
        &self,
        class: ObjectClass,
        id: Option<Vec<u8>>,
        label: Option<&str>,
    ) -> Result<Vec<ObjectHandle>, Failure> {
        let id = id.map(Attribute::Id);
        let label = label.map(|label| Attribute::Label(label.as_bytes().to_vec()));
        let wanted: Vec<Attribute> =
            [Some(Attribute::Class(class)), id, label].into_iter().flatten().collect();
        self.session
            .find_objects(&wanted)
            .map_err(|e| failure(&self.name, format!("looking for an object: {}", explain(&e))))
    }
}

/// The slot whose token has the label or serial number, or that has the number.
fn find_slot(module: &Pkcs11, config: &Config) -> cryptoki::error::Result<Option<Slot>> {
    let mut found = None;
    for slot in module.get_slots_with_token()? {
        let token = module.get_token_info(slot)?;
        let matches = config.label.as_deref().is_some_and(|label| token.label() == label)
            || config.serial.as_deref().is_some_and(|serial| token.serial_number() == serial)
            || config.slot == Some(slot.id());
        if matches {
            found.get_or_insert(slot);
        }
    }
    Ok(found)
}

/// Without a PIN in the file, a token with keys of its own asks for it.
fn log_in(module: &Pkcs11, session: &Session, slot: Slot, config: &Config) -> Result<(), String> {
    if config.no_login {
        return Ok(());
    }
    let asks = module.get_token_info(slot).is_ok_and(|token| token.protected_authentication_path());
    if config.pin.is_none() && !asks {
        return Err("`Pin` is missing, and the token cannot ask for it itself".into());
    }
    let pin = config.pin.as_ref().map(|pin| AuthPin::new(pin.as_str().into()));
    session.login(UserType::User, pin.as_ref()).map_err(|e| explain(&e))
}

fn failure(name: &str, reason: String) -> Failure {
    Failure::Token { name: name.to_owned(), reason }
}

impl std::fmt::Display for Called<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.id, self.label) {
            (Some(id), Some(label)) => write!(f, "ID {id:?} and label {label:?}"),
            (Some(id), None) => write!(f, "ID {id:?}"),
            (None, label) => write!(f, "label {:?}", label.unwrap_or_default()),
        }
    }
}
