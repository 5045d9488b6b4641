//! The language at its edges. What Go makes of ordinary templates is recorded and tested in `tests/golden.rs`.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{Dialect, Generation, Meta, Part, Reserved, Source, Template, TemplateError};
use crate::SecretKind;

/// The bytes of every secret here, as they would show in a text.
const CANARY: &str = "canary-4f1e";

/// Secrets `key`, `note` (plain), `nul` (plain), `unset` (plain, never uploaded), `big` (a mebibyte) and, before
/// the last rotation, `old`. Notes which were asked for.
#[derive(Default)]
struct Secrets {
    asked: RefCell<BTreeSet<(Generation, String)>>,
}

impl Source for Secrets {
    fn names(&self, generation: Generation) -> BTreeSet<&str> {
        match generation {
            Generation::Current => ["key", "note", "nul", "unset", "big"].into(),
            Generation::Previous => ["key", "old"].into(),
        }
    }

    fn meta(&self, generation: Generation, name: &str) -> Option<Meta> {
        let plain = matches!(name, "note" | "nul" | "unset");
        let kind = if plain { SecretKind::Plain } else { SecretKind::Symmetric { bytes: 11 } };
        let known = self.names(generation).contains(name);
        known.then_some(Meta { kind, shared: true, user_defined: plain })
    }

    fn secret(&self, generation: Generation, name: &str, part: Part) -> Result<Zeroizing<Vec<u8>>, String> {
        self.asked.borrow_mut().insert((generation, name.to_owned()));
        match (name, part) {
            ("unset", _) => Err("this secret was never set".into()),
            (_, Part::Cert) => Ok(Zeroizing::default()),
            ("nul", _) => Ok(b"a\0b".to_vec().into()),
            ("big", _) => Ok(vec![b'x'; 1 << 20].into()),
            _ => Ok(CANARY.as_bytes().to_vec().into()),
        }
    }

    fn reserved(&self, which: Reserved, part: Part) -> Zeroizing<Vec<u8>> {
        let has = part == Part::Cert || which == Reserved::MarbleCert;
        if has { CANARY.as_bytes().to_vec().into() } else { Zeroizing::default() }
    }

    fn list(&self, name: &str) -> Option<Vec<String>> {
        (name == "List").then(|| ["a", "b", "c"].map(str::to_owned).to_vec())
    }
}

fn run(template: &str, dialect: Dialect) -> Result<String, TemplateError> {
    let output = Template::compile(template, dialect)?.render(&Secrets::default())?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

#[track_caller]
fn renders(template: &str, wanted: &str) {
    assert_eq!(run(template, Dialect::File).as_deref(), Ok(wanted), "{template}");
}

/// The error contains `hint` and no secret in any encoding.
#[track_caller]
fn refuses(template: &str, dialect: Dialect, hint: &str) {
    let error = run(template, dialect).expect_err(template).to_string();
    assert!(error.contains(hint), "{template}: {error}");
    for leak in [CANARY.to_owned(), hex::encode(CANARY), "[99 97 110".into()] {
        assert!(!error.contains(&leak), "{template}: {error}");
    }
}

#[test]
fn language() {
    for (template, wanted) in [
        ("", ""),
        ("{{-1}}", "-1"),
        ("a {{- 1 -}} b", "a1b"),
        ("{{ 1 -}}\r\n\t x", "1x"),
        ("{{\n  printf \"%d\"\n  3\n}}", "3"),
        ("{{if 0}}a{{else if 0.0}}b{{else if \"\"}}c{{else}}d{{end}}", "d"),
        ("{{with 1}}{{.}}{{end}}{{with $x := 0}}{{$x}}{{else with 2}}{{$x}}{{.}}{{end}}", "102"),
        ("{{range $i, $e := .List}}{{$i}}{{$e}}{{end}}", "0a1b2c"),
        ("{{range 2}}{{range 3}}{{if eq . 1}}{{continue}}{{end}}{{.}}{{end}};{{end}}", "02;02;"),
        ("{{range 0}}x{{else}}none{{end}}{{range -1}}x{{end}}", "none"),
        ("{{$x := 0}}{{range $y := 4}}{{$x = $y}}{{end}}{{$x}}", "3"),
        ("{{$x := 1}}{{$f := \"a\"}}{{range $x, $f = .List}}{{end}}{{$x}}{{$f}}", "2c"),
        ("{{template \"t\" 3}}{{define \"t\"}}{{if .}}{{.}}{{end}}{{end}}", "3"),
        ("{{define \"t\"}}{{.}}{{end}}{{template \"t\"}}", "<no value>"),
        ("{{define \"t\"}} {{end}}{{define \"t\"}}x{{end}}{{template \"t\"}}", "x"),
        ("{{block \"b\" 1}}{{.}}{{end}}{{template \"b\" 2}}", "12"),
        ("{{(index .Secrets \"key\").Type}} {{$.Secrets.key.Size}}", "symmetric-key 88"),
        ("{{if index .Secrets \"none\"}}T{{end}}{{if .Secrets.none}}T{{else}}F{{end}}", "TF"),
        ("{{if .Secrets.none.Private.x}}T{{else}}F{{end}}{{len .Previous.Secrets}}", "F2"),
        (
            "{{range $k, $v := .Previous.Secrets}}{{$k}}={{raw $v}};{{end}}",
            "key=canary-4f1e;old=canary-4f1e;",
        ),
        ("{{len .Secrets.key.Private}} {{if .Secrets.key.Private}}T{{end}}", "11 T"),
        ("{{or 0 \"\" 2 .Secrets.none}} {{and 1 0 (index .List 9)}}", "2 0"),
        ("{{1 | or 0}}{{0 | and 1}}", "10"),
        (
            "{{0x_ff}} {{0b11}} {{0o17}} {{017}} {{'\\n'}} {{1_0}} {{.5}} {{1e6}} {{+3}}",
            "255 3 15 15 10 10 0.5 1e+06 3",
        ),
        ("{{`a\\`}}{{\"\\x41\\101\\u00e9\\\\\"}}", "a\\AA\u{e9}\\"),
        ("{{slice \"abc\" 1}}{{slice .List 1 2}}{{index \"abc\" 1}}", "bc[b]98"),
        ("{{eq \"a\" \"b\" \"a\"}}{{ne 1 2}}{{lt \"a\" \"b\"}}{{eq nil .Secrets.none}}", "truetruetruetrue"),
        ("{{print nil}}{{print .List 1.5}}", "<nil>[a b c] 1.5"),
        ("{{raw .Secrets.note.Public}}", CANARY),
    ] {
        renders(template, wanted);
    }
}

#[test]
fn formats() {
    for (template, wanted) in [
        (
            r#"{{printf "%5d|%-5d|%05d|%+d|% d|%.3d|%x|%#X|%o|%b|%c|%q|%U" 4 4 4 4 4 4 255 255 8 5 65 65 233}}"#,
            "    4|4    |00004|+4| 4|004|ff|0XFF|10|101|A|'A'|U+00E9",
        ),
        (
            r#"{{printf "%6.2f|%e|%g|%.3g|%G|%v|%-8.1f|%08.3f|%+.1f" 3.14159 12345.678 1e21 1234567.0 1e-10 3.0 2.25 -1.5 1.0}}"#,
            "  3.14|1.234568e+04|1e+21|1.23e+06|1E-10|3|2.2     |-001.500|+1.0",
        ),
        (
            r#"{{printf "%s|%5s|%-5s|%.2s|%q|%x|% X|%#x|%+q" "h" "h" "h" "héllo" "a\n" "hi" "hi" "hi" "é"}}"#,
            "h|    h|h    |hé|\"a\\n\"|6869|68 69|0x6869|\"\\u00e9\"",
        ),
        (r#"{{printf "%d %s %!" "x" 1}}"#, "%!d(string=x) %!s(int=1) %!!(MISSING)"),
        (
            r#"{{printf "%d"}}{{printf "a" 1 "b"}}{{printf "%"}}"#,
            "%!d(MISSING)a%!(EXTRA int=1, string=b)%!(NOVERB)",
        ),
        (r#"{{printf "%[2]d %[1]d %*d|%[9]d" 1 2 5 3}}"#, "2 1  5|%!d(BADINDEX)"),
        (r#"{{printf "%T %T %v %s %t" 1 "a" nil nil true}}"#, "int string <nil> %!s(<nil>) true"),
        (r#"{{html "\x00<"}}{{js "\u2028é\x01"}}{{urlquery "~/"}}"#, "\u{fffd}&lt;\\u2028é\\u0001~%2F"),
    ] {
        renders(template, wanted);
    }
}

#[test]
fn places() {
    for (template, line, column) in [
        ("{{ end }}", 1, 1),
        ("ä\n ü{{ nofunc }}", 2, 6),
        ("a\n{{ hex .Secrets.none }}", 2, 4),
        ("\n\n{{ if 1 }}", 3, 1),
    ] {
        let error = run(template, Dialect::File).expect_err(template);
        assert_eq!((error.line, error.column), (line, column), "{template}: {error}");
    }
}

#[test]
fn refusals() {
    for (template, hint) in [
        ("{{ .Marblerun.RootCA.Cert | pem }}", "write .MarbleRun"),
        ("{{ pem .MarbleRun.rootca.Cert }}", "write .RootCA"),
        ("{{ pem .MarbleRun.RootCA.Private }}", "no private key"),
        ("{{ hex .MarbleRun.RootCA }}", "no public key"),
        ("{{ hex .MarbleRun.MarbleCert.Type }}", "has no field"),
        ("{{ .Orchard }}", "it has Secrets"),
        ("{{ pem .Secrets.key }}", "write .Cert"),
        ("{{ pem .Secrets.key.Cert }}", "has no certificate"),
        ("{{ pem .Secrets.key.cert }}", "write .Cert"),
        ("{{ hex .Secrets.none }}", ".Secrets.none does not exist"),
        ("{{ hex .Previous.Secrets.none.Private }}", ".Previous.Secrets.none does not exist"),
        ("{{ hex (index .Secrets (raw .Secrets.key)) }}", "does not exist"),
        ("{{ hex .Secrets.unset }}", "never set"),
        ("{{ raw .Secrets.key | base64 }}", "not a text"),
        ("{{ string .Secrets.note }}", "does not exist here"),
        ("{{ .Secrets }}", "cannot be written"),
        ("{{ . }}", "cannot be written"),
        ("{{ print .Secrets.key }}", "encode it"),
        ("{{ .Secrets.key.Private | html }}", "encode it"),
        ("{{ .Secrets.key.Private | urlquery }}", "encode it"),
        ("{{ printf \"%v\" .Secrets.key.Private }}", "encode it"),
        ("{{ printf \"%d\" 1 .Secrets.key }}", "encode it"),
        ("{{ printf \"%T\" .Secrets.key }}", "encode it"),
        ("{{ range .Secrets.key.Private }}{{ . }}{{ end }}", "range does not go over"),
        ("{{ index .Secrets.key.Private 0 }}", "index does not look into"),
        ("{{ slice .Secrets.key.Private 0 1 }}", "slice does not cut"),
        ("{{ eq .Secrets.key.Private .Secrets.key.Public }}", "cannot be compared"),
        ("{{ lt (raw .Secrets.key) 1 }}", "have no order"),
        ("{{ eq (raw .Secrets.key) 1 }}", "cannot be compared with"),
        ("{{ (raw .Secrets.key).x }}", "has no field"),
        ("{{ template (raw .Secrets.key) }}", "needs the name"),
        ("{{ call .Secrets.key }}", "call needs a function"),
        ("{{ \"a\" 1 }}", "no function"),
        ("{{ 1 | 2 }}", "only a function"),
        ("{{ nil }}", "nil is not a command"),
        ("{{ }}", "value is missing"),
        ("{{ 1 | }}", "value is missing"),
        ("{{ (1 }}", "not closed"),
        ("{{ 1) }}", "without a left"),
        ("{{ \"a }}", "not closed"),
        ("{{ \"\\q\" }}", "escape"),
        ("{{ 99999999999999999999 }}", "64 bits"),
        ("{{ 1__0 }}", "not a number"),
        ("{{ 'ab' }}", "one character"),
        ("{{ .a-b }}", "index .Secrets"),
        ("{{ \"a\"\"b\" }}", "after an operand"),
        ("{{ \"a\".b }}", "no fields"),
        ("{{/* a */ 1}}", "fill its action"),
        ("{{/* a", "never closed"),
        ("{{ break }}", "outside"),
        ("{{ range 1 }}{{ define \"x\" }}{{ end }}{{ end }}", "unexpected define"),
        ("{{ range 1 }}{{ block \"x\" . }}{{ break }}{{ end }}{{ end }}", "outside"),
        ("{{ range $a, $b := 3 }}{{ end }}", "one variable"),
        ("{{ if $a, $b := 3 }}{{ end }}", "too many variables"),
        ("{{ if 1 }}{{ $x := 1 }}{{ end }}{{ $x }}", "undefined variable"),
        ("{{ $x = 1 }}", "undefined variable"),
        ("{{ if 1 }}{{ else }}{{ else }}{{ end }}", "another {{else}}"),
        ("{{ if 1 }}{{ else with 1 }}{{ end }}", "cannot follow"),
        ("{{ define \"x\" }}1{{ end }}{{ define \"x\" }}2{{ end }}", "defined twice"),
        ("{{ template \"x\" }}", "not defined"),
        ("{{ not }}", "want 1, got 0"),
        ("{{ printf 1 }}", "a text as its format"),
    ] {
        refuses(template, Dialect::File, hint);
    }
}

#[test]
fn variables_of_the_environment() {
    assert_eq!(run("{{ string .Secrets.note }}", Dialect::Env).as_deref(), Ok(CANARY));
    for (template, hint) in [
        ("{{ string .Secrets.nul }}", "NUL"),
        ("{{ string .Secrets.key }}", "only a secret of type plain"),
        ("{{ raw .Secrets.note }}", "does not exist here"),
        ("a\0b", "NUL"),
        ("{{ \"\\x00\" }}", "NUL"),
    ] {
        refuses(template, Dialect::Env, hint);
    }
}

#[test]
fn hostile_templates_are_bounded() {
    for (template, hint) in [
        ("{{range 1000000000000}}{{end}}".to_owned(), "too much work"),
        ("{{range 2000}}{{range 2000}}{{end}}{{end}}".into(), "too much work"),
        ("{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}".into(), "endless recursion"),
        ("{{define \"t\"}}{{if 1}}{{if (1)}}{{template \"t\" (print .)}}{{end}}{{end}}{{end}}{{template \"t\"}}".into(), "nested"),
        ("{{range 100}}{{raw $.Secrets.big}}{{end}}".into(), "too much text"),
        ("{{range 100000}}{{len (raw $.Secrets.big)}}{{end}}".into(), "too much text"),
        ("{{$x := raw .Secrets.big}}{{range 100000}}{{eq $x $x}}{{end}}".into(), "too much text"),
        ("{{$x := \"aaaaaaaaaaaaaaaa\"}}{{range 100}}{{$x = print $x $x}}{{end}}".into(), "too much text"),
        (format!("{{{{ printf {:?} 1 }}}}", "%[1]1000000d".repeat(30)), "too much text"),
        ("{{ range 100 }}{{ printf \"%1000000d\" 1 }}{{ end }}".into(), "too much text"),
        ("{{ printf \"%.2000f\" 1.0 }}".into(), "precision"),
        (format!("{}{}", "{{if 1}}".repeat(200), "{{end}}".repeat(200)), "nested deeper"),
        (format!("{{{{{}1{}}}}}", "(".repeat(200_000), ")".repeat(200_000)), "nested deeper"),
        ("{{1}}".repeat(200_001), "operands and actions"),
        ("{{".repeat(100_000), "unexpected character"),
        (" ".repeat(super::MAX_SOURCE + 1), "limit"),
    ] {
        let short: String = template.chars().take(60).collect();
        let error = run(&template, Dialect::File).expect_err(&short).to_string();
        assert!(error.contains(hint), "{short}: {error}");
    }
}

#[test]
fn what_a_template_uses() {
    for (template, current, previous, any) in [
        ("x{{ 1 }}", "", "", false),
        ("{{ hex .Secrets.a }}{{ pem .Secrets.b.Cert }}", "a b", "", false),
        ("{{ index .Secrets \"a-b\" | hex }}{{ (index .Secrets \"c\").Private | hex }}", "a-b c", "", false),
        ("{{ hex .Previous.Secrets.k }}", "", "k", false),
        ("{{ with .Previous }}{{ hex .Secrets.k }}{{ hex $.Secrets.a }}{{ end }}", "a", "k", false),
        ("{{ $s := .Secrets }}{{ hex $s.a }}", "a", "", false),
        ("{{ if 0 }}{{ hex .Secrets.a }}{{ else }}{{ hex .Secrets.b }}{{ end }}", "a b", "", false),
        ("{{ define \"t\" }}{{ hex .a }}{{ end }}{{ template \"t\" .Secrets }}", "a", "", false),
        ("{{ define \"t\" }}{{ hex $.Secrets.a }}{{ end }}", "", "", false),
        (
            "{{ define \"t\" }}{{ hex .Secrets.a }}{{ template \"t\" . }}{{ end }}{{ template \"t\" . }}",
            "a",
            "",
            false,
        ),
        ("{{ len .Secrets }}{{ if .Secrets }}{{ end }}{{ .MarbleRun.RootCA.Cert | pem }}", "", "", false),
        ("{{ range .Secrets }}{{ end }}", "", "", true),
        ("{{ index .Secrets (print 1) }}", "", "", true),
        ("{{ \"a\" | index .Secrets }}", "", "", true),
        ("{{ $x := 1 }}{{ $x = .Secrets }}", "", "", true),
        ("{{ hex (and 1 .Secrets).a }}", "", "", true),
    ] {
        let template = Template::compile(template, Dialect::File).expect(template);
        let uses = template.uses();
        let join = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
        let found = (join(&uses.secrets), join(&uses.previous), uses.any);
        assert_eq!(found, (current.into(), previous.into(), any), "{template:?}");
    }
}

#[test]
fn a_value_is_asked_for_only_to_be_encoded() {
    let template = "{{ range $k, $s := .Secrets }}{{ $s.Type }}{{ if $s.Shared }}{{ end }}{{ end }}{{ len .Secrets }}\
        {{ if .Secrets.key.Private }}{{ end }}{{ with .Secrets.unset }}{{ .Size }}{{ end }}{{ hex .Secrets.note }}";
    let source = Secrets::default();
    Template::compile(template, Dialect::File).unwrap().render(&source).unwrap();
    assert_eq!(source.asked.into_inner(), [(Generation::Current, "note".to_owned())].into());
}

#[test]
fn a_compiled_template_shows_no_text() {
    let template = Template::compile("a password: swordfish", Dialect::File).unwrap();
    assert!(!format!("{template:?}").contains("swordfish"));
}

/// Pieces of the language, in any order: most texts are wrong in an interesting place.
fn pieces() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "{{",
        "}}",
        "{{-",
        " -}}",
        "{{if ",
        "{{else}}",
        "{{else if ",
        "{{end}}",
        "{{range ",
        "{{with ",
        "{{define \"a\"}}",
        "{{template \"a\" ",
        "{{block \"b\" ",
        "{{break}}",
        "{{continue}}",
        "{{/* ",
        " */}}",
        "(",
        ")",
        " | ",
        " ",
        "$x",
        " := ",
        " = ",
        ",",
        ".",
        ".Secrets",
        ".key",
        ".note",
        ".Private",
        ".Previous",
        "$",
        "hex ",
        "raw ",
        "index ",
        "printf ",
        "\"%[1]*.*d%v\"",
        "\"key\"",
        "1",
        "'a'",
        "1e9",
        "0x",
        "é",
        "\n",
        "len ",
        "eq ",
        "slice ",
        "nil",
        "true",
        ".List",
        "and ",
        "html ",
        "js ",
    ];
    prop::collection::vec(prop::sample::select(WORDS), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_text_is_compiled_or_refused(text in "\\PC*") {
        let _ = run(&text, Dialect::Env);
    }

    #[test]
    fn no_template_escapes_its_bounds(text in pieces()) {
        let (first, second) = (Template::compile(&text, Dialect::File), Template::compile(&text, Dialect::File));
        prop_assert_eq!(first.as_ref().map(Template::uses), second.as_ref().map(Template::uses));
        let Ok(template) = first else { return Ok(()) };
        let source = Secrets::default();
        match template.render(&source) {
            Ok(output) => prop_assert!(output.len() <= 16 << 20),
            Err(error) => prop_assert!(!error.to_string().contains(CANARY)),
        }
        for (generation, name) in source.asked.into_inner() {
            let uses = template.uses();
            let named = if generation == Generation::Current { &uses.secrets } else { &uses.previous };
            prop_assert!(uses.any || named.contains(&name), "{} was not announced", name);
        }
    }
}
#[test]
#[ignore = "a measurement, not a check"]
fn time_of_fifty_secrets() {
    let text: String = (0..50).map(|i| format!("key{i}: {{{{ hex .Secrets.key }}}}\n")).collect();
    let start = std::time::Instant::now();
    for _ in 0..1000 {
        Template::compile(&text, Dialect::File).unwrap();
    }
    println!("parse  {:?}", start.elapsed() / 1000);
    let template = Template::compile(&text, Dialect::File).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..1000 {
        template.render(&Secrets::default()).unwrap();
    }
    println!("render {:?}", start.elapsed() / 1000);
}
