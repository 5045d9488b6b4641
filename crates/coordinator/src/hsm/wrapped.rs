//! Pure parts: the ephemeral key that a released key is wrapped to, and the shapes around it. Nothing here asks anybody.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::{AnyRef, BitStringRef, UintRef};
use der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::HsmError;

/// Length of a ciphertext of RSA-2048, in bytes.
const RSA_BYTES: usize = 256;
/// A wrapped RSA-4096 key is some 2400 bytes; anything larger is none.
const MAX_WRAPPED: usize = 8 << 10;

/// An RSA-2048 key for one release.
pub(super) struct EphemeralKey {
    private: OaepPrivateDecryptingKey,
    runtime_data: Vec<u8>,
}

impl EphemeralKey {
    /// A fresh one. Takes some tenths of a second.
    pub(super) fn generate() -> Result<Self, HsmError> {
        let failed = |_| HsmError::Crypto;
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(failed)?;
        let public = AsDer::<PublicKeyX509Der<'_>>::as_der(&private.public_key()).map_err(failed)?;
        let runtime_data = runtime_data(public.as_ref()).map_err(|_| HsmError::Crypto)?;
        Ok(Self { private: OaepPrivateDecryptingKey::new(private).map_err(failed)?, runtime_data })
    }

    /// What the evidence has to be bound to: the public key as a JSON Web Key (RFC 7517), in the form in which the
    /// attestation service repeats it in its statement.
    pub(super) fn runtime_data(&self) -> &[u8] {
        &self.runtime_data
    }

    /// The report data of our evidence: SHA-256 of the runtime data, then zeros.
    pub(super) fn report_data(&self) -> [u8; 64] {
        let mut report_data = [0; 64];
        report_data[..32].copy_from_slice(digest(&SHA256, &self.runtime_data).as_ref());
        report_data
    }

    /// Takes out a key that was wrapped by `CKM_RSA_AES_KEY_WRAP` (PKCS#11 v3.0, section 2.1.21): an AES key encrypted
    /// by RSAES-OAEP with SHA-1 (RFC 8017 section 7.1), then the key wrapped by it (RFC 5649). SHA-1 is what the HSM's
    /// mechanism of this name uses; OAEP needs no collision resistance.
    pub(super) fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, HsmError> {
        let wrong = HsmError::Unwrap;
        if wrapped.len() > MAX_WRAPPED {
            return Err(wrong);
        }
        let (encrypted, wrapped) = wrapped.split_at_checked(RSA_BYTES).ok_or(HsmError::Unwrap)?;
        let mut kek = Zeroizing::new(vec![0; self.private.min_output_size()]);
        let kek = self
            .private
            .decrypt(&OAEP_SHA1_MGF1SHA1, encrypted, &mut kek, None)
            .map_err(|_| HsmError::Unwrap)?;
        let kek = AesKek::new(&AES_256, kek).map_err(|_| HsmError::Unwrap)?;
        let mut key = Zeroizing::new(vec![0; wrapped.len()]);
        let length = kek.unwrap_with_padding(wrapped, &mut key).map_err(|_| HsmError::Unwrap)?.len();
        key.truncate(length);
        if key.len() < 32 { Err(HsmError::Short(key.len())) } else { Ok(key) }
    }
}

/// `{"keys": [JWK]}` of an RSA key in SubjectPublicKeyInfo (RFC 8017 appendix A.1.1).
fn runtime_data(public: &[u8]) -> der::Result<Vec<u8>> {
    let mut fields = SliceReader::new(sequence(public)?)?;
    AnyRef::decode(&mut fields)?;
    let key = BitStringRef::decode(&mut fields)?;
    let mut numbers = SliceReader::new(sequence(key.raw_bytes())?)?;
    let (modulus, exponent) = (UintRef::decode(&mut numbers)?, UintRef::decode(&mut numbers)?);
    numbers.finish()?;
    let base64 = |number: UintRef<'_>| URL_SAFE_NO_PAD.encode(number.as_bytes());
    let key = json!({
        "kty": "RSA", "kid": "marblerun", "key_ops": ["encrypt"], "n": base64(modulus), "e": base64(exponent),
    });
    Ok(json!({ "keys": [key] }).to_string().into_bytes())
}

/// The content of the one SEQUENCE that `bytes` is.
fn sequence(bytes: &[u8]) -> der::Result<&[u8]> {
    let any = AnyRef::from_der(bytes)?;
    any.tag().assert_eq(Tag::Sequence)?;
    Ok(any.value())
}

/// The quote without the header that Open Enclave puts before it (version 1, kind 2, length): Azure has another route for
/// such reports, and enclaves under library OSes give them, too.
pub(super) fn bare_quote(evidence: &[u8]) -> &[u8] {
    let split = evidence.strip_prefix(&[1, 0, 0, 0, 2, 0, 0, 0]).and_then(|rest| rest.split_first_chunk());
    match split {
        Some((length, quote)) if u64::from_le_bytes(*length) == quote.len() as u64 => quote,
        _ => evidence,
    }
}

/// The wrapped key in the answer to a release: a JSON Web Signature (RFC 7515) around a key whose `key_hsm` is a
/// transfer blob of Azure Key Vault.
///
/// Its signature does not count here: the answer came over TLS from the HSM that the operator named, and a key that is
/// not the one opens nothing.
pub(super) fn wrapped_key(answer: &[u8]) -> Result<Vec<u8>, HsmError> {
    let malformed = || HsmError::Malformed { who: "the HSM" };
    let Answer { value } = serde_json::from_slice(answer).map_err(|_| malformed())?;
    let payload = value.split('.').nth(1).ok_or_else(malformed)?;
    let payload: Value = decode_json(payload).ok_or_else(malformed)?;
    let blob = payload.pointer("/response/key/key/key_hsm").and_then(Value::as_str).ok_or_else(malformed)?;
    let Blob { ciphertext } = decode_json(blob).ok_or_else(malformed)?;
    decode(&ciphertext).ok_or_else(malformed)
}

#[derive(Deserialize)]
struct Answer {
    value: String,
}

#[derive(Deserialize)]
struct Blob {
    ciphertext: String,
}

fn decode_json<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&decode(text)?).ok()
}

/// Base64 for URLs; padded or not, since services differ.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};

    use super::*;

    /// As an HSM wraps.
    fn wrap(to: &EphemeralKey, key: &[u8], aes: &[u8]) -> Vec<u8> {
        let public: PublicEncryptingKey = public(to);
        let public = OaepPublicEncryptingKey::new(public).unwrap();
        let mut encrypted = vec![0; public.ciphertext_size()];
        public.encrypt(&OAEP_SHA1_MGF1SHA1, aes, &mut encrypted, None).unwrap();
        let mut wrapped = vec![0; key.len() + 16];
        let kek = AesKek::new(&AES_256, aes).unwrap();
        let length = kek.wrap_with_padding(key, &mut wrapped).unwrap().len();
        wrapped.truncate(length);
        [encrypted, wrapped].concat()
    }

    /// From the runtime data alone.
    fn public(of: &EphemeralKey) -> PublicEncryptingKey {
        let data: Value = serde_json::from_slice(of.runtime_data()).unwrap();
        let number = |name: &str| decode(data["keys"][0][name].as_str().unwrap()).unwrap();
        let components = aws_lc_rs::rsa::PublicKeyComponents { n: number("n"), e: number("e") };
        components.try_into().unwrap()
    }

    #[test]
    fn a_key_comes_out_as_it_was_wrapped_and_not_otherwise() {
        let key = EphemeralKey::generate().unwrap();
        for length in [32, 33, 1218] {
            let wrapped = wrap(&key, &vec![7; length], &[3; 32]);
            assert_eq!(key.unwrap(&wrapped).unwrap().as_slice(), vec![7; length]);
            for at in [0, 255, 256, wrapped.len() - 1] {
                let mut changed = wrapped.clone();
                changed[at] ^= 1;
                assert_eq!(key.unwrap(&changed), Err(HsmError::Unwrap), "{at}");
            }
        }
        let weak = wrap(&key, &[7; 16], &[3; 32]);
        assert_eq!(key.unwrap(&weak), Err(HsmError::Short(16)));
        for bad in [&[][..], &[0; 256], &vec![0; MAX_WRAPPED + 1]] {
            assert_eq!(key.unwrap(bad), Err(HsmError::Unwrap));
        }
        let other = EphemeralKey::generate().unwrap();
        assert_eq!(other.unwrap(&wrap(&key, &[7; 32], &[3; 32])), Err(HsmError::Unwrap));
    }

    #[test]
    fn evidence_is_bound_to_the_key() {
        let key = EphemeralKey::generate().unwrap();
        let digest = digest(&SHA256, key.runtime_data());
        assert_eq!(key.report_data(), [digest.as_ref(), &[0; 32]].concat()[..]);
    }

    #[test]
    fn azure_gets_the_quote_alone() {
        let quote = [3, 0, 2, 0, 9];
        let wrapped = [&[1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0][..], &quote].concat();
        assert_eq!(bare_quote(&wrapped), quote);
        assert_eq!(bare_quote(&quote), quote);
        assert_eq!(bare_quote(&wrapped[..20]), &wrapped[..20], "another length");
    }

    fn answer(payload: &Value) -> Vec<u8> {
        let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
        json!({ "value": format!("e30.{payload}.c2ln") }).to_string().into_bytes()
    }

    #[test]
    fn the_wrapped_key_is_found_or_the_answer_refused() {
        let with = |blob: &str| {
            answer(&json!({"response": {"key": {"key": {"key_hsm": URL_SAFE_NO_PAD.encode(blob)}}}}))
        };
        assert_eq!(wrapped_key(&with(r#"{"ciphertext": "AQID"}"#)), Ok(vec![1, 2, 3]));
        assert_eq!(wrapped_key(&with(r#"{"ciphertext": "AQ=="}"#)), Ok(vec![1]));
        let whole = with("{}");
        for bad in
            [b"".as_slice(), b"{}", b"{\"value\": \"x\"}", &whole, &answer(&json!({})), &with("no JSON")]
        {
            assert_eq!(wrapped_key(bad), Err(HsmError::Malformed { who: "the HSM" }));
        }
    }
}
