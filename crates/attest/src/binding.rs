//! What evidence must be bound to. There is no verification without it, and nothing but the exact bytes will do.

use crate::bytes::Hex;
use crate::error::Failure;

/// What evidence must be bound to: the purpose, and the key that the peer proved to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// A marble that wants to be activated: SHA-256 over the DER of its TLS client certificate.
    MarbleCertificate([u8; 32]),
    /// A Coordinator that a client wants to trust: SHA-256 over the DER of its root certificate, followed by the
    /// client's nonce if it sent one.
    CoordinatorRoot([u8; 32]),
    /// Exactly these bytes: 64 of report data, or a nonce. For whoever looks at evidence that was not made for him,
    /// and knows its binding from elsewhere.
    Exactly(Vec<u8>),
}

impl Binding {
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
            Self::MarbleCertificate(digest) | Self::CoordinatorRoot(digest) => digest,
            Self::Exactly(bytes) => bytes,
        }
    }
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
        for binding in [Binding::MarbleCertificate(digest), Binding::CoordinatorRoot(digest)] {
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
}
