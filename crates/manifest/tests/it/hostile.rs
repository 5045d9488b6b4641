//! Huge, deep and crowded documents: refused at once, with a short answer.

use std::fmt::Write;
use std::time::{Duration, Instant};

use marblerun_manifest::{MAX_ENTRIES, MAX_MANIFEST_BYTES};

use super::parse;

/// The text is refused, the last error begins so, the whole answer is short, and it does not take long.
fn check(name: &str, text: &str, want: &str) {
    let start = Instant::now();
    let errors = parse(text).expect_err(name).0;
    assert!(errors.iter().any(|e| e.message.starts_with(want)), "{name}: {:?}", errors.last());
    assert!(errors.iter().map(|e| e.path.len() + e.message.len()).sum::<usize>() < 100_000, "{name}");
    assert!(start.elapsed() < Duration::from_secs(10), "{name}: {:?}", start.elapsed());
}

fn members(count: usize) -> String {
    (0..count).map(|i| format!("\"{i}\":0")).collect::<Vec<_>>().join(",")
}

#[test]
fn refused_at_once() {
    check("too many bytes", &" ".repeat(MAX_MANIFEST_BYTES + 1), "8388609 bytes, but");
    check("deep lists", &format!("{{\"x\":{}", "[".repeat(1_000_000)), "nested deeper");
    check("deep objects", &"{\"x\":".repeat(1_000_000), "nested deeper");
    check("a key without end", &format!("{{\"{}\":0}}", "x".repeat(8_000_000)), "a key longer");
    check("many keys", &format!("{{{}}}", members(700_000)), "an object with more");
    check("many entries", &format!("{{\"Packages\":{{{}}}}}", members(700_000)), "an object with more");
    check("many items", &format!("{{\"x\":[{}0]}}", "\"\",".repeat(2_000_000)), "a list with more");
    check("many numbers", &format!("{{\"x\":[{}0]}}", "0,".repeat(4_000_000)), "a list with more");
    let group = format!("{{{}}}", members(MAX_ENTRIES));
    let groups: Vec<String> = (0..70).map(|i| format!("\"{i}\":{group}")).collect();
    check("many values", &format!("{{\"x\":{{{}}}}}", groups.join(",")), "more than 500000 values");
    let twice = "\"Users\":{},".repeat(500_000);
    check("one key again and again", &format!("{{{twice}\"x\":0}}"), "more than 500000 values");
}

/// Each template stays below its own limit; together they would take minutes.
#[test]
fn costly_templates() {
    let files: Vec<String> =
        (0..5000).map(|i| format!("\"/{i}\":\"{{{{range 300000}}}}{{{{end}}}}\"")).collect();
    let files = files.join(",");
    let text = format!("{{\"Marbles\":{{\"m\":{{\"Parameters\":{{\"Files\":{{{files}}}}}}}}}}}");
    check("templates", &text, "the manifest's templates do too much work together");
}

#[test]
fn the_list_of_findings_is_short() {
    let marbles: String = (1..MAX_ENTRIES).fold(String::new(), |mut text, i| {
        let _ = write!(text, "\"m{i}\":{{\"Package\":\"none\",\"Parameter\":1,\"x\":1}},");
        text
    });
    check("wrong marbles", &format!("{{\"Marbles\":{{{marbles}\"z\":{{}}}}}}"), "unknown key");
}

/// Asking a crowd of secrets whether it is one must not cost as much as listing it.
#[test]
fn a_crowd_of_secrets_asked_in_a_loop() {
    let secrets: Vec<String> =
        (1..MAX_ENTRIES).map(|i| format!("\"s{i}\":{{\"Type\":\"symmetric-key\",\"Size\":128}}")).collect();
    let manifest = |template: &str| {
        let secrets = secrets.join(",");
        format!(
            "{{\"Marbles\":{{\"m\":{{\"Parameters\":{{\"Files\":{{\"/f\":\"{template}\"}}}}}}}},\"Secrets\":{{{secrets}}}}}"
        )
    };
    let counted = manifest("{{range 40000}}{{if $.Secrets}}{{len $.Secrets}}{{end}}{{end}}");
    check("counted", &counted, "a manifest needs at least one package");
    let listed = manifest("{{range 100000}}{{range $.Secrets}}{{break}}{{end}}{{end}}");
    check("listed", &listed, "line 1, column 25: the template does too much work");
}

/// As many values as are allowed, each as costly as possible to keep.
#[test]
fn crowded_but_accepted() {
    let id = "9c".repeat(32);
    let argv = format!("[{}\"\"]", "\"\",".repeat(MAX_ENTRIES - 1));
    let marbles: Vec<String> = (0..49)
        .map(|i| format!("\"m{i}\":{{\"Package\":\"p\",\"Parameters\":{{\"Argv\":{argv}}}}}"))
        .collect();
    let text =
        format!("{{\"Packages\":{{\"p\":{{\"UniqueID\":\"{id}\"}}}},\"Marbles\":{{{}}}}}", marbles.join(","));
    let checked = parse(&text).unwrap();
    assert_eq!(checked.manifest.marbles["m48"].argv.len(), MAX_ENTRIES);
}

#[test]
fn ten_thousand_entries_are_accepted() {
    let id = "9c".repeat(32);
    let list = |entry: &dyn Fn(usize) -> String| (0..MAX_ENTRIES).map(entry).collect::<Vec<_>>().join(",");
    let packages = list(&|i| format!("\"p{i}\":{{\"UniqueID\":\"{id}\"}}"));
    let secrets = list(&|i| format!("\"s{i}\":{{\"Type\":\"symmetric-key\",\"Size\":128}}"));
    let marbles = list(&|i| {
        format!(
            "\"m{i}\":{{\"Package\":\"p{i}\",\"Parameters\":{{\"Env\":{{\"K\":\"{{{{ hex .Secrets.s{i} }}}}\"}}}}}}"
        )
    });
    let text = format!("{{\"Packages\":{{{packages}}},\"Secrets\":{{{secrets}}},\"Marbles\":{{{marbles}}}}}");
    let start = Instant::now();
    let checked = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(checked.manifest.marbles.len(), MAX_ENTRIES);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// Looking for one variable among very many must not cost more than the step that it counts for.
#[test]
fn a_crowd_of_variables_asked_again_and_again() {
    let declared = |count| format!("{{{{$z:=1}}}}{}", "{{$a:=1}}".repeat(count));
    let file = |template: &str| {
        format!("{{\"Marbles\":{{\"m\":{{\"Parameters\":{{\"Files\":{{\"/f\":\"{template}\"}}}}}}}}}}")
    };
    let crowd = declared(60_000) + &"{{$z}}".repeat(60_000);
    check("many variables", &file(&crowd), "line 1, column 2298: more than 256 variables at one place");
    let busy = declared(200) + "{{range 900000}}{{$z}}{{end}}";
    check("busy variables", &file(&busy), "line 1, column 1828: the template does too much work");
}

/// Templates that call each other in pairs double their work with each of them, though none holds anything.
#[test]
fn calls_that_double() {
    let mut template = String::from("{{define `t0`}}{{end}}");
    for level in 1..60 {
        let _ = write!(
            template,
            "{{{{define `t{level}`}}}}{{{{template `t{0}`}}}}{{{{template `t{0}`}}}}{{{{end}}}}",
            level - 1
        );
    }
    template.push_str("{{template `t59`}}");
    let text =
        format!("{{\"Marbles\":{{\"m\":{{\"Parameters\":{{\"Files\":{{\"/f\":\"{template}\"}}}}}}}}}}");
    check("doubling", &text, "line 1, column 55: the template does too much work");
}

/// A chain of templates is as long as the text allows; no stack may be.
#[test]
fn calls_in_a_chain() {
    let mut template = String::from("{{template `t0`}}");
    for level in 0..60_000 {
        let _ = write!(template, "{{{{define `t{level}`}}}}{{{{template `t{}`}}}}{{{{end}}}}", level + 1);
    }
    let text =
        format!("{{\"Marbles\":{{\"m\":{{\"Parameters\":{{\"Files\":{{\"/f\":\"{template}\"}}}}}}}}}}");
    check("chain", &text, "line 1, column 10782: nested deeper than 256 levels");
}

/// Keys that the Coordinator would make and keep, asked for by a text of half a megabyte.
#[test]
fn shared_keys_that_fill_the_memory() {
    let secrets = |count: usize, bits: u32| {
        let secret = format!("{{\"Type\":\"symmetric-key\",\"Size\":{bits},\"Shared\":true}}");
        let all: Vec<String> = (0..count).map(|i| format!("\"s{i}\":{secret}")).collect();
        format!("{{\"Secrets\":{{{}}}}}", all.join(","))
    };
    check("all of the largest", &secrets(MAX_ENTRIES, 1 << 20), "with this one the shared keys have");
    check("one too many", &secrets(129, 1 << 20), "with this one the shared keys have");
    check("as many as fit", &secrets(128, 1 << 20), "a manifest needs at least one package");
    check("ten thousand small ones", &secrets(MAX_ENTRIES, 8192), "a manifest needs at least one package");
}

/// Every marble with every tag of very many connections: few bytes, many pairs.
#[test]
fn a_crowd_of_connections() {
    let entries = vec![r#"{"Port":"1"}"#; MAX_ENTRIES].join(",");
    let tags = vec![r#""t""#; MAX_ENTRIES].join(",");
    let marbles: Vec<String> = (0..3).map(|i| format!("\"m{i}\":{{\"TLS\":[{tags}]}}")).collect();
    let text =
        format!("{{\"TLS\":{{\"t\":{{\"Incoming\":[{entries}]}}}},\"Marbles\":{{{}}}}}", marbles.join(","));
    check("one tag again and again", &text, "required: the name of the marble's package");
    let marbles: Vec<String> =
        (0..9000).map(|i| format!("\"m{i}\":{{\"Package\":\"p\",\"TLS\":[\"t\"]}}")).collect();
    let text = format!(
        "{{\"Packages\":{{\"p\":{{}}}},\"TLS\":{{\"t\":{{\"Incoming\":[{entries}]}}}},\"Marbles\":{{{}}}}}",
        marbles.join(",")
    );
    check("many marbles", &text, "the tags of all marbles have more than 1000000");
}
