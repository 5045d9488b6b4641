//! The published JSON schema is the one that the types give.

use marblerun_manifest::written::schema;

const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/manifest.schema.json");

/// After a change of the types, write it anew: `WRITE_SCHEMA=1 cargo test -p marblerun-manifest schema`.
#[test]
fn the_published_schema_is_current() {
    let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    #[allow(clippy::disallowed_methods, reason = "a test reads its own environment")]
    if std::env::var_os("WRITE_SCHEMA").is_some() {
        std::fs::write(PUBLISHED, &current).unwrap();
    }
    let published = std::fs::read_to_string(PUBLISHED).unwrap_or_default();
    assert!(published == current, "docs/manifest.schema.json is not current: run with WRITE_SCHEMA=1");
}

#[test]
fn it_knows_the_sections_and_what_is_required() {
    let schema = schema();
    for section in [
        "Packages",
        "Infrastructures",
        "Marbles",
        "Users",
        "Secrets",
        "RecoveryKeys",
        "Roles",
        "TLS",
        "Config",
    ] {
        assert!(schema["properties"].get(section).is_some(), "{section}");
    }
    assert!(schema["$defs"]["Secret"]["properties"].get("Private").is_none());
}
