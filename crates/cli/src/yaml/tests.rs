use super::*;

fn check(yaml: &str, expected: Result<&str, &str>) {
    let json = parse(yaml).and_then(|document| to_json(&document));
    match (json, expected) {
        (Ok(json), Ok(expected)) => assert_eq!(String::from_utf8(json).unwrap(), expected, "{yaml}"),
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{yaml}: {error}"),
        (json, expected) => panic!("{yaml}: {json:?} instead of {expected:?}"),
    }
}

#[test]
fn words_are_booleans_unless_quoted() {
    check("[yes, On, y, TRUE]", Ok("[true,true,true,true]"));
    check("[no, OFF, n, False]", Ok("[false,false,false,false]"));
    check("[yEs, 'yes', \"no\", !!str on]", Ok(r#"["yEs","yes","no","on"]"#));
}

#[test]
fn numbers_that_json_spells_differently_are_refused() {
    check("[0, 7, -3, 18446744073709551615]", Ok("[0,7,-3,18446744073709551615]"));
    for lossy in [
        "1.0",
        "1.10",
        ".5",
        "5.",
        "1e3",
        "0x1F",
        "0o17",
        "017",
        "0b1",
        "1_000",
        "+5",
        "-0",
        "18446744073709551616",
        "-.5",
        ".inf",
        "-.INF",
        ".NaN",
        "12345678e9",
    ] {
        check(&format!("a: {lossy}"), Err("line 1, column 4"));
        check(&format!("a: \"{lossy}\""), Ok(&format!("{{\"a\":\"{lossy}\"}}")));
    }
    check(
        "[0x, 1.2.3, 1e, v1, 12:30:45, 2020-01-01, ., e5]",
        Ok(r#"["0x","1.2.3","1e","v1","12:30:45","2020-01-01",".","e5"]"#),
    );
}

#[test]
fn keys_are_text() {
    check("true: 1\n10: 2\n\"on\": 3\n", Ok(r#"{"10":2,"on":3,"true":1}"#));
    check("on: 1", Err("\"on\""));
    check("1.5: 1", Err("1.5"));
    check("? [a]\n: 1", Err("key"));
    check("? *a\n: 1", Err("line 1"));
}

#[test]
fn duplicates_and_second_documents_are_refused() {
    check("a: 1\nb: 2\na: 3\n", Err("line 3, column 1"));
    check("a: 1\n---\nb: 2\n", Err("second document"));
    check("", Err("empty"));
    check("# only a remark\n", Err("empty"));
}

#[test]
fn line_breaks_are_one_character_however_they_are_spelled() {
    let text = "pem: |\n  one\n\n  two\nfold: >-\n  a\n  b\n\n  c\nquoted: \"d\n  e\"\nplain: f\n  g\n";
    let json = r#"{"fold":"a b\nc","pem":"one\n\ntwo\n","plain":"f g","quoted":"d e"}"#;
    check(text, Ok(json));
    check(&text.replace('\n', "\r\n"), Ok(json));
    check(&text.replace('\n', "\r"), Ok(json));
}

#[test]
fn what_go_reads_otherwise_is_refused() {
    check("pem: |\n  one\n  two", Err("end its last line"));
    check("a: >\n  one\n  ", Err("end its last line"));
    check("pem: \"one\"", Ok(r#"{"pem":"one"}"#));
    check("[a:]", Err("a colon needs a space"));
    check("{a:}", Err("a colon needs a space"));
    check("{a: , b: }\n", Ok(r#"{"a":null,"b":null}"#));
    check("{?a: 1}", Err("question mark"));
    check("{? a : 1}", Ok(r#"{"a":1}"#));
    check("a: &b:c\n", Err("anchors"));
    check("a: &b-c_1 1\nd: '&b:c'\ne: x&y:z\n", Ok(r#"{"a":1,"d":"\u0026b:c","e":"x\u0026y:z"}"#));
    check(">\ntext\n", Err("mapping"));
}

#[test]
fn merge_keys_add_what_is_not_there() {
    check("base: &b {x: 1}\nmore: {<<: *b, z: 2}\n", Ok(r#"{"base":{"x":1},"more":{"x":1,"z":2}}"#));
    check("base: &b {x: 1}\nmore: {<<: *b, x: 2}\n", Err("twice"));
    check("more: {<<: 1}\n", Err("mappings"));
    check("more: {'<<': 1}\n", Ok(r#"{"more":{"\u003c\u003c":1}}"#));
}

#[test]
fn aliases_are_bounded() {
    check("a: &a [*a]\n", Err("line 1"));
    let mut laughs = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n".to_owned();
    for i in 1..12 {
        let alias = format!("*a{}", i - 1);
        laughs += &format!("a{i}: &a{i} [{}]\n", [alias.as_str(); 10].join(", "));
    }
    check(&laughs, Err("longer than"));
    let mut tower = format!("a0: &a0 {}{}\n", "[".repeat(60), "]".repeat(60));
    tower += &format!("a1: {}*a0{}\n", "[".repeat(60), "]".repeat(60));
    check(&tower, Err("deeper than"));
    for bracket in ["[", "- ", "{? ", "&a ["] {
        assert!(parse(&bracket.repeat(5_000)).is_err());
    }
}

#[test]
fn characters_that_mean_two_things_are_refused() {
    for bad in ['\u{85}', '\u{2028}', '\u{2029}', '\u{7f}', '\u{1}', '\u{feff}'] {
        check(&format!("a: 1\nb: x{bad}y\n"), Err("line 2, column 5"));
    }
    check("a: \"\\u2028\\x01\\b\"", Err("back space"));
    check("a: \"\\u2028\\x01\\x7f\"", Ok("{\"a\":\"\\u2028\\u0001\u{7f}\"}"));
}

#[test]
fn hostile_documents_are_errors_and_never_panics() {
    // Splices and cuts of a document with every construct; deterministic, so that a failure repeats.
    let seed = "%YAML 1.1\n---\na: &x {b: [1, 'c', \"d\\n\"], <<: *x}\n? k\n: |+2\n   t\n- >-\n  u\n!!str *x : ~\n...\n\t- [\n";
    let bytes = seed.as_bytes();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % n as u64).unwrap()
    };
    for _ in 0..5_000 {
        let mut hostile = bytes.to_vec();
        for _ in 0..1 + below(8) {
            let (from, to) = (below(bytes.len()), below(hostile.len()));
            let length = below(8).min(bytes.len() - from);
            hostile.splice(to..to, bytes[from..from + length].iter().copied());
            hostile.remove(below(hostile.len()));
        }
        if let Ok(text) = String::from_utf8(hostile) {
            let _ = parse(&text).and_then(|document| to_json(&document));
        }
    }
}
