//! What lies under `deploy/` is used as it is by people who have the hardware: here it is at least read, and held against
//! what the programs and their documentation say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: what is not as expected fails it")]

use std::path::Path;

use saphyr_parser::{Event, Parser};
use serde_json::Value;
use toml_edit::{DocumentMut, Item};

const TEMPLATES: [&str; 2] = ["gramine/coordinator.manifest.template", "gramine/marble.manifest.template"];
const IMAGES: [&str; 2] = ["occlum/coordinator.json", "occlum/marble.json"];

#[test]
fn gramine_manifests_are_toml_and_enclaves_in_them_are_not_for_debugging() {
    for template in TEMPLATES {
        let manifest: DocumentMut =
            rendered(&read(template)).parse().unwrap_or_else(|why| panic!("{template}: {why}"));
        let at = |path: &str| path.split('.').fold(manifest.as_item(), |item: &Item, key| &item[key]);
        assert_eq!(at("sgx.debug").as_bool(), Some(false), "{template}");
        assert_eq!(at("sgx.remote_attestation").as_str(), Some("dcap"), "{template}");
        assert!(
            at("loader").get("insecure__use_cmdline_argv").is_none(),
            "{template}: the host chooses nothing"
        );
        let program = at("libos.entrypoint").as_str().unwrap();
        let mounts: Vec<_> = at("fs.mounts").as_array().unwrap().iter().collect();
        assert!(
            mounts.iter().any(|mount| mount.as_inline_table().unwrap()["path"].as_str() == Some(program))
        );
        let environment = at("loader.env").as_table_like().unwrap();
        names_are_known(environment.iter().map(|(name, _)| name), template);
    }
}

#[test]
fn occlum_images_are_json_and_enclaves_in_them_are_not_for_debugging() {
    for image in IMAGES {
        let json: Value = serde_json::from_str(&read(image)).unwrap_or_else(|why| panic!("{image}: {why}"));
        assert_eq!(json["metadata"]["debuggable"], false, "{image}");
        let mounts = json["mount"].as_array().unwrap();
        assert!(mounts.iter().any(|mount| mount["type"] == "devfs"), "{image}: /dev/sgx is in it");
        let all = ["default", "untrusted"].map(|kind| json["env"][kind].as_array().unwrap().clone()).concat();
        let names = all.iter().map(|name| name.as_str().unwrap().split('=').next().unwrap());
        names_are_known(names, image);
    }
}

#[test]
fn the_list_of_what_an_image_holds_is_yaml() {
    let text = read("occlum/marblerun.yaml");
    let words: Vec<_> = Parser::new_from_str(&text)
        .filter_map(|event| match event.unwrap().0 {
            Event::Scalar(word, ..) => Some(word.into_owned()),
            _ => None,
        })
        .collect();
    for wanted in ["includes", "targets", "/bin", "./marblerun-coordinator", "./marblerun-premain"] {
        assert!(words.iter().any(|word| word == wanted), "{wanted} in {words:?}");
    }
}

/// What gramine-manifest makes of the expressions: some text where there is one in a string, a value elsewhere.
fn rendered(template: &str) -> String {
    let mut parts = template.split("{{");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (expression, rest) = part.split_once("}}").unwrap();
        let in_text = text.lines().last().unwrap_or_default().matches('"').count() % 2 == 1;
        text += if in_text || !expression.contains(" if ") { "x" } else { "false" };
        text += rest;
    }
    text
}

/// Variables of ours are those that the programs read; none of them asks for less.
fn names_are_known<'a>(names: impl Iterator<Item = &'a str>, file: &str) {
    let known = ["coordinator/src/config.rs", "marble/src/config.rs", "marble/src/bin/premain.rs"];
    let known = known.map(|source| read(&format!("../crates/{source}"))).concat();
    for name in names.filter(|name| *name != "LD_LIBRARY_PATH") {
        assert!(known.contains(name), "{file}: {name} is no variable of ours");
        assert!(!["OE_SIMULATION", "EDG_EMULATOR"].contains(&name), "{file}: {name}");
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy")).join(path))
        .unwrap()
}
