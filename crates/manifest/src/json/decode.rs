//! From JSON values to the types of [`crate::written`], with a finding for each that does not fit.

use super::{Kind, Parser, Stop};
use crate::finding::shown;

/// A type that a JSON value can be read into.
pub(crate) trait Decode: Sized {
    /// Reads the next value, which is not `null`. `None`: it did not fit, and a finding says so.
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop>;

    /// Reads a `null` where an entry of a section is expected. It counts as absent.
    fn null_entry(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        p.warn("null: this entry counts as absent");
        p.null()?;
        Ok(None)
    }
}

/// A JSON object with known keys.
pub(crate) trait Object: Default {
    /// Keys with a meaning.
    const FIELDS: &'static [&'static str];
    /// Keys that existing manifests may carry although they have no effect.
    const WITHOUT_EFFECT: &'static [&'static str];

    /// Reads the value of `FIELDS[index]`.
    fn field(&mut self, index: usize, p: &mut Parser<'_>) -> Result<(), Stop>;
}

/// A member of an object: `null` means absent.
pub(crate) fn optional<T: Decode>(p: &mut Parser<'_>) -> Result<Option<T>, Stop> {
    if p.kind()? == Kind::Null {
        p.null()?;
        return Ok(None);
    }
    T::decode(p)
}

/// An object with known keys: keys match in any case, near misses and two spellings are errors.
pub(crate) fn object<T: Object>(p: &mut Parser<'_>) -> Result<Option<T>, Stop> {
    if p.kind()? != Kind::Object {
        return wrong_kind(p, Kind::Object.named());
    }
    let mut value = T::default();
    let mut seen = vec![false; T::FIELDS.len() + T::WITHOUT_EFFECT.len()];
    p.object(&mut |p, key| match recognise::<T>(key) {
        Key::Known { index, name } if std::mem::replace(&mut seen[index], true) => {
            p.error(format!("another spelling of `{name}`, which stands in the same object: remove one"));
            p.skip()
        }
        Key::Known { index, name } => {
            if key != name {
                p.warn(format!("read as `{name}`: write it in this case"));
            }
            match index < T::FIELDS.len() {
                true => value.field(index, p),
                false => without_effect(p),
            }
        }
        Key::NearMiss(name) => {
            p.error(format!("unknown key; did you mean `{name}`?"));
            p.skip()
        }
        Key::Unknown => {
            p.warn("unknown key: it has no effect");
            p.skip()
        }
    })?;
    Ok(Some(value))
}

/// Reads over the value of a key that has no effect, and says so unless it is a zero value (programs write
/// those for every field of a structure).
fn without_effect(p: &mut Parser<'_>) -> Result<(), Stop> {
    let zero = match p.kind()? {
        Kind::Null => p.null().map(|()| true)?,
        Kind::Bool => !p.bool()?,
        Kind::Number => p.number()? == "0",
        Kind::String => matches!(p.string()?.as_ref(), "" | ZERO_TIME),
        Kind::Array | Kind::Object => p.skip().map(|()| false)?,
    };
    if !zero {
        p.warn("has no effect: this is not the manifest's to say");
    }
    Ok(())
}

/// Go's zero time.
pub(crate) const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

enum Key {
    /// `index` counts through `FIELDS`, then `WITHOUT_EFFECT`.
    Known {
        index: usize,
        name: &'static str,
    },
    NearMiss(&'static str),
    Unknown,
}

fn recognise<T: Object>(key: &str) -> Key {
    let names = || T::FIELDS.iter().chain(T::WITHOUT_EFFECT).copied();
    if let Some((index, name)) = names().enumerate().find(|(_, name)| name.eq_ignore_ascii_case(key)) {
        return Key::Known { index, name };
    }
    names().find(|name| near_miss(key, name)).map_or(Key::Unknown, Key::NearMiss)
}

/// Whether `key` is so near to `name` that it cannot be meant otherwise: one edit, two in a longer name.
fn near_miss(key: &str, name: &str) -> bool {
    let allowed = if name.len() < 6 { 1 } else { 2 };
    key.len().abs_diff(name.len()) <= 2 * allowed
        && distance(&key.to_lowercase(), &name.to_lowercase()) <= allowed
}

/// Optimal string alignment distance: insert, delete, replace a character, swap two neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// Notes that the next value is of the wrong kind, and reads over it.
pub(crate) fn wrong_kind<T>(p: &mut Parser<'_>, expected: &str) -> Result<Option<T>, Stop> {
    let found = p.kind()?;
    p.error(format!("expected {expected}, found {}", found.named()));
    p.skip()?;
    Ok(None)
}

impl Decode for bool {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        match p.kind()? {
            Kind::Bool => p.bool().map(Some),
            _ => wrong_kind(p, "true or false"),
        }
    }
}

impl Decode for String {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        match p.kind()? {
            Kind::String => p.string().map(|s| Some(s.into_owned())),
            _ => wrong_kind(p, "a string"),
        }
    }
}

impl Decode for u64 {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        integer(p, Self::MAX)
    }
}

impl Decode for u32 {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        Ok(integer(p, Self::MAX.into())?.and_then(|n| n.try_into().ok()))
    }
}

impl Decode for u16 {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        Ok(integer(p, Self::MAX.into())?.and_then(|n| n.try_into().ok()))
    }
}

impl Decode for u8 {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        Ok(integer(p, Self::MAX.into())?.and_then(|n| n.try_into().ok()))
    }
}

/// A whole number from 0 to `max`, written without fraction and exponent.
fn integer(p: &mut Parser<'_>, max: u64) -> Result<Option<u64>, Stop> {
    if p.kind()? != Kind::Number {
        return wrong_kind(p, &format!("a whole number from 0 to {max}"));
    }
    let written = p.number()?;
    match written.parse::<u64>() {
        Ok(value) if value <= max => Ok(Some(value)),
        _ => {
            p.error(format!("{} is not a whole number from 0 to {max}", shown(written)));
            Ok(None)
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(p: &mut Parser<'_>) -> Result<Option<Self>, Stop> {
        if p.kind()? != Kind::Array {
            return wrong_kind(p, "a list");
        }
        let mut items = Vec::new();
        p.array(&mut |p| {
            if p.kind()? == Kind::Null {
                p.error("null in a list: remove it");
                return p.null();
            }
            items.extend(T::decode(p)?);
            Ok(())
        })?;
        Ok(Some(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses() {
        let near = [
            ("MaxActivation", "MaxActivations"),
            ("Marble", "Marbles"),
            ("evn", "Env"),
            ("Envs", "Env"),
            ("SginerID", "SignerID"),
            ("Adr", "Addr"),
            ("AcceptedTCBStatus", "AcceptedTCBStatuses"),
        ];
        let far =
            [("Clients", "Config"), ("Comment", "Config"), ("URL", "TLS"), ("Name", "Package"), ("x", "Env")];
        near.iter().for_each(|(key, name)| assert!(near_miss(key, name), "{key} {name}"));
        far.iter().for_each(|(key, name)| assert!(!near_miss(key, name), "{key} {name}"));
    }
}
