//! Bytes that may hold a secret: wiped when dropped, also when they grow, and bounded.

use std::sync::Arc;

use zeroize::Zeroizing;

/// A finished text. Go's strings are bytes, and so are these. Wiped with the last clone.
pub(super) type Text = Arc<Zeroizing<Vec<u8>>>;

/// A text made of bytes that hold no secret.
pub(super) fn text(bytes: impl Into<Vec<u8>>) -> Text {
    Arc::new(Zeroizing::new(bytes.into()))
}

/// Bytes under construction.
pub(super) struct Buffer {
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
}

impl Buffer {
    /// An empty buffer that refuses to grow over `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Zeroizing::default(), limit }
    }

    /// Appends.
    ///
    /// # Errors
    /// The buffer would exceed its limit.
    pub(super) fn push(&mut self, more: &[u8]) -> Result<(), String> {
        self.reserve(more.len())?;
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Appends `count` times the same byte.
    ///
    /// # Errors
    /// The buffer would exceed its limit.
    pub(super) fn fill(&mut self, byte: u8, count: usize) -> Result<(), String> {
        self.reserve(count)?;
        let length = self.bytes.len() + count;
        self.bytes.resize(length, byte);
        Ok(())
    }

    /// Appends a character in UTF-8.
    ///
    /// # Errors
    /// The buffer would exceed its limit.
    pub(super) fn push_char(&mut self, c: char) -> Result<(), String> {
        self.push(c.encode_utf8(&mut [0; 4]).as_bytes())
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes still fit.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    /// What was written from this place on.
    pub(super) fn since(&self, start: usize) -> &[u8] {
        self.bytes.get(start..).unwrap_or_default()
    }

    /// What was written.
    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }

    /// What was written, to be shared.
    pub(super) fn into_text(self) -> Text {
        Arc::new(self.bytes)
    }

    /// `Vec` would leave a copy of its content behind when it grows: grow by hand and wipe the old place.
    fn reserve(&mut self, more: usize) -> Result<(), String> {
        let needed = self.bytes.len().saturating_add(more);
        if needed > self.limit {
            return Err(
                "the template makes too much text (the limit is 16 MiB of output and 64 MiB of work)".into(),
            );
        }
        if needed > self.bytes.capacity() {
            let mut larger = Vec::with_capacity(needed.max(self.bytes.capacity() * 2).max(64));
            larger.extend_from_slice(&self.bytes);
            self.bytes = Zeroizing::new(larger);
        }
        Ok(())
    }
}
