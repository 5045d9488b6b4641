//! How bytes and keys stand in JSON and PEM.

use serde::Serialize;
use zeroize::Zeroizing;

/// `#[serde(with = "crate::encoding::base64")]`: standard base64 with padding.
pub(crate) mod base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
    use zeroize::Zeroizing;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(bytes)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, B: From<Vec<u8>>>(d: D) -> Result<B, D::Error> {
        let text = Zeroizing::new(String::deserialize(d)?);
        STANDARD.decode(text.as_bytes()).map(B::from).map_err(D::Error::custom)
    }
}

/// JSON of a value that holds keys. One buffer of the final size: growing would leave unwiped copies behind.
///
/// # Errors
/// If the value has no JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut size = Counter(0);
    serde_json::to_writer(&mut size, value)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.0));
    serde_json::to_writer(&mut *bytes, value)?;
    Ok(bytes)
}

/// Counts what is written to it.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A PEM block (RFC 7468): lines of 64 characters, final newline.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    use ::base64::Engine as _;
    let body = Zeroizing::new(::base64::engine::general_purpose::STANDARD.encode(der));
    let lines = body.len().div_ceil(64);
    // Sized exactly: growing would leave copies of private keys behind.
    let mut text = String::with_capacity(body.len() + lines + 2 * label.len() + 32);
    text.extend(["-----BEGIN ", label, "-----\n"]);
    for start in (0..body.len()).step_by(64) {
        text.push_str(&body[start..body.len().min(start + 64)]);
        text.push('\n');
    }
    text.extend(["-----END ", label, "-----\n"]);
    text
}

#[cfg(test)]
mod tests {
    /// What was made is exactly as large as the room that was reserved: nothing grew.
    #[test]
    fn json_with_keys_never_grows() {
        for value in ["", "x", &"\n".repeat(10_000)] {
            let made = super::json(value).unwrap();
            assert_eq!(made.len(), made.capacity());
            assert_eq!(serde_json::from_slice::<String>(&made).unwrap(), value);
        }
    }

    #[test]
    fn pem_lines_have_64_characters() {
        assert_eq!(super::pem("X", &[]), "-----BEGIN X-----\n-----END X-----\n");
        let text = super::pem("X", &[0; 49]);
        assert_eq!(text, format!("-----BEGIN X-----\n{}\nAA==\n-----END X-----\n", "A".repeat(64)));
    }
}
