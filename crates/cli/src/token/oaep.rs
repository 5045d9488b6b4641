//! Removes the padding of RSAES-OAEP (RFC 8017 section 7.1.2, step 3; SHA-256, empty label), for tokens that do only the
//! RSA operation itself. That operation, the one with the private key, is never done here.
//!
//! Whoever sees how this ends is the holder of the key, so there is nobody to whom an error could tell something. All
//! bytes are looked at nevertheless before it decides.

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use zeroize::Zeroizing;

/// The message in a block of the modulus' length; `None` if the padding is not right.
pub(super) fn unpad(block: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    let (first, rest) = block.split_first()?;
    let (masked_seed, masked_db) = rest.split_at_checked(SHA256_OUTPUT_LEN)?;
    let seed = xor(masked_seed, &mask(masked_db, SHA256_OUTPUT_LEN));
    let db = xor(masked_db, &mask(&seed, masked_db.len()));
    let (label, message) = db.split_at_checked(SHA256_OUTPUT_LEN)?;
    let other_label = label.iter().zip(digest(&SHA256, b"").as_ref()).fold(0, |all, (a, b)| all | (a ^ b));
    // Zeros, a one, the message.
    let start = message.iter().position(|byte| *byte != 0);
    let wrong_start = start.is_none_or(|at| message[at] != 1);
    if *first != 0 || other_label != 0 || wrong_start {
        return None;
    }
    Some(Zeroizing::new(message[start? + 1..].to_vec()))
}

/// MGF1 (RFC 8017 appendix B.2.1).
fn mask(seed: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let blocks = 0..u32::try_from(length.div_ceil(SHA256_OUTPUT_LEN)).unwrap_or(u32::MAX);
    let mut mask = Zeroizing::new(Vec::with_capacity(length + SHA256_OUTPUT_LEN));
    for counter in blocks {
        let input = Zeroizing::new([seed, &counter.to_be_bytes()].concat());
        mask.extend_from_slice(digest(&SHA256, &input).as_ref());
    }
    mask.truncate(length);
    mask
}

fn xor(a: &[u8], b: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(a.iter().zip(b).map(|(a, b)| a ^ b).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8017 section 7.1.1, step 2, with a seed that is not random.
    fn pad(message: &[u8], length: usize) -> Vec<u8> {
        pad_with_label(b"", message, length)
    }

    fn pad_with_label(label: &[u8], message: &[u8], length: usize) -> Vec<u8> {
        let zeros = vec![0; length - message.len() - 2 * SHA256_OUTPUT_LEN - 2];
        let db = [digest(&SHA256, label).as_ref(), &zeros, &[1], message].concat();
        let seed = [7; SHA256_OUTPUT_LEN];
        let masked_db = xor(&db, &mask(&seed, db.len()));
        let masked_seed = xor(&seed, &mask(&masked_db, SHA256_OUTPUT_LEN));
        [&[0], masked_seed.as_slice(), &masked_db].concat()
    }

    fn unpadded(block: &[u8]) -> Option<Vec<u8>> {
        unpad(Zeroizing::new(block.to_vec())).map(|message| message.to_vec())
    }

    #[test]
    fn a_message_comes_out_as_it_went_in() {
        for message in [&b""[..], b"x", &[0; 32], &[1; 190]] {
            assert_eq!(unpadded(&pad(message, 256)).as_deref(), Some(message));
        }
    }

    #[test]
    fn what_is_not_padded_so_is_refused() {
        let good = pad(b"secret", 256);
        for at in [0, 1, 40, 100, 255 - 7] {
            let mut bad = good.clone();
            bad[at] ^= 2;
            assert_eq!(unpadded(&bad), None, "byte {at}");
        }
        assert_eq!(unpadded(&pad_with_label(b"other", b"secret", 256)), None);
        for short in [&[][..], &good[..1], &good[..40], &good[1..]] {
            assert_eq!(unpadded(short), None);
        }
    }
}
