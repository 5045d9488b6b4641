//! What a holder of a recovery key does without our programs: OpenSSL decrypts and verifies.

use std::path::Path;
use std::process::Command;

/// Decrypts the second file with the key in the first, into the third.
pub(crate) fn decrypt(folder: &Path, [key, from, to]: &[String; 3]) -> Result<(), String> {
    let oaep = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"];
    let files = ["-inkey", key, "-in", from, "-out", to];
    openssl(folder, &[&["pkeyutl", "-decrypt"][..], &files[..], &oaep[..]].concat())
}

/// RSA PKCS#1 v1.5 with SHA-256: the second file is the signature of the key in the first over the third.
pub(crate) fn check_signature(folder: &Path, [key, signature, over]: &[String; 3]) -> Result<(), String> {
    openssl(folder, &["dgst", "-sha256", "-prverify", key, "-signature", signature, over])
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output();
    let output = output.map_err(|error| format!("openssl: {error}"))?;
    let said =
        || String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("openssl {arguments:?}: {}", said())) }
}
