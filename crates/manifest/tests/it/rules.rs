//! Each rule of a manifest: what is refused and what draws a warning, with the place.

use serde_json::{Value, json};

use super::{parse, patched, pem};

/// What is expected of a manifest.
enum Want {
    /// Exactly these errors: how each begins.
    Errors(&'static [&'static str]),
    /// Accepted, with exactly these warnings: how each begins.
    Warnings(&'static [&'static str]),
}
use Want::{Errors, Warnings};

fn check(name: &str, text: &str, want: &Want) {
    let (kind, found, starts) = match (parse(text), want) {
        (Err(errors), Errors(starts)) => ("errors", errors.0, *starts),
        (Ok(checked), Warnings(starts)) => ("warnings", checked.warnings, *starts),
        (Err(errors), Warnings(_)) => panic!("{name}: refused: {errors}"),
        (Ok(_), Errors(_)) => panic!("{name}: accepted"),
    };
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let fits = found.len() == starts.len() && found.iter().zip(starts).all(|(f, s)| f.starts_with(s));
    assert!(fits, "{name}: {kind} {found:#?}, expected {starts:#?}");
}

fn check_all(cases: &[(&str, Value, Want)]) {
    for (name, patch, want) in cases {
        check(name, &patched(patch), want);
    }
}

#[test]
fn nothing_to_say() {
    check("plain", &patched(&json!({})), &Warnings(&[]));
}

#[test]
fn json() {
    let cases = [
        ("empty", "", Errors(&["line 1, column 1: not JSON: the text ends"])),
        ("garbage after", "{} x", Errors(&["line 1, column 4: not JSON: text after"])),
        (
            "syntax",
            "{\n  \"Packages\": {\"a\": tru}}",
            Errors(&["Packages.a: not JSON: expected true (line 2, column"]),
        ),
        ("comma", "{\"Config\": {},}", Errors(&["line 1, column 15: not JSON"])),
        ("list", "[]", Errors(&["line 1, column 1: expected an object, found a list"])),
        ("null", "null", Errors(&["line 1, column 1: expected an object, found null"])),
        ("nothing", "{}", Errors(&["Packages: a manifest needs", "Marbles: a manifest needs"])),
    ];
    cases.iter().for_each(|(name, text, want)| check(name, text, want));
}

/// A warning about the spelling of a key must not stand for one about what it says.
#[test]
fn a_lower_case_key_hides_no_warning() {
    let debug = patched(&json!({"Packages": {"cider": {"Debug": true}}}));
    let small = debug.replacen("\"Packages\"", "\"packages\"", 1).replacen("\"Debug\"", "\"debug\"", 1);
    check(
        "debug package",
        &small,
        &Warnings(&[
            "packages: read as",
            "packages.cider.debug: read as",
            "Packages.cider.Debug: admits debug",
        ]),
    );
}

#[test]
fn keys() {
    let with = |member: &str| patched(&json!({})).replacen('{', &format!("{{{member},"), 1);
    check("twice", &with(r#""Users": {}, "Users": {}"#), &Errors(&["Users: this key stands twice"]));
    check(
        "two spellings",
        &with(r#""Users": {}, "users": {}"#),
        &Errors(&["users: another spelling of `Users`"]),
    );
    check("case", &with(r#""users": {}"#), &Warnings(&["users: read as `Users`"]));
    check("near miss", &with(r#""User": {}"#), &Errors(&["User: unknown key; did you mean `Users`?"]));
    check("unknown", &with(r#""Clients": {"a": 1}"#), &Warnings(&["Clients: unknown key"]));
    check(
        "twice in unknown",
        &with(r#""Clients": {"a": 1, "a": 2}"#),
        &Errors(&["Clients.a: this key stands twice"]),
    );
    check("name twice", &with(r#""TLS": {"a": {}, "a": {}}"#), &Errors(&["TLS.a: this key stands twice"]));
    check("names in two cases", &with(r#""TLS": {"a": {}, "A": {}}"#), &Warnings(&[]));
    check("null entry", &with(r#""TLS": {"a": null}"#), &Warnings(&["TLS.a: null"]));
    check_all(&[
        (
            "near miss below",
            json!({"Marbles": {"press": {"MaxActivation": 1}}}),
            Errors(&["Marbles.press.MaxActivation: unknown key; did you mean `MaxActivations`?"]),
        ),
        (
            "unknown below",
            json!({"Marbles": {"press": {"Comment": 1}}}),
            Warnings(&["Marbles.press.Comment: unknown key"]),
        ),
    ]);
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_document() {
    let text = r#"{
  "Marbles": {
    "press": {"Package": "perry", "MaxActivations": 2.5}
  },
  "Packages": {
    "cider": {"SignerID": "zz"}
  },
  "Config": {"SealMode": "Wax"}
}"#;
    let errors = parse(text).unwrap_err().0;
    let found: Vec<(String, usize, usize)> = errors
        .into_iter()
        .map(|f| {
            let at = f.position.unwrap();
            (f.path, at.line, at.column)
        })
        .collect();
    let want = [
        ("Marbles.press.Package", 3, 15),
        ("Marbles.press.MaxActivations", 3, 35),
        ("Packages.cider.SignerID", 6, 15),
        ("Config.SealMode", 8, 14),
    ];
    assert_eq!(found, want.map(|(path, line, column)| (path.to_owned(), line, column)));
}

#[test]
fn packages() {
    let package = |package: Value| json!({"Packages": {"cider": package}});
    check_all(&[
        (
            "short ID",
            package(json!({"SignerID": "9c"})),
            Errors(&["Packages.cider.SignerID: must be 32 bytes"]),
        ),
        (
            "no hex",
            package(json!({"SignerID": "zz".repeat(32)})),
            Errors(&["Packages.cider.SignerID: must be 32 bytes"]),
        ),
        (
            "TCB status",
            package(json!({"AcceptedTCBStatuses": ["UpToDate", "uptodate"]})),
            Errors(&["Packages.cider.AcceptedTCBStatuses[1]: `uptodate` is no TCB status"]),
        ),
        (
            "empty statuses",
            package(json!({"AcceptedTCBStatuses": []})),
            Warnings(&["Packages.cider.AcceptedTCBStatuses: an empty"]),
        ),
        (
            "revoked",
            package(json!({"AcceptedTCBStatuses": ["Revoked"]})),
            Warnings(&["Packages.cider.AcceptedTCBStatuses[0]: admits"]),
        ),
        (
            "both ways",
            package(json!({"UniqueID": "77".repeat(32)})),
            Errors(&["Packages.cider: has UniqueID and also SignerID"]),
        ),
        (
            "lacking",
            json!({"Packages": {"cider": {"ProductID": null}}}),
            Errors(&["Packages.cider: lacks ProductID beside"]),
        ),
        (
            "debug",
            package(json!({"Debug": true, "ProductID": null})),
            Warnings(&["Packages.cider: lacks ProductID", "Packages.cider.Debug: admits debug enclaves"]),
        ),
        (
            "versions too large",
            package(json!({"SecurityVersion": 65536})),
            Warnings(&["Packages.cider.SecurityVersion: larger"]),
        ),
        (
            "number too large",
            package(json!({"SecurityVersion": 1e20})),
            Errors(&["Packages.cider.SecurityVersion: "]),
        ),
        (
            "no certificate",
            json!({"Infrastructures": {"barn": {"RootCA": [3, 3, 3]}}}),
            Warnings(&["Infrastructures.barn.RootCA: this is no certificate"]),
        ),
        (
            "empty list",
            json!({"Infrastructures": {"barn": {"RootCA": []}}}),
            Warnings(&["Infrastructures.barn.RootCA: this is no"]),
        ),
        (
            "no base64",
            json!({"Infrastructures": {"barn": {"CPUSVN": "-"}}}),
            Errors(&["Infrastructures.barn.CPUSVN: not base64"]),
        ),
        (
            "no byte",
            json!({"Infrastructures": {"barn": {"CPUSVN": [256]}}}),
            Errors(&["Infrastructures.barn.CPUSVN[0]: 256"]),
        ),
        (
            "short",
            json!({"Infrastructures": {"barn": {"CPUSVN": [1]}}}),
            Warnings(&["Infrastructures.barn.CPUSVN: 1 bytes"]),
        ),
        (
            "empty name",
            json!({"Packages": {"": {}}}),
            Errors(&["Packages.: the name of a package must not be empty"]),
        ),
    ]);
}

#[test]
fn parameters() {
    let env = |value: Value| json!({"Marbles": {"press": {"Parameters": {"Env": {"LABEL": value}}}}});
    let argv = |value: Value| json!({"Marbles": {"press": {"Parameters": {"Argv": [value]}}}});
    let named = |name: &str| json!({"Marbles": {"press": {"Parameters": {"Env": {name: "x"}}}}});
    let place = "Marbles.press.Parameters.Env.LABEL";
    assert_eq!(place.len(), 34);
    check_all(&[
        ("NUL", env(json!("a\0b")), Errors(&["Marbles.press.Parameters.Env.LABEL: contains NUL"])),
        (
            "NUL in hex",
            env(json!({"Data": "00", "Encoding": "HEX"})),
            Errors(&["Marbles.press.Parameters.Env.LABEL: contains NUL"]),
        ),
        (
            "base64",
            env(json!({"Data": "QQ=", "Encoding": "base64"})),
            Errors(&["Marbles.press.Parameters.Env.LABEL.Data: not base64"]),
        ),
        (
            "encoding",
            env(json!({"Data": "", "Encoding": "rot"})),
            Errors(&["Marbles.press.Parameters.Env.LABEL.Encoding: `rot`"]),
        ),
        (
            "not UTF-8",
            env(json!({"Data": "7b7bff", "Encoding": "hex"})),
            Errors(&["Marbles.press.Parameters.Env.LABEL: contains `{{` but"]),
        ),
        (
            "not UTF-8, no template",
            env(json!({"Data": "7b7bff", "Encoding": "hex", "NoTemplates": true})),
            Warnings(&[]),
        ),
        (
            "= in a name",
            named("A=B"),
            Errors(&["Marbles.press.Parameters.Env.A=B: the name of a variable must not contain `=`"]),
        ),
        ("NUL in a name", named("A\0B"), Errors(&["Marbles.press.Parameters.Env.A\\u{0}B: the name"])),
        (
            "predefined",
            named("MARBLE_PREDEFINED_ROOT_CA"),
            Warnings(&["Marbles.press.Parameters.Env.MARBLE_PREDEFINED_ROOT_CA: has no"]),
        ),
        ("TTLS without tags", named("MARBLE_TTLS_CONFIG"), Warnings(&[])),
        ("NUL in argv", argv(json!("\0")), Errors(&["Marbles.press.Parameters.Argv[0]: contains NUL"])),
        ("argv object", argv(json!({"Data": "{{ hex .Secrets.yeast }}"})), Warnings(&[])),
        (
            "argv object without Data",
            argv(json!({"NoTemplates": true})),
            Errors(&["Marbles.press.Parameters.Argv[0].Data: required"]),
        ),
        ("argv null", argv(json!(null)), Errors(&["Marbles.press.Parameters.Argv[0]: null in a list"])),
        ("argv string is literal", argv(json!("{{")), Warnings(&[])),
        ("no templates", env(json!({"Data": "{{", "NoTemplates": true})), Warnings(&[])),
    ]);
    let text = patched(&env(json!("X"))).replace("\"X\"", "null");
    check(
        "null",
        &text,
        &Errors(&[
            "Marbles.press.Parameters.Env.LABEL: expected a string or an object with Data, found null",
        ]),
    );
}

#[test]
fn secrets() {
    let secret = |secret: Value| json!({"Secrets": {"x": secret}});
    let cert = |cert: Value| json!({"Secrets": {"x": {"Type": "cert-ecdsa", "Size": 256, "Cert": cert}}});
    check_all(&[
        ("no type", secret(json!({"Size": 1})), Errors(&["Secrets.x.Type: required"])),
        (
            "odd bits",
            secret(json!({"Type": "symmetric-key", "Size": 12})),
            Errors(&["Secrets.x.Size: is 12"]),
        ),
        (
            "too long to derive",
            secret(json!({"Type": "symmetric-key", "Size": 65288})),
            Errors(&["Secrets.x.Size: is 65288"]),
        ),
        ("longest derived", secret(json!({"Type": "symmetric-key", "Size": 65280})), Warnings(&[])),
        (
            "longest stored",
            secret(json!({"Type": "symmetric-key", "Size": 1_048_576, "Shared": true})),
            Warnings(&[]),
        ),
        (
            "a gigabyte",
            secret(json!({"Type": "symmetric-key", "Size": 8_589_934_592u64, "Shared": true})),
            Errors(&["Secrets.x.Size: "]),
        ),
        (
            "RSA 1024",
            secret(json!({"Type": "cert-rsa", "Size": 1024})),
            Errors(&["Secrets.x.Size: is 1024, but cert-rsa has 2048"]),
        ),
        (
            "private key",
            secret(json!({"Type": "symmetric-key", "Size": 8, "Private": "QQ=="})),
            Errors(&["Secrets.x.Private: everybody"]),
        ),
        (
            "certificate of a key",
            secret(json!({"Type": "symmetric-key", "Size": 8, "Cert": {}})),
            Errors(&["Secrets.x.Cert: a secret of type"]),
        ),
        (
            "other algorithm",
            cert(json!({"PublicKeyAlgorithm": 1})),
            Errors(&["Secrets.x.Cert.PublicKeyAlgorithm: not"]),
        ),
        ("CA", cert(json!({"IsCA": true})), Errors(&["Secrets.x.Cert.IsCA: refused"])),
        (
            "past",
            cert(json!({"NotAfter": "2020-01-01T00:00:00Z"})),
            Errors(&["Secrets.x.Cert.NotAfter: 2020"]),
        ),
        (
            "after the last year",
            cert(json!({"NotAfter": "9999-12-31T23:59:59-12:00"})),
            Errors(&["Secrets.x.Cert.NotAfter: 9999-12-31T23:59:59-12:00 is after the year 9999"]),
        ),
        (
            "Go's zero time",
            cert(json!({"NotAfter": "0001-01-01T00:00:00Z", "NotBefore": "0001-01-01T00:00:00Z"})),
            Warnings(&[]),
        ),
        ("key usage", cert(json!({"KeyUsage": 512})), Errors(&["Secrets.x.Cert.KeyUsage: 512"])),
        ("extended", cert(json!({"ExtKeyUsage": [14]})), Errors(&["Secrets.x.Cert.ExtKeyUsage[0]: 14"])),
        (
            "not ASCII",
            cert(json!({"DNSNames": ["ö"]})),
            Errors(&["Secrets.x.Cert.DNSNames[0]: must be printable ASCII"]),
        ),
        (
            "smuggled CA",
            cert(json!({"ExtraExtensions": [{"Id": [2, 5, 29, 19], "Value": "MAMBAf8="}]})),
            Errors(&["Secrets.x.Cert.ExtraExtensions[0]: 2.5.29.19 (basic constraints)"]),
        ),
        (
            "extension in another spelling",
            cert(json!({"ExtraExtensions": [{"Id": "2.5.29.017", "Value": "MAA="}]})),
            Errors(&["Secrets.x.Cert.ExtraExtensions[0]: 2.5.29.17 (DNSNames"]),
        ),
        (
            "smuggled marble type",
            cert(json!({"ExtraExtensions": [{"Id": [1, 3, 9903, 2, 1], "Value": "cHJlc3M="}]})),
            Errors(&["Secrets.x.Cert.ExtraExtensions[0]: 1.3.9903.2.1 (marble type)"]),
        ),
        (
            "no OID",
            cert(json!({"ExtraExtensions": [{"Id": [9, 9], "Value": "AA=="}]})),
            Errors(&["Secrets.x.Cert.ExtraExtensions[0].Id: not an object identifier"]),
        ),
        (
            "without effect",
            cert(json!({"SerialNumber": 7, "Issuer": {}})),
            Warnings(&["Secrets.x.Cert.Issuer: has no effect", "Secrets.x.Cert.SerialNumber: has no effect"]),
        ),
        (
            "too many days",
            secret(json!({"Type": "cert-ed25519", "ValidFor": 106_752})),
            Errors(&["Secrets.x.ValidFor: 106752 days"]),
        ),
    ]);
}

#[test]
fn templates() {
    let file = |text: &str| json!({"Marbles": {"press": {"Parameters": {"Files": {"/f": text}}}}});
    let place = &Errors(&["Marbles.press.Parameters.Files./f: line 1, column "]);
    let refused = [
        "{{",
        "{{ hex .Secrets.malt }}",
        "{{ string .Secrets.note }}",
        "{{ .Secrets.note }}",
        "{{ .Marblerun.RootCA }}",
    ];
    refused.iter().for_each(|text| check(text, &patched(&file(text)), place));
    let accepted = [
        "{{ hex .Secrets.own }}",
        "{{ index .Secrets.crate.Cert.DNSNames 0 }}",
        "{{ pem .MarbleRun.MarbleCert.Private }}",
    ];
    accepted.iter().for_each(|text| check(text, &patched(&file(text)), &Warnings(&[])));
    let mut broken = file("{{ hex .Secrets.own }}");
    super::merge(&mut broken, &json!({"Secrets": {"own": {"Size": 7}}}));
    check("a broken secret is reported once", &patched(&broken), &Errors(&["Secrets.own.Size: is 7"]));
}

#[test]
fn what_a_marble_uses() {
    let patch = json!({
        "Marbles": {"press": {"TLS": ["t"], "Parameters": {
            "Files": {"/f": "{{ hex .Secrets.own }}"},
            "Env": {"OLD": "{{ hex .Previous.Secrets.yeast }}"},
            "Argv": ["{{ hex .Secrets.note }}", {"Data": "{{ base64 .Secrets.yeast }}"}],
        }}},
        "TLS": {"t": {"Incoming": [{"Port": "1", "Cert": "crate", "DisableClientAuth": true}]}},
    });
    let uses = parse(&patched(&patch)).unwrap().manifest.marbles["press"].uses.clone();
    assert_eq!(uses.secrets.iter().map(String::as_str).collect::<Vec<_>>(), ["crate", "own", "yeast"]);
    assert_eq!(uses.previous.iter().map(String::as_str).collect::<Vec<_>>(), ["yeast"]);
    assert!(!uses.any);
}

#[test]
fn users_and_recovery_keys() {
    let alice = pem("alice", "cert");
    let safe = pem("safe-one", "public");
    let same_key = format!("a remark\n{}", safe.replace('\n', "\r\n"));
    check_all(&[
        (
            "text around",
            json!({"Users": {"a": {"Certificate": format!("Certificate:\n  Data\n{alice}end")}}}),
            Warnings(&[]),
        ),
        (
            "two blocks",
            json!({"Users": {"a": {"Certificate": format!("{alice}{alice}")}}}),
            Warnings(&["Users.a.Certificate: holds several"]),
        ),
        (
            "one certificate, two users",
            json!({"Users": {"a": {"Certificate": alice.clone()}, "b": {"Certificate": format!("x\n{alice}")}}}),
            Errors(&["Users.b.Certificate: the same public key as `a`"]),
        ),
        (
            "one key, two names",
            json!({"RecoveryKeys": {"a": safe, "b": same_key}}),
            Errors(&["RecoveryKeys.b: the same public key as `a`"]),
        ),
        (
            "weak RSA",
            json!({"RecoveryKeys": {"a": WEAK_RSA}}),
            Errors(&["RecoveryKeys.a: an RSA key of 1024 bits"]),
        ),
    ]);
}

#[test]
fn auditors_name_no_resources_and_do_nothing_else() {
    let role = |names: Value, action: &str| json!({"Roles": {"a": {"ResourceType": "Audit", "ResourceNames": names, "Actions": [action]}}});
    check_all(&[
        ("auditor", role(json!([]), "readAudit"), Warnings(&[])),
        (
            "of something",
            role(json!(["note"]), "ReadAudit"),
            Errors(&["Roles.a.ResourceNames: a role for the audit"]),
        ),
        (
            "another action",
            role(json!([]), "ReadSecret"),
            Errors(&["Roles.a.Actions[0]: `ReadSecret` is no action"]),
        ),
    ]);
}

#[test]
fn a_tag_counts_once() {
    let tag = |port: &str| json!({"Incoming": [{"Port": port}]});
    let patch = json!({
        "TLS": {"a": tag("1"), "b": tag("2")},
        "Marbles": {"press": {"TLS": ["a", "b", "a"]}},
    });
    check("twice", &patched(&patch), &Warnings(&["Marbles.press.TLS[0]: names the TLS tag `a` again"]));
    assert_eq!(parse(&patched(&patch)).unwrap().manifest.marbles["press"].tls, ["b", "a"]);
}

#[test]
fn connections() {
    let incoming = |entry: Value| json!({"TLS": {"t": {"Incoming": [entry]}}});
    let outgoing = |entry: Value| json!({"TLS": {"t": {"Outgoing": [entry]}}});
    check_all(&[
        (
            "no certificate",
            incoming(json!({"Port": "1", "Cert": "yeast", "DisableClientAuth": true})),
            Errors(&["TLS.t.Incoming[0].Cert: the secret `yeast` is no certificate but symmetric-key"]),
        ),
        (
            "number",
            incoming(json!({"Port": 1})),
            Errors(&["TLS.t.Incoming[0].Port: expected a string, found a number"]),
        ),
        (
            "no port number",
            incoming(json!({"Port": "http"})),
            Warnings(&["TLS.t.Incoming[0].Port: `http` is no port"]),
        ),
        (
            "ignored",
            outgoing(json!({"Port": "1", "Addr": "a", "Cert": "crate", "DisableClientAuth": true})),
            Warnings(&[
                "TLS.t.Outgoing[0].Cert: has no effect",
                "TLS.t.Outgoing[0].DisableClientAuth: has no effect",
            ]),
        ),
        (
            "conflict",
            json!({
                "TLS": {"a": {"Incoming": [{"Port": "1"}]}, "b": {"Incoming": [{"Port": "1", "Cert": "crate", "DisableClientAuth": true}]}},
                "Marbles": {"press": {"TLS": ["a", "b"]}},
            }),
            Warnings(&["Marbles.press.TLS[1]: an earlier tag treats port 1 differently"]),
        ),
    ]);
}

/// A public key of 1024 bits; the private key was thrown away.
const WEAK_RSA: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDRp4l1DO7UjyXB7Wf2OVn9y9XG\n\
A2sQFfMCKgf9IFy0sIDEoUMA95iffLrs1LL6jXd5DRO9gSfBMlOJKkSkLytVAyJ9\n\
m4Cj9EQ4yOR0w0nU8j9t/gpLz0NaRfYSq9fxweWlMsGNGizxd6EKU7rWzcefZ2JL\n\
rFt/W4H2kV7uiC794wIDAQAB\n\
-----END PUBLIC KEY-----\n";
