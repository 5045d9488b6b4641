//! OpenSSL's command line and curl against a running Coordinator.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::running::{Running, UUID, data, plain, run, text};

/// Root, intermediate and marble root as files.
fn write_certificates(running: &Running, folder: &Path) {
    let chain = data(&running.get("/api/v2/quote"))["cert"].as_str().unwrap().to_owned();
    let (intermediate, root) = chain.split_at(chain.rfind("-----BEGIN").unwrap());
    fs::write(folder.join("root.pem"), root).unwrap();
    fs::write(folder.join("intermediate.pem"), intermediate).unwrap();
}

fn succeeds(program: &str, arguments: &[&str], folder: &Path) -> Option<String> {
    let output = run(program, arguments, folder)?;
    assert!(output.status.success(), "{program} {arguments:?}: {}", text(&output));
    Some(text(&output))
}

#[test]
fn openssl_verifies_both_listeners_and_a_marble_against_both_anchors() {
    let running = Running::serving(&plain());
    let folder = running.process.folder();
    write_certificates(&running, folder);
    let env = running.activate("press").unwrap().env;
    for (file, name) in [
        ("marble-root.pem", "MARBLE_PREDEFINED_ROOT_CA"),
        ("chain.pem", "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"),
        ("marble.key", "MARBLE_PREDEFINED_PRIVATE_KEY"),
    ] {
        fs::write(folder.join(file), &env[name]).unwrap();
    }
    let verify =
        |arguments: &[&str]| succeeds("openssl", &[&["verify", "-x509_strict"], arguments].concat(), folder);
    let Some(_) = verify(&["-CAfile", "root.pem", "root.pem"]) else { return };
    verify(&["-CAfile", "root.pem", "intermediate.pem"]);
    verify(&["-CAfile", "marble-root.pem", "marble-root.pem"]);
    verify(&["-CAfile", "root.pem", "-untrusted", "chain.pem", "chain.pem"]);
    verify(&["-CAfile", "marble-root.pem", "chain.pem"]);
    verify(&["-partial_chain", "-CAfile", "intermediate.pem", "chain.pem"]);
    let shown = succeeds("openssl", &["x509", "-in", "chain.pem", "-noout", "-text"], folder).unwrap();
    assert!(
        shown.contains(UUID) && shown.contains("DNS:localhost") && shown.contains("1.3.9903.2.1"),
        "{shown}"
    );
    let key = succeeds("openssl", &["pkey", "-in", "marble.key", "-pubout"], folder);
    assert_eq!(key, succeeds("openssl", &["x509", "-in", "chain.pem", "-noout", "-pubkey"], folder));
    for (address, anchor) in
        [(running.process.client_addr, "root.pem"), (running.process.mesh_addr, "marble-root.pem")]
    {
        for version in ["-tls1_2", "-tls1_3"] {
            let connect =
                ["s_client", "-connect", &address.to_string(), "-CAfile", anchor, "-brief", version];
            let strict = ["-verify_return_error", "-verify_hostname", "localhost"];
            let shown = succeeds("openssl", &[&connect[..], &strict[..]].concat(), folder).unwrap();
            assert!(shown.contains("Verification: OK"), "{shown}");
        }
        for version in ["-tls1", "-tls1_1"] {
            let connect =
                ["s_client", "-connect", &address.to_string(), "-cipher", "DEFAULT:@SECLEVEL=0", version];
            assert!(!run("openssl", &connect, folder).unwrap().status.success(), "{version}");
        }
    }
}

/// Status, content type, version and body of one request.
struct Answer {
    code: String,
    kind: String,
    version: String,
    body: String,
}

fn curl(running: &Running, arguments: &[&str], path: &str) -> Option<Answer> {
    let url = format!("https://localhost:{}{path}", running.process.client_addr.port());
    let form = ["-s", "-S", "-w", "\n%{http_code} %{http_version} %{content_type}", "--cacert", "root.pem"];
    let shown = run("curl", &[&form[..], arguments, &[&url]].concat(), running.process.folder())?;
    assert!(shown.status.success(), "{arguments:?} {path}: {}", text(&shown));
    let shown = String::from_utf8(shown.stdout).unwrap();
    let (body, facts) = shown.rsplit_once('\n').unwrap();
    let mut facts = facts.splitn(3, ' ').map(str::to_owned);
    let mut next = || facts.next().unwrap_or_default();
    Some(Answer { code: next(), version: next(), kind: next(), body: body.into() })
}

#[test]
fn curl_drives_the_client_api_over_both_versions_of_http() {
    let running = Running::start();
    let folder = running.process.folder();
    write_certificates(&running, folder);
    fs::write(folder.join("manifest.json"), plain().to_string()).unwrap();
    let check = |flag: &str, arguments: &[&str], path: &str, code: &str| {
        let answer = curl(&running, &[&[flag], arguments].concat(), path)?;
        let case = format!("{flag} {arguments:?} {path}: {}", answer.body);
        assert_eq!(answer.code, code, "{case}");
        assert_eq!(answer.kind, "application/json", "{case}");
        assert_eq!(answer.version, if flag == "--http2" { "2" } else { "1.1" }, "{case}");
        Some(answer.body)
    };
    for flag in ["--http1.1", "--http2"] {
        let Some(status) = check(flag, &[], "/status", "200") else { return };
        let status: Value = serde_json::from_str(&status).unwrap();
        assert_eq!(status["data"]["StatusCode"], 2);
        check(flag, &["-I"], "/status", "405");
        check(flag, &["-X", "OPTIONS"], "/api/v2/manifest", "405");
        check(flag, &["-X", "DELETE"], "/manifest", "405");
        check(flag, &[], "/api/v2/status/", "405");
        check(flag, &["--data-binary", "{"], "/manifest", "400");
    }
    check("--http2", &["--data-binary", "@manifest.json"], "/manifest", "200").unwrap();
    for flag in ["--http1.1", "--http2"] {
        let shown: Value =
            serde_json::from_str(&check(flag, &[], "/api/v2/manifest", "200").unwrap()).unwrap();
        assert_eq!(shown["status"], json!("success"));
        check(flag, &["--data-binary", "@manifest.json"], "/manifest", "409");
        // Refused before the body is read: the answer must arrive all the same.
        for _ in 0..10 {
            check(flag, &["-d", "{}"], "/api/v2/update", "401");
        }
    }
}
