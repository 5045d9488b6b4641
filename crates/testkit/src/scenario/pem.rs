//! PEM blocks (RFC 7468), strictly: 64 columns, nothing before, between or after them, and a final newline.

use anyhow::{Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Label and content of every block.
///
/// # Errors
/// If the text is anything but blocks in their canonical form.
pub(crate) fn blocks(text: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let mut rest = text;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (label, content, remainder) = block(rest)?;
        let canonical = encode(&label, &content);
        let seen = &rest[..rest.len() - remainder.len()];
        ensure!(canonical == seen, "a PEM block is not in its canonical form: {seen:?}");
        found.push((label, content));
        rest = remainder;
    }
    Ok(found)
}

fn block(text: &str) -> Result<(String, Vec<u8>, &str)> {
    let Some((label, rest)) = text.strip_prefix("-----BEGIN ").and_then(|rest| rest.split_once("-----\n"))
    else {
        bail!("no PEM block begins at {:?}", text.chars().take(40).collect::<String>());
    };
    let end = format!("-----END {label}-----\n");
    let Some((body, rest)) = rest.split_once(&end) else { bail!("a PEM block of {label} does not end") };
    let content = STANDARD.decode(body.replace('\n', ""))?;
    Ok((label.to_owned(), content, rest))
}

/// One block.
pub(crate) fn encode(label: &str, content: &[u8]) -> String {
    let body = STANDARD.encode(content);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + "-----END " + label + "-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let text = encode("A B", &[7; 100]) + &encode("C", &[]);
        assert_eq!(blocks(&text).expect("blocks"), [("A B".into(), vec![7; 100]), ("C".into(), vec![])]);
    }

    #[test]
    fn refuses_other_forms() {
        let good = encode("X", &[1; 60]);
        let wide = good.replace("AQEB\nAQ", "AQEBAQ");
        assert_ne!(wide, good);
        for bad in [
            good.trim_end().to_owned(),
            format!(" {good}"),
            format!("{good}\n"),
            good.replace('\n', "\r\n"),
            good.replace("END X", "END Y"),
            good.replacen("AQ", "A*", 1),
            wide,
        ] {
            assert!(blocks(&bad).is_err(), "{bad:?}");
        }
    }
}
