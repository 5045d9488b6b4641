//! What a plain scalar means in YAML 1.1, as far as meaning survives the way into JSON.

use super::node::Value;

/// The value of an unquoted scalar without a tag, or why it would not survive.
pub(super) fn resolve(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Ok(Value::Null),
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            Ok(Value::Bool(true))
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            Ok(Value::Bool(false))
        }
        _ if is_json_integer(text) => Ok(Value::Integer(text.to_owned())),
        _ if is_other_number(text) => Err(format!(
            "{text} without quotes is a number that JSON would spell differently; write \"{text}\" if it is text, or a plain whole number"
        )),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

/// The text of a key. Go makes text of booleans and numbers too, but only where that changes nothing is it done here.
pub(super) fn resolve_key(text: &str) -> Result<String, String> {
    match resolve(text)? {
        Value::Null => Err("a key must not be null; quote it if it is text".into()),
        Value::Bool(value) if value.to_string() != text => {
            Err(format!("the key {text} without quotes means {value} in YAML; write \"{text}\""))
        }
        _ => Ok(text.to_owned()),
    }
}

/// Whole numbers of 64 bits, spelled as JSON spells them.
fn is_json_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = digits == "0" && digits == text || digits.starts_with(|c: char| ('1'..='9').contains(&c));
    canonical
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok())
}

/// Everything else that YAML 1.1 (types int and float) reads as a number, generously: to refuse a text that is none
/// costs two quotes, to let a number through would cost the hash.
fn is_other_number(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let lower = unsigned.to_ascii_lowercase();
    if matches!(lower.as_str(), ".inf" | ".nan") {
        return true;
    }
    let based = |prefix: &str, radix: u32| {
        lower
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    based("0x", 16) || based("0o", 8) || based("0b", 2) || is_decimal(&lower)
}

/// `(.D+ | D+(.D*)?)(e[+-]?D+)?`
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let some_digits = |part: &str| !part.is_empty() && digits(part);
    let mantissa = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => some_digits(mantissa),
    };
    mantissa && exponent.is_none_or(some_digits)
}
