//! What the documentation shows is what the checks accept.

use serde_json::Value;

use super::{parse, patched};
use marblerun_manifest::written::schema;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Blocks fenced as `json` are complete manifests, those fenced as `json fragment` sections of one; neither draws a
/// warning.
#[test]
fn every_manifest_shown_is_accepted_without_a_word() {
    let shown: Vec<_> = ["docs/manifest.md", "README.md"].into_iter().flat_map(blocks).collect();
    assert!(shown.len() >= 6, "only {} manifests were found", shown.len());
    for Block { place, fragment, text } in shown {
        let text = if fragment { patched(&json(&place, &text)) } else { text };
        let checked = parse(&text).unwrap_or_else(|errors| panic!("{place}: {errors}"));
        assert!(checked.warnings.is_empty(), "{place}: {:?}", checked.warnings);
    }
}

#[test]
fn every_field_is_described() {
    let reference = read("docs/manifest.md");
    let schema = schema();
    let definitions = schema["$defs"].as_object().unwrap().values();
    for properties in definitions.chain([&schema]).filter_map(|object| object["properties"].as_object()) {
        for field in properties.keys() {
            assert!(reference.contains(&format!("`{field}`")), "docs/manifest.md says nothing about {field}");
        }
    }
}

/// A fenced block and where it stands.
struct Block {
    place: String,
    fragment: bool,
    text: String,
}

fn blocks(file: &str) -> Vec<Block> {
    let (mut found, mut open) = (Vec::new(), None::<Block>);
    for (number, line) in read(file).lines().enumerate() {
        match (&mut open, line) {
            (Some(_), "```") => found.extend(open.take()),
            (Some(block), line) => block.text += &format!("{line}\n"),
            (None, "```json" | "```json fragment") => {
                let place = format!("{file}, line {}", number + 1);
                open = Some(Block { place, fragment: line.ends_with("fragment"), text: String::new() });
            }
            (None, _) => {}
        }
    }
    found
}

/// A file that is not there shows nothing; the count of blocks notices if that was the reference.
fn read(file: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{file}")).unwrap_or_default()
}

fn json(place: &str, text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{place}: {error}"))
}
