//! Fields of values: `.Secrets.name.Part` and its relatives.

use std::sync::Arc;

use super::buffer::text;
use super::certificate;
use super::value::{Handle, Value};
use super::{Generation, Meta, Part, Reserved, Source};

/// The field `name` of `value`.
///
/// # Errors
/// There is no such field.
pub(super) fn field(source: &dyn Source, value: &Value, name: &Arc<str>) -> Result<Value, String> {
    match value {
        Value::Root => root(source, name),
        Value::Previous if **name == *"Secrets" => Ok(Value::Secrets(Generation::Previous)),
        Value::Previous => Err(unknown(".Previous", name, &["Secrets"])),
        Value::MarbleRun => reserved(name),
        Value::Secrets(generation) => Ok(secret(source, *generation, name)),
        Value::Whole(handle) => whole(source, handle, name),
        Value::Part(handle, Part::Cert) => certificate::field(source, handle, name),
        Value::Name(parts) => certificate::name_field(parts, name),
        Value::Zero => zero(name),
        // As in Go: a field of what does not exist does not exist.
        Value::Nil | Value::Missing(_) => Ok(value.clone()),
        _ => Err(format!("{} has no field {name:?}", value.kind())),
    }
}

fn root(source: &dyn Source, name: &str) -> Result<Value, String> {
    match name {
        "Secrets" => Ok(Value::Secrets(Generation::Current)),
        "Previous" => Ok(Value::Previous),
        "MarbleRun" => Ok(Value::MarbleRun),
        _ => match source.list(name) {
            Some(items) => Ok(Value::List(items.into_iter().map(|item| Value::Text(text(item))).collect())),
            None => Err(unknown("a template", name, &["Secrets", "Previous", "MarbleRun"])),
        },
    }
}

fn reserved(name: &str) -> Result<Value, String> {
    let which = match name {
        "RootCA" => Reserved::RootCa,
        "MarbleCert" => Reserved::MarbleCert,
        "CoordinatorRoot" => Reserved::CoordinatorRoot,
        "CoordinatorIntermediate" => Reserved::CoordinatorIntermediate,
        _ => {
            let known = ["RootCA", "MarbleCert", "CoordinatorRoot", "CoordinatorIntermediate"];
            return Err(unknown(".MarbleRun", name, &known));
        }
    };
    Ok(Value::Whole(Handle::Reserved(which)))
}

fn secret(source: &dyn Source, generation: Generation, name: &Arc<str>) -> Value {
    match source.meta(generation, name) {
        Some(meta) => Value::Whole(Handle::Secret(generation, name.clone(), meta)),
        None if generation == Generation::Previous => {
            Value::Missing(format!(".Previous.Secrets.{name}").into())
        }
        None => Value::Missing(format!(".Secrets.{name}").into()),
    }
}

const PARTS: [&str; 8] = ["Cert", "Public", "Private", "Type", "Size", "Shared", "UserDefined", "ValidFor"];

fn whole(source: &dyn Source, handle: &Handle, name: &str) -> Result<Value, String> {
    let part = match name {
        "Cert" => Part::Cert,
        "Public" => Part::Public,
        "Private" => Part::Private,
        _ => return metadata(source, handle, name),
    };
    if let (Handle::Secret(_, secret, meta), Part::Cert) = (handle, part)
        && !meta.kind.is_certificate()
    {
        return Err(format!("the secret {secret:?} is a {} and has no certificate", meta.kind.type_name()));
    }
    Ok(Value::Part(handle.clone(), part))
}

fn metadata(source: &dyn Source, handle: &Handle, name: &str) -> Result<Value, String> {
    let Handle::Secret(generation, secret, Meta { kind, shared, user_defined }) = handle else {
        return Err(unknown("a reserved certificate", name, &PARTS[..3]));
    };
    Ok(match name {
        "Type" => Value::Text(text(kind.type_name())),
        "Size" => Value::Int(kind.size_bits().into()),
        "Shared" => Value::Bool(*shared),
        "UserDefined" => Value::Bool(*user_defined),
        "ValidFor" => Value::Int(source.valid_days(*generation, secret).into()),
        _ => return Err(unknown("a secret", name, &PARTS)),
    })
}

fn zero(name: &str) -> Result<Value, String> {
    Ok(match name {
        "Cert" | "Public" | "Private" => Value::Zero,
        "Type" => Value::Text(text("")),
        "Size" | "ValidFor" => Value::Int(0),
        "Shared" | "UserDefined" => Value::Bool(false),
        _ => return Err(unknown("a secret", name, &PARTS)),
    })
}

/// An error about a name, with the one that was probably meant.
pub(super) fn unknown(owner: &str, name: &str, known: &[&str]) -> String {
    match known.iter().find(|candidate| candidate.eq_ignore_ascii_case(name)) {
        Some(meant) => format!("{owner} has no field {name:?}; write .{meant}"),
        None => format!("{owner} has no field {name:?}; it has {}", known.join(", ")),
    }
}
