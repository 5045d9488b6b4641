//! How byte strings stand in JSON.

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
