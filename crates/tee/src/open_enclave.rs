//! The header that Open Enclave puts before a quote. Coordinators of version 1 take a marble's quote only with it, and
//! their clients a Coordinator's.

/// Version 1 of the header, type 2 (a remote report), both little endian, 32 bits.
const BEGINNING: [u8; 8] = [1, 0, 0, 0, 2, 0, 0, 0];

/// `quote` behind its header of 16 bytes.
pub(crate) fn wrap(quote: &[u8]) -> Vec<u8> {
    [&BEGINNING, &(quote.len() as u64).to_le_bytes(), quote].concat()
}
