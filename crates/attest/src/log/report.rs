//! What a Coordinator's evidence commits to in version 3 of the API.

use aws_lc_rs::digest::{Context, SHA512};

use super::hash;

/// Tells these 64 bytes from all other report data.
const DOMAIN: &[u8] = b"MarbleRun Coordinator quote v3\0";

/// Report data: SHA-512 of a domain and the SHA-256 of each part, in this order: root certificate (DER), the caller's
/// nonce, log key (text), checkpoint (the whole signed note). What is not there counts as empty.
pub fn report_data(root_certificate: &[u8], nonce: &[u8], log_key: &str, checkpoint: &str) -> [u8; 64] {
    let mut context = Context::new(&SHA512);
    context.update(DOMAIN);
    for part in [root_certificate, nonce, log_key.as_bytes(), checkpoint.as_bytes()] {
        context.update(&hash(&[part]));
    }
    let mut data = [0; 64];
    data.copy_from_slice(context.finish().as_ref());
    data
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_part_counts_at_its_place() {
        let all = [
            report_data(b"", b"", "", ""),
            report_data(b"x", b"", "", ""),
            report_data(b"", b"x", "", ""),
            report_data(b"", b"", "x", ""),
            report_data(b"", b"", "", "x"),
            report_data(b"xx", b"", "", ""),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
