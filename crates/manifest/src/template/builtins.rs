//! Go's predefined functions but `and` and `or`, which the evaluator does by itself.

use std::cmp::Ordering;

use super::ast::Function;
use super::buffer::{Buffer, Text, text};
use super::value::{Handle, Value};
use super::{Generation, Source, encode, escape, format};

/// Calls a function whose number of arguments fits; a text that it makes has at most `limit` bytes.
///
/// # Errors
/// Arguments that it does not take. Never names a value.
pub(super) fn call(
    function: Function,
    args: &[Value],
    source: &dyn Source,
    limit: usize,
) -> Result<Value, String> {
    use Function as F;
    match (function, args) {
        (F::Pem | F::Hex | F::Raw | F::Base64 | F::String, [value]) => {
            encode::encode(function, value, source, limit).map(Value::Text)
        }
        (F::Not, [value]) => truth(value, source).map(|truth| Value::Bool(!truth)),
        (F::Len, [value]) => length(value, source).map(Value::Int),
        (F::Eq, [first, others @ ..]) => {
            let mut found = false;
            for other in others {
                found |= equal(first, other)?;
            }
            Ok(Value::Bool(found))
        }
        (F::Ne, [a, b]) => equal(a, b).map(|equal| Value::Bool(!equal)),
        (F::Lt, [a, b]) => order(a, b).map(|o| Value::Bool(o == Some(Ordering::Less))),
        (F::Le, [a, b]) => order(a, b).map(|o| Value::Bool(o.is_some_and(Ordering::is_le))),
        (F::Gt, [a, b]) => order(a, b).map(|o| Value::Bool(o == Some(Ordering::Greater))),
        (F::Ge, [a, b]) => order(a, b).map(|o| Value::Bool(o.is_some_and(Ordering::is_ge))),
        (F::Index, [Value::Nil, ..]) => Err("index of nil".into()),
        (F::Index, [item, keys @ ..]) => {
            keys.iter().try_fold(item.clone(), |item, key| index(&item, key, source))
        }
        (F::Slice, [item, bounds @ ..]) => slice(item, bounds, limit),
        (F::Print, args) => format::print(args, limit).map(Value::Text),
        (F::Println, args) => format::println(args, limit).map(Value::Text),
        (F::Printf, [form, args @ ..]) => match form {
            Value::Text(form) => format::printf(form, args, limit).map(Value::Text),
            other => Err(format!("printf needs a text as its format, not {}", other.kind())),
        },
        (F::Html, args) => escape::html(&joined(args, limit)?, limit).map(Value::Text),
        (F::Js, args) => escape::js(&joined(args, limit)?, limit).map(Value::Text),
        (F::UrlQuery, args) => escape::url_query(&joined(args, limit)?, limit).map(Value::Text),
        (F::Call, [value, ..]) => Err(format!("call needs a function, not {}", value.kind())),
        _ => Err(format!("{} does not take these arguments", function.name())),
    }
}

/// The text that an escaping function takes: as of `print`, but Go names a missing value differently there.
fn joined(args: &[Value], limit: usize) -> Result<Text, String> {
    let no_value = || Value::Text(text("<no value>"));
    let named = |arg: &Value| if matches!(arg, Value::Nil) { no_value() } else { arg.clone() };
    format::print(&args.iter().map(named).collect::<Vec<_>>(), limit)
}

/// Whether a value counts as true in a condition.
///
/// # Errors
/// It cannot be known, because a user-defined secret was never set.
pub(super) fn truth(value: &Value, source: &dyn Source) -> Result<bool, String> {
    Ok(match value {
        Value::Nil | Value::Missing(_) => false,
        Value::Bool(truth) => *truth,
        Value::Int(number) => *number != 0,
        Value::Float(number) => *number != 0.0,
        Value::Text(bytes) => !bytes.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Secrets(generation) => source.count(*generation) > 0,
        Value::Part(handle, part) if !is_generated(handle) => !part_bytes(source, handle, *part)?.is_empty(),
        _ => true,
    })
}

/// Whether a secret is sure to have a key, so that no value has to be made to know it.
fn is_generated(handle: &Handle) -> bool {
    matches!(handle, Handle::Secret(_, _, meta) if !meta.user_defined && meta.kind != crate::SecretKind::Plain)
}

fn part_bytes(
    source: &dyn Source,
    handle: &Handle,
    part: super::Part,
) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
    match handle {
        Handle::Secret(generation, name, _) => source.secret(*generation, name, part),
        Handle::Reserved(which) => Ok(source.reserved(*which, part)),
    }
}

fn length(value: &Value, source: &dyn Source) -> Result<i64, String> {
    let length = match value {
        Value::Text(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Secrets(generation) => source.count(*generation),
        Value::Part(handle, part) if *part != super::Part::Cert => part_bytes(source, handle, *part)?.len(),
        Value::Missing(_) | Value::Zero => return Err(value.unprintable()),
        other => return Err(format!("len of {}", other.kind())),
    };
    i64::try_from(length).map_err(|_| "too long".into())
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Nil | Value::Missing(_), Value::Nil | Value::Missing(_)) => Ok(true),
        (Value::Nil | Value::Missing(_), other) | (other, Value::Nil | Value::Missing(_)) => {
            comparable(other).map(|()| false)
        }
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::Text(a), Value::Text(b)) => Ok(***a == ***b),
        _ => {
            comparable(a)?;
            comparable(b)?;
            Err(format!("{} cannot be compared with {}", a.kind(), b.kind()))
        }
    }
}

fn comparable(value: &Value) -> Result<(), String> {
    match value {
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => Ok(()),
        other => Err(format!("{} cannot be compared", other.kind())),
    }
}

fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(Some(a.as_slice().cmp(b.as_slice()))),
        _ => Err(format!("{} and {} have no order", a.kind(), b.kind())),
    }
}

fn index(item: &Value, key: &Value, source: &dyn Source) -> Result<Value, String> {
    match (item, key) {
        (Value::Secrets(generation), Value::Text(name)) => Ok(secret(*generation, name, source)),
        (Value::Secrets(_), other) => Err(format!("a secret's name is a text, not {}", other.kind())),
        (Value::List(items), Value::Int(at)) => {
            let item = usize::try_from(*at).ok().and_then(|at| items.get(at));
            item.cloned().ok_or_else(|| format!("index out of range: the list has {} items", items.len()))
        }
        (Value::Text(bytes), Value::Int(at)) => {
            let byte = usize::try_from(*at).ok().and_then(|at| bytes.get(at));
            byte.map(|b| Value::Int((*b).into())).ok_or_else(|| "index out of range".into())
        }
        (Value::List(_) | Value::Text(_), other) => {
            Err(format!("an index is a whole number, not {}", other.kind()))
        }
        (Value::Missing(_) | Value::Zero, _) => Err(item.unprintable()),
        (other, _) => Err(format!("index does not look into {}", other.kind())),
    }
}

/// As in Go, the lookup of a missing key gives an empty secret. Its name may be computed, so that no error repeats it.
fn secret(generation: Generation, name: &[u8], source: &dyn Source) -> Value {
    let found = std::str::from_utf8(name).ok().and_then(|name| Some((name, source.meta(generation, name)?)));
    found.map_or(Value::Zero, |(name, meta)| Value::Whole(Handle::Secret(generation, name.into(), meta)))
}

fn slice(item: &Value, bounds: &[Value], limit: usize) -> Result<Value, String> {
    let length = match item {
        Value::Text(bytes) if bounds.len() < 3 => bytes.len(),
        Value::Text(_) => return Err("slice of a text takes at most two bounds".into()),
        Value::List(items) => items.len(),
        Value::Missing(_) | Value::Zero => return Err(item.unprintable()),
        other => return Err(format!("slice does not cut {}", other.kind())),
    };
    let mut places = [0, length, length];
    for (place, value) in places.iter_mut().zip(bounds) {
        let Value::Int(number) = value else {
            return Err(format!("a bound of slice is a whole number, not {}", value.kind()));
        };
        *place =
            usize::try_from(*number).ok().filter(|n| *n <= length).ok_or("bound of slice out of range")?;
    }
    let [from, to, capacity] = places;
    if from > to || to > capacity {
        return Err("the bounds of slice are not in order".into());
    }
    Ok(match item {
        Value::Text(bytes) => {
            let mut out = Buffer::new(limit);
            out.push(bytes.get(from..to).unwrap_or_default())?;
            Value::Text(out.into_text())
        }
        Value::List(items) => Value::List(items.get(from..to).unwrap_or_default().into()),
        _ => Value::Text(text("")),
    })
}
