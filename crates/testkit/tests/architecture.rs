//! ARCHITECTURE.md says which room may know which, and what must hold everywhere. This test reads the workspace and
//! holds it against that; and the documents, that what they name exists.
#![allow(clippy::unwrap_used, reason = "a test: what is not as expected fails it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may know whom. The same table stands in ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("manifest", &[]),
    ("attest", &[]),
    ("store", &[]),
    ("api", &[]),
    ("tee", &["attest"]),
    // Coordinator and cli both fetch what vendors publish: one client, one cache, one set of bounds.
    ("collateral", &["attest"]),
    ("core", &["attest", "manifest"]),
    ("coordinator", &["api", "attest", "collateral", "core", "manifest", "store", "tee"]),
    ("marble", &["api", "attest", "tee"]),
    ("cli", &["api", "attest", "collateral", "manifest", "tee"]),
    ("bench", &["api"]),
    ("testkit", &["api"]),
    ("demo-notes", &["marble"]),
];

/// Rooms that never touch sockets, threads of a runtime, or a terminal.
const PURE: &[&str] = &["manifest", "attest", "core", "store", "tee"];
const IMPURE: &[&str] =
    &["tokio", "hyper", "hyper-util", "rustls", "tokio-rustls", "clap", "tracing-subscriber", "tonic"];

struct Package {
    name: String,
    manifest: String,
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

#[test]
fn rooms_know_only_whom_they_may_know() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for package in packages() {
        let room =
            room(&package.name).unwrap_or_else(|| panic!("{} is not named marblerun-ROOM", package.name));
        let allowed = allowed.get(room).unwrap_or_else(|| panic!("{room} is missing in the table of arrows"));
        for known in package.normal.iter().filter_map(|name| self::room(name)) {
            assert!(allowed.contains(&known), "{room} depends on {known}, which the table does not allow");
        }
        for known in package.dev.iter().filter_map(|name| self::room(name)) {
            assert!(known == "testkit" || allowed.contains(&known), "the tests of {room} depend on {known}");
        }
    }
}

#[test]
fn pure_rooms_have_no_sockets_and_no_runtime() {
    for package in packages().iter().filter(|package| PURE.contains(&room(&package.name).unwrap_or_default()))
    {
        let impure: Vec<_> = package.normal.iter().filter(|name| IMPURE.contains(&name.as_str())).collect();
        assert!(impure.is_empty(), "{} depends on {impure:?}", package.name);
    }
}

#[test]
fn every_room_has_the_workspace_lints_and_no_unsafe_code() {
    for package in packages().iter().filter(|package| room(&package.name) != Some("tee")) {
        let manifest = std::fs::read_to_string(&package.manifest).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package.manifest);
    }
    assert!(read("Cargo.toml").contains("unsafe_code = \"forbid\""));
}

#[test]
fn the_drivers_of_tees_are_the_only_exception() {
    let table = |text: &str, heading: &str| {
        let (_, rest) = text.split_once(&format!("{heading}]\n")).unwrap();
        rest.split("\n\n").next().unwrap().trim().to_owned()
    };
    let (workspace, tee) = (read("Cargo.toml"), read("crates/tee/Cargo.toml"));
    let with_exception = table(&workspace, "lints.rust").replace("\"forbid\"", "\"deny\"");
    assert_eq!(table(&tee, "lints.rust"), with_exception);
    assert_eq!(table(&tee, "lints.clippy"), table(&workspace, "lints.clippy"));

    let mut allowed = Vec::new();
    for file in rust_files(&root().join("crates/tee")) {
        let text = std::fs::read_to_string(&file).unwrap();
        if text.contains("(unsafe_code") {
            allowed.push(file.strip_prefix(root()).unwrap().to_owned());
        }
        let argued = text.matches("// SAFETY: ").count();
        assert_eq!(text.matches("unsafe {").count(), argued, "{} argues each of them", file.display());
    }
    assert_eq!(allowed, [Path::new("crates/tee/src/ioctl.rs")]);
}

/// A build for Windows is nothing that a test can make; that the code says which of it is for Unix alone, is.
#[test]
fn the_command_line_works_on_any_system() {
    const EVERYWHERE: [&str; 5] = ["api", "attest", "cli", "collateral", "manifest"];
    const UNIX: [&str; 4] = ["os::unix", "UnixStream", "signal::unix", "marblerun_tee"];
    let files = EVERYWHERE.iter().flat_map(|room| rust_files(&root().join("crates").join(room).join("src")));
    for file in files.filter(|file| !file.to_string_lossy().contains("cli/src/commands/emulator/")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let lines: Vec<_> = product.lines().collect();
        for pair in lines.windows(2).filter(|pair| UNIX.iter().any(|name| pair[1].contains(name))) {
            assert!(pair[0].contains("#[cfg(unix)]"), "{}: {}", file.display(), pair[1]);
        }
    }
}

#[test]
fn one_crypto_stack() {
    // Cargo.lock also lists optional crates that nothing enables; the tree shows what is built.
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--prefix", "none", "--offline", "--edges", "all"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.lines().any(|line| line.starts_with("aws-lc-rs ")), "{tree}");
    for other in ["ring ", "openssl ", "openssl-sys ", "native-tls ", "rsa "] {
        assert!(!tree.lines().any(|line| line.starts_with(other)), "{other} is built");
    }
}

#[test]
fn architecture_md_shows_the_same_arrows() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (room, known) in ARROWS {
        let known = if known.is_empty() { "nothing of ours".to_owned() } else { known.join(", ") };
        let row = format!("| `{room}` | {known} |");
        assert!(text.contains(&row), "ARCHITECTURE.md lacks the row {row}");
    }
}

#[test]
fn threats_md_names_tests_that_exist() {
    let text = read("docs/threats.md");
    let mut named = 0;
    for paragraph in text.split("\n\n").filter(|paragraph| paragraph.starts_with("Tests:")) {
        let mut file = "";
        for name in paragraph.split('`').skip(1).step_by(2) {
            let there = if name.ends_with(".rs") {
                file = name;
                root().join("crates").join(name).is_file()
            } else if name.ends_with(".json") {
                root().join("testdata/golden/api").join(name).is_file()
            } else {
                named += 1;
                read(&format!("crates/{file}")).contains(&format!("fn {name}("))
            };
            assert!(there, "docs/threats.md names {name} (of {file}), which does not exist");
        }
    }
    assert!(named > 50, "only {named} tests were found in docs/threats.md");
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in documents() {
        let folder = document.parent().unwrap();
        let text = std::fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            if path.contains("://") {
                continue;
            }
            let led = if path.is_empty() { document.clone() } else { folder.join(path) };
            assert!(led.exists(), "{} links to {target}, which does not exist", document.display());
            let there =
                anchor.is_empty() || anchors(&std::fs::read_to_string(&led).unwrap()).contains(anchor);
            assert!(there, "{} links to {target}, which has no such heading", document.display());
        }
    }
}

fn room(package: &str) -> Option<&str> {
    package.strip_prefix("marblerun-")
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(package).collect()
}

fn package(json: &serde_json::Value) -> Package {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let of_kind = |kind: Option<&str>| {
        let dependencies = json["dependencies"].as_array().unwrap().iter();
        dependencies.filter(|d| d["kind"].as_str() == kind).map(|d| text(&d["name"])).collect()
    };
    Package {
        name: text(&json["name"]),
        manifest: text(&json["manifest_path"]),
        normal: of_kind(None),
        dev: of_kind(Some("dev")),
    }
}

/// Every Markdown file that speaks of the whole or of a room.
fn documents() -> Vec<PathBuf> {
    let mut folders = vec![root().to_path_buf(), root().join("docs"), root().join("demo/notes")];
    folders.extend(["crates", "deploy"].iter().flat_map(|rooms| entries(&root().join(rooms))));
    let files = folders.iter().flat_map(|folder| entries(folder));
    files.filter(|file| file.extension().is_some_and(|ending| ending == "md")).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let (folders, files): (Vec<_>, Vec<_>) = entries(folder).into_iter().partition(|entry| entry.is_dir());
    let below = folders.iter().flat_map(|folder| rust_files(folder));
    below.chain(files).filter(|file| file.extension().is_some_and(|ending| ending == "rs")).collect()
}

/// The anchors that a Markdown renderer makes of headings: lower case, hyphens for spaces, no punctuation.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let headings = markdown.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    let anchor = |line: &str| line.trim_start_matches('#').trim().chars().filter(kept).collect::<String>();
    headings.map(|line| anchor(line).to_lowercase().replace(' ', "-")).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}
