//! What evidence must be bound to. There is no verification without it, and nothing but the exact bytes will do.

use aws_lc_rs::digest::{Context, SHA256, digest};

use crate::bytes::Hex;
use crate::error::Failure;

/// Marks that keep purposes apart. No other binding hashes a text that begins so: certificates in DER begin with 0x30.
const FRESH_MARBLE: &[u8] = b"MarbleRun fresh marble evidence\0";
const COORDINATOR_FOR_MARBLE: &[u8] = b"MarbleRun Coordinator evidence for marbles\0";

/// What evidence must be bound to: the purpose, and the key that the peer proved to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// A marble that wants to be activated: SHA-256 over the DER of its TLS client certificate.
    MarbleCertificate([u8; 32]),
    /// A Coordinator that a client wants to trust: SHA-256 over the DER of its root certificate, followed by the
    /// client's nonce if it sent one.
    CoordinatorRoot([u8; 32]),
    /// A marble that was given a challenge: [`Binding::fresh_marble`] makes the hash.
    FreshMarble([u8; 32]),
    /// A Coordinator that a marble wants to trust: [`Binding::coordinator_for_marble`] makes the hash.
    CoordinatorForMarble([u8; 32]),
    /// Exactly these bytes: 64 of report data, or a nonce. For whoever looks at evidence that was not made for him,
    /// and knows its binding from elsewhere.
    Exactly(Vec<u8>),
}

impl Binding {
    /// Of a marble: its TLS client certificate (DER) alone, as marbles do that know of no challenge.
    pub fn marble(certificate: &[u8]) -> Self {
        Self::MarbleCertificate(sha256(certificate))
    }

    /// Of a marble: its TLS client certificate (DER), and the challenge that the Coordinator gave it.
    pub fn fresh_marble(certificate: &[u8], challenge: &[u8]) -> Self {
        Self::FreshMarble(hash(FRESH_MARBLE, &[certificate, challenge]))
    }

    /// Of a Coordinator: its root certificate, the marble root certificate that its mesh port shows (both DER), and the
    /// nonce that the marble sent.
    pub fn coordinator_for_marble(root: &[u8], marble_root: &[u8], nonce: &[u8]) -> Self {
        Self::CoordinatorForMarble(hash(COORDINATOR_FOR_MARBLE, &[root, marble_root, nonce]))
    }

    /// What evidence is issued over to be bound so: the hash, then zeros.
    pub fn report_data(&self) -> [u8; 64] {
        let mut data = [0; 64];
        data.iter_mut().zip(self.digest()).for_each(|(to, from)| *to = *from);
        data
    }

    /// Holds the 64 bytes of a hardware report against this: the hash, then zeros and nothing else.
    pub(crate) fn check_report_data(&self, seen: &Hex<64>) -> Result<(), Failure> {
        let mut wanted = self.digest().to_vec();
        if !matches!(self, Self::Exactly(_)) {
            wanted.resize(seen.0.len(), 0);
        }
        check(&seen.0, &wanted)
    }

    /// Holds a nonce of a TPM or an SPDM device against this: the hash alone.
    pub(crate) fn check_nonce(&self, seen: &[u8]) -> Result<(), Failure> {
        check(seen, self.digest())
    }

    fn digest(&self) -> &[u8] {
        match self {
            Self::MarbleCertificate(digest)
            | Self::CoordinatorRoot(digest)
            | Self::FreshMarble(digest)
            | Self::CoordinatorForMarble(digest) => digest,
            Self::Exactly(bytes) => bytes,
        }
    }
}

/// SHA-256 of a mark and the SHA-256 of each part, so that nothing can move from one part into the next.
fn hash(mark: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(mark);
    parts.iter().for_each(|part| context.update(&sha256(part)));
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Both are public, so comparing them needs no constant time.
fn check(seen: &[u8], wanted: &[u8]) -> Result<(), Failure> {
    if seen == wanted {
        return Ok(());
    }
    Err(Failure::Binding { seen: hex::encode(seen), wanted: hex::encode(wanted) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_bytes_bind() {
        let digest = [7; 32];
        let mut report_data = [0; 64];
        report_data[..32].copy_from_slice(&digest);
        for binding in [
            Binding::MarbleCertificate(digest),
            Binding::CoordinatorRoot(digest),
            Binding::FreshMarble(digest),
            Binding::CoordinatorForMarble(digest),
        ] {
            assert_eq!(binding.report_data(), report_data);
            assert_eq!(binding.check_report_data(&Hex(report_data)), Ok(()));
            assert_eq!(binding.check_nonce(&digest), Ok(()));
            for position in [0, 31, 32, 63] {
                let mut other = report_data;
                other[position] ^= 1;
                assert!(binding.check_report_data(&Hex(other)).is_err(), "byte {position}");
            }
            for other in [&digest[..31], &report_data[..], &report_data[..33], &[][..]] {
                assert!(binding.check_nonce(other).is_err(), "{} bytes", other.len());
            }
        }
        assert!(Binding::Exactly(digest.to_vec()).check_report_data(&Hex(report_data)).is_err(), "cut");
        assert!(Binding::Exactly(Vec::new()).check_report_data(&Hex([0; 64])).is_err(), "forgotten");
    }

    /// The same bytes for another purpose, another challenge, or cut elsewhere, are another binding.
    #[test]
    fn purposes_and_parts_are_kept_apart() {
        let all = [
            Binding::marble(b"ab"),
            Binding::fresh_marble(b"ab", b""),
            Binding::fresh_marble(b"a", b"b"),
            Binding::fresh_marble(b"ab", b"c"),
            Binding::coordinator_for_marble(b"ab", b"", b""),
            Binding::coordinator_for_marble(b"a", b"b", b""),
            Binding::coordinator_for_marble(b"", b"a", b"b"),
            Binding::coordinator_for_marble(b"a", b"b", b"c"),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().map(Binding::report_data).collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(Binding::fresh_marble(b"ab", b"c"), all[3]);
    }
}
