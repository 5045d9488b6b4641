//! Numbers and sized buffers as TPM 2.0 writes them: big endian, lengths first (TPM 2.0 Library, part 1, section 8).

use crate::TeeError;

/// Bytes of a TPM or of a disk: nothing in them is believed.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], TeeError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(cut)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, TeeError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, TeeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, TeeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A `TPM2B`: two bytes of length and that many bytes.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], TeeError> {
        let count = self.u16()?;
        self.bytes(count.into())
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn end(&self) -> Result<(), TeeError> {
        if self.0.is_empty() { Ok(()) } else { Err(cut()) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TeeError> {
        self.bytes(N)?.try_into().map_err(|_| cut())
    }
}

fn cut() -> TeeError {
    TeeError::NotOurs("what a TPM made ends too early or too late".into())
}

/// A `TPM2B` of `bytes`.
pub(super) fn sized(bytes: &[u8]) -> Result<Vec<u8>, TeeError> {
    let too_long = |_| TeeError::Refused(format!("{} bytes are too many for a TPM", bytes.len()));
    let count = u16::try_from(bytes.len()).map_err(too_long)?;
    Ok([&count.to_be_bytes(), bytes].concat())
}
