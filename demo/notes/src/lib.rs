//! What the notes service and its client share: the notes, how they travel, and how they rest on disk.

pub mod notebook;
pub mod vault;

/// The first eight digits of a secret's SHA-256: tells which one it is, and nothing about it.
pub fn fingerprint(secret: &[u8]) -> String {
    hex::encode(&aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret).as_ref()[..4])
}
