//! What a program and the emulator say to each other over a local socket: one line of JSON each way.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Kind, REPORT_DATA_BYTES};
use crate::SealTo;

/// No line is longer.
pub const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// What a program wants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// Files that the program will start; they are part of what it is.
    pub(super) starts: Vec<PathBuf>,
    pub(super) ask: Ask,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ask {
    /// What kind of platform this is.
    Kind,
    /// Evidence over these bytes.
    Evidence {
        #[serde(with = "hex::serde")]
        report_data: [u8; REPORT_DATA_BYTES],
    },
    /// A fresh key to seal with.
    NewKey { to: SealTo },
    /// The key that something was sealed with.
    Key { to: SealTo, id: KeyId },
}

/// What the emulator answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Kind(Kind),
    Evidence(#[serde(with = "hex::serde")] Vec<u8>),
    Key {
        id: KeyId,
        #[serde(with = "secret")]
        key: Zeroizing<Vec<u8>>,
    },
    Refused(String),
}

/// Which of a platform's sealing keys: it stands, readable, in what was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyId {
    /// Security version of the program that sealed.
    pub svn: u16,
    /// Security versions of the firmware that it ran on.
    #[serde(with = "hex::serde")]
    pub tcb: [u8; 16],
    /// Makes each key another one.
    #[serde(with = "hex::serde")]
    pub salt: [u8; 32],
}

/// Secret bytes as hex.
pub(super) mod secret {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use zeroize::Zeroizing;

    pub(in crate::emulated) fn serialize<S: Serializer>(
        bytes: &Zeroizing<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(bytes.as_slice())))
    }

    pub(in crate::emulated) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Zeroizing<Vec<u8>>, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // The error of `hex` names a character of the text at most.
        hex::decode(text.as_str()).map(Zeroizing::new).map_err(D::Error::custom)
    }
}
