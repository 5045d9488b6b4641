//! `pem hex raw string base64`: the only way for a secret's bytes into a file or variable.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::ast::Function;
use super::buffer::{Buffer, Text};
use super::value::{Handle, Value};
use super::{Part, Source};
use crate::SecretKind;

/// Characters of base64 in a line of PEM (RFC 7468 section 2).
const PEM_LINE: usize = 64;

/// Encodes a secret or a part of one; the result has at most `limit` bytes.
///
/// # Errors
/// The value is no secret, does not exist, is empty, or not what the function takes. Never names a value.
pub(super) fn encode(
    function: Function,
    value: &Value,
    source: &dyn Source,
    limit: usize,
) -> Result<Text, String> {
    let (handle, part) = match value {
        Value::Part(handle, part) => (handle, *part),
        Value::Whole(_) if function == Function::Pem => {
            return Err(
                "pem needs a part of a secret: write .Cert, .Public or .Private after its name".into()
            );
        }
        Value::Whole(handle) => (handle, meant_by_whole(handle)),
        Value::Missing(_) | Value::Zero => return Err(value.unprintable()),
        other => return Err(format!("{} takes a secret, not {}", function.name(), other.kind())),
    };
    if function == Function::String && !is_plain(handle) {
        return Err("string takes only a secret of type plain: use base64, hex or pem".into());
    }
    let bytes = bytes_of(source, handle, part)?;
    match function {
        Function::Pem => pem(part, &bytes, limit),
        Function::Hex => hexadecimal(&bytes, limit),
        Function::Base64 => base64_text(&bytes, limit),
        Function::String if bytes.contains(&0) => {
            Err("this secret contains a NUL byte: use base64 or hex".into())
        }
        _ => raw(&bytes, limit),
    }
}

/// The bytes of a part.
///
/// # Errors
/// There are none.
pub(super) fn bytes_of(
    source: &dyn Source,
    handle: &Handle,
    part: Part,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let bytes = match handle {
        Handle::Secret(generation, name, _) => source.secret(*generation, name, part)?,
        Handle::Reserved(which) => source.reserved(*which, part),
    };
    if bytes.is_empty() {
        return Err(format!("this secret has no {}: its value is empty", part_name(part)));
    }
    Ok(bytes)
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Cert => "certificate",
        Part::Public => "public key",
        Part::Private => "private key",
    }
}

/// A symmetric or plain secret stands for its bytes, a certificate for its public key.
fn meant_by_whole(handle: &Handle) -> Part {
    match handle {
        Handle::Secret(_, _, meta) if !meta.kind.is_certificate() => Part::Private,
        _ => Part::Public,
    }
}

fn is_plain(handle: &Handle) -> bool {
    matches!(handle, Handle::Secret(_, _, meta) if meta.kind == SecretKind::Plain)
}

fn raw(bytes: &[u8], limit: usize) -> Result<Text, String> {
    let mut out = Buffer::new(limit);
    out.push(bytes)?;
    Ok(out.into_text())
}

fn hexadecimal(bytes: &[u8], limit: usize) -> Result<Text, String> {
    let mut out = Buffer::new(limit);
    // Checked before the work: the longest output is bounded whatever the source hands over.
    out.fill(0, bytes.len().saturating_mul(2))?;
    let mut out = out.finish();
    hex::encode_to_slice(bytes, &mut out).map_err(|_| "this secret is too long".to_owned())?;
    Ok(out.into())
}

fn base64_text(bytes: &[u8], limit: usize) -> Result<Text, String> {
    let mut out = Buffer::new(limit);
    out.fill(0, bytes.len().div_ceil(3).saturating_mul(4))?;
    let mut out = out.finish();
    STANDARD.encode_slice(bytes, &mut out).map_err(|_| "this secret is too long".to_owned())?;
    Ok(out.into())
}

/// RFC 7468, as Go's `pem.Encode` writes it.
fn pem(part: Part, bytes: &[u8], limit: usize) -> Result<Text, String> {
    let label = match part {
        Part::Cert => "CERTIFICATE",
        Part::Public => "PUBLIC KEY",
        Part::Private => "PRIVATE KEY",
    };
    let body = base64_text(bytes, limit)?;
    let mut out = Buffer::new(limit);
    out.push(format!("-----BEGIN {label}-----\n").as_bytes())?;
    for line in body.chunks(PEM_LINE) {
        out.push(line)?;
        out.push(b"\n")?;
    }
    out.push(format!("-----END {label}-----\n").as_bytes())?;
    Ok(out.into_text())
}
