//! The table of routes as OpenAPI 3.1. This module is part of the tests alone: it makes `docs/openapi.json` and checks
//! that it is current; what is served is that file.

use marblerun_api::rest::{self, v1, v2, v3};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, json_schema};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::routes::{Endpoint, LogEndpoint, MarbleEndpoint, ROUTES, Route, UserEndpoint, Version};

const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

/// After a change of routes or bodies: `WRITE_OPENAPI=1 cargo test -p marblerun-coordinator --lib openapi`.
#[test]
fn the_published_description_is_current() {
    let current = document();
    #[allow(clippy::disallowed_methods, reason = "a test reads its own environment")]
    if std::env::var_os("WRITE_OPENAPI").is_some() {
        std::fs::write(PUBLISHED, serde_json::to_string_pretty(&current).unwrap() + "\n").unwrap();
    }
    // As values: the order of keys depends on what else is built.
    let published = std::fs::read_to_string(PUBLISHED).unwrap_or_default();
    let published: Value = serde_json::from_str(&published).unwrap_or_default();
    assert!(published == current, "docs/openapi.json is not current: run with WRITE_OPENAPI=1");
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_its_own_name() {
    let document = document();
    let text = document.to_string();
    let references: Vec<&str> =
        text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(references.len() > ROUTES.len());
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    let names: std::collections::BTreeSet<_> = text.split("\"operationId\":\"").skip(1).collect();
    assert_eq!(names.len(), ROUTES.len());
}

fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in &ROUTES {
        let operation = operation(route, &mut schemas);
        paths.entry(route.path).or_default().insert(route.method.to_lowercase(), operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "MarbleRun Coordinator: client API",
            "description": "Versions 1 (paths without prefix), 2 and 3. An unknown path or method is answered 405.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "responses": {"Failure": failure()},
            "securitySchemes": {
                "user": {"type": "mutualTLS", "description": "Client certificate of a user of the manifest"},
                "marble": {"type": "mutualTLS", "description": "Certificate of an activated marble"},
            },
        },
    })
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let About { summary, query, body, answer } = about(route.endpoint, route.version, schemas);
    let mut operation = json!({
        "operationId": name(route),
        "summary": summary,
        "security": security(route.endpoint),
        "responses": {
            "200": {"description": "Done", "content": content(answer)},
            "default": {"$ref": "#/components/responses/Failure"},
        },
    });
    if !query.is_empty() {
        operation["parameters"] = query.iter().map(Parameter::describe).collect();
    }
    if let Some(body) = body {
        operation["requestBody"] = json!({"required": true, "content": content(body)});
    }
    operation
}

/// `getApiV2Status` for `GET /api/v2/status`.
fn name(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    route.method.to_lowercase() + &words.map(capital).collect::<String>()
}

fn content(schema: Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn security(endpoint: Endpoint) -> Value {
    match endpoint {
        Endpoint::User(_) => json!([{"user": []}]),
        Endpoint::Marble(_) => json!([{"marble": []}]),
        _ => json!([]),
    }
}

fn failure() -> Value {
    let schema = json_schema!({
        "type": "object",
        "required": ["status", "data"],
        "properties": {
            "status": {"enum": ["fail", "error"], "description": "`fail`: the caller can mend it; version 1 says `error` always"},
            "data": {"type": "null"},
            "message": {"type": "string", "description": "What was seen, which rule, what to do"},
        },
    });
    json!({"description": "Not done", "content": content(schema.to_value())})
}

/// What the table does not say about a route.
struct About {
    summary: &'static str,
    query: &'static [Parameter],
    body: Option<Value>,
    /// Of a success.
    answer: Value,
}

/// A parameter of the query.
struct Parameter {
    name: &'static str,
    what: &'static str,
    required: bool,
    kind: Kind,
}

enum Kind {
    Number,
    Text,
    Texts,
}

impl Parameter {
    const fn number(name: &'static str, required: bool, what: &'static str) -> Self {
        Self { name, what, required, kind: Kind::Number }
    }

    fn describe(&self) -> Value {
        let schema = match self.kind {
            Kind::Number => json!({"type": "integer", "minimum": 0, "format": "uint64"}),
            Kind::Text => json!({"type": "string"}),
            Kind::Texts => json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
        };
        json!({"name": self.name, "in": "query", "required": self.required, "description": self.what, "schema": schema})
    }
}

const NONCE: &[Parameter] = &[Parameter {
    name: "nonce",
    what: "Base64url with padding; the evidence covers it",
    required: false,
    kind: Kind::Text,
}];
const SECRETS: &[Parameter] = &[Parameter {
    name: "s",
    what: "Name of a secret; repeat it for more",
    required: true,
    kind: Kind::Texts,
}];
const PAGE: &[Parameter] = &[
    Parameter::number("from", false, "Index of the first entry; default 0"),
    Parameter::number("to", false, "Index after the last entry; default all"),
];
const INCLUSION: &[Parameter] = &[
    Parameter::number("index", true, "Index of the entry, from 0"),
    Parameter::number("size", false, "Entries of the tree; default all"),
];
const CONSISTENCY: &[Parameter] = &[
    Parameter::number("from", true, "Entries of the older tree"),
    Parameter::number("to", false, "Entries of the newer tree; default all"),
];

/// Exhaustive: a route that nobody describes does not compile.
fn about(endpoint: Endpoint, version: Version, g: &mut SchemaGenerator) -> About {
    let v1 = version == Version::V1;
    match endpoint {
        Endpoint::Status if v1 => get::<v1::Status>(g, "Phase of the Coordinator"),
        Endpoint::Status => get::<v2::Status>(g, "Phase of the Coordinator"),
        Endpoint::Manifest if v1 => get::<v1::Manifest>(g, "Manifest and its signature"),
        Endpoint::Manifest => get::<v2::Manifest>(g, "Manifest and its signature"),
        Endpoint::SetManifest => {
            let about = get::<Option<v2::RecoverySecrets>>(g, "Set the first manifest");
            about.with_manifest(version, g)
        }
        Endpoint::Quote if v1 => get::<v1::Quote>(g, "Certificates and evidence for them"),
        Endpoint::Quote => get::<v2::Quote>(g, "Certificates and evidence for them").asking(NONCE),
        Endpoint::QuoteOfLog => {
            get::<v3::Quote>(g, "Certificates and evidence that covers the log").asking(NONCE)
        }
        Endpoint::Recover if v1 => get::<()>(g, "Gone: always answers 410"),
        Endpoint::Recover => get::<v2::Recovered>(g, "Send a recovery secret").taking::<v2::Recover>(g),
        Endpoint::RecoverPublicKey => {
            get::<v2::RecoverPublicKey>(g, "Key to which recovery secrets may be encrypted")
        }
        Endpoint::UpdateLog if v1 => get::<String>(g, "Update log, one JSON object per line"),
        Endpoint::UpdateLog => get::<v2::UpdateLog>(g, "Update log"),
        Endpoint::PendingUpdate => get::<rest::PendingUpdate>(g, "Update that waits for acknowledgements"),
        Endpoint::SignQuote => {
            get::<v2::SignedQuote>(g, "Verify a quote and sign the verdict").taking::<v2::SignQuote>(g)
        }
        Endpoint::Log(endpoint) => about_log(endpoint, g),
        Endpoint::User(endpoint) => about_user(endpoint, version, g),
        Endpoint::Marble(MarbleEndpoint::MonotonicCounter) => {
            get::<v2::CounterValue>(g, "Raise a monotonic counter; answers with the value before")
                .taking::<v2::RaiseCounter>(g)
        }
        Endpoint::OpenApi => {
            About { summary: "This description", query: &[], body: None, answer: json!({"type": "object"}) }
        }
    }
}

fn about_log(endpoint: LogEndpoint, g: &mut SchemaGenerator) -> About {
    match endpoint {
        LogEndpoint::Checkpoint => get::<v3::Checkpoint>(g, "The log as it is, signed"),
        LogEndpoint::Key => get::<v3::LogKey>(g, "Key that signs the log, signed by the root key"),
        LogEndpoint::Entries => get::<v3::Entries>(g, "Entries of the log").asking(PAGE),
        LogEndpoint::Inclusion => get::<v3::Proof>(g, "Proof that an entry is in the log").asking(INCLUSION),
        LogEndpoint::Consistency => {
            get::<v3::Proof>(g, "Proof that the log begins with what it was").asking(CONSISTENCY)
        }
    }
}

fn about_user(endpoint: UserEndpoint, version: Version, g: &mut SchemaGenerator) -> About {
    let v1 = version == Version::V1;
    match endpoint {
        UserEndpoint::Secrets if v1 => {
            get::<BTreeMap<String, rest::Secret>>(g, "Read secrets").asking(SECRETS)
        }
        UserEndpoint::Secrets => get::<rest::Secrets>(g, "Read secrets").asking(SECRETS),
        UserEndpoint::SetSecrets if v1 => get::<()>(g, "Set secrets").taking::<rest::SecretUploads>(g),
        UserEndpoint::SetSecrets => get::<()>(g, "Set secrets").taking::<rest::SetSecrets>(g),
        UserEndpoint::Update if v1 => get::<()>(g, "Send an update").with_manifest(version, g),
        UserEndpoint::Update => get::<rest::UpdateOutcome>(g, "Send an update").with_manifest(version, g),
        UserEndpoint::Acknowledge if v1 => {
            get::<String>(g, "Acknowledge the pending update").with_manifest(version, g)
        }
        UserEndpoint::Acknowledge => {
            get::<rest::UpdateOutcome>(g, "Acknowledge the pending update").with_manifest(version, g)
        }
        UserEndpoint::Cancel if v1 => get::<String>(g, "Cancel the pending update"),
        UserEndpoint::Cancel => get::<rest::Cancelled>(g, "Cancel the pending update"),
        UserEndpoint::Audit => get::<v3::Audit>(g, "Who used which secret, which marbles came"),
    }
}

/// A route that answers with a `T` in the envelope.
fn get<T: JsonSchema>(g: &mut SchemaGenerator, summary: &'static str) -> About {
    let data = g.subschema_for::<T>();
    let answer = json_schema!({
        "type": "object",
        "required": ["status", "data"],
        "properties": {
            "status": {"const": "success"},
            "data": data,
            "message": {"type": "string", "description": "For people, for instance about warnings"},
        },
    });
    About { summary, query: &[], body: None, answer: answer.to_value() }
}

impl About {
    fn asking(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    fn taking<T: JsonSchema>(self, g: &mut SchemaGenerator) -> Self {
        Self { body: Some(g.subschema_for::<T>().to_value()), ..self }
    }

    /// Version 1 takes the manifest as it is.
    fn with_manifest(self, version: Version, g: &mut SchemaGenerator) -> Self {
        match version {
            Version::V1 => Self {
                body: Some(
                    json!({"type": "object", "description": "A manifest: see docs/manifest.schema.json"}),
                ),
                ..self
            },
            Version::V2 => self.taking::<v2::SetManifest>(g),
        }
    }
}
