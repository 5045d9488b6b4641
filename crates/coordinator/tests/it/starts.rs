//! Starting and stopping: what the environment may choose, startup manifests, shutdown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use marblerun_testkit::client::http::Response;
use marblerun_testkit::program::{Coordinator, Options};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::running::{PATIENCE, Running, data, options, plain, run, tls_stream};

/// The log of a start that ends with status 1.
fn refused(options: Options) -> String {
    let error = Coordinator::start(options).unwrap_err().to_string();
    assert!(error.contains("exit status: 1") && !error.contains("panicked"), "{error}");
    error
}

#[test]
fn without_a_tee_only_an_explicit_wish_for_simulation_starts() {
    let folder = TempDir::new().unwrap();
    let state = folder.path().join("state");
    let here = || Options { seal_dir: Some(state.clone()), ..options() };
    let with = |value: Option<&str>, more: &[(&str, &str)]| {
        let mut options = here();
        options.env.push(("OE_SIMULATION".into(), value.map(Into::into)));
        options.env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))));
        options
    };
    let almost = [("SGX_MODE", "SIM"), ("SIMULATION", "1"), ("EDG_SIMULATION", "1"), ("oe_simulation", "1")];
    let looser = [("EDG_COORDINATOR_DEV_MODE", "1"), ("EDG_DEBUG_LOGGING", "1")];
    for (value, more) in
        [(None, &[][..]), (Some("0"), &[]), (Some(""), &[]), (None, &almost), (None, &looser)]
    {
        let log = refused(with(value, more));
        assert!(log.contains("no trusted execution environment") && log.contains("OE_SIMULATION=1"), "{log}");
    }
    assert!(refused(with(Some("yes"), &[])).contains("OE_SIMULATION"));
    assert!(!state.join("sealed_data").exists());

    let running = Running::with(here());
    assert_eq!(running.set(&plain()).status, 200);
    let message = data(&running.get("/api/v2/status"))["message"].as_str().unwrap().to_owned();
    assert!(message.contains("simulation"), "{message}");
    assert!(running.process.log().contains("SIMULATION"));
    drop(running);
    refused(with(None, &[]));
    assert_eq!(Running::with(here()).state(), 3, "and nothing was harmed");
}

#[test]
fn a_tpm_seals_only_where_it_is_wanted_and_needed() {
    let with = |tpm: &str| {
        let mut options = options();
        options.env.push(("EDG_COORDINATOR_SEAL_TPM".into(), Some(tpm.into())));
        refused(options)
    };
    assert!(with("/dev/null").contains("this machine (simulation) seals by itself"));
    assert!(with("/dev/no-such-tpm").contains("no TEE answers at /dev/no-such-tpm"));
    assert!(with("/dev/null:23").contains("EDG_COORDINATOR_SEAL_TPM: the TEE refuses: PCR 23"));
}

#[test]
fn a_wrong_setting_of_the_collateral_services_ends_the_start() {
    let folder = TempDir::new().unwrap();
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let with = |name: &str, value: &str| refused(options().env(name, value));
    let missing = with("EDG_COLLATERAL_CA", "/no-such-file.pem");
    assert!(missing.contains("EDG_COLLATERAL_CA: cannot read /no-such-file.pem"), "{missing}");
    let empty = with("EDG_COLLATERAL_CA", &empty.display().to_string());
    assert!(empty.contains("empty.pem") && empty.contains("there is no certificate in it"), "{empty}");
    let endless = with("EDG_COLLATERAL_CA", "/dev/zero");
    assert!(endless.contains("it has more than the 1048576 bytes"), "{endless}");
    let never = with("EDG_COLLATERAL_REFRESH", "never");
    assert!(never.contains("no duration from 1m to 24h"), "{never}");
}

/// A request whose body is still on its way when the Coordinator is told to stop.
#[test]
fn sigterm_finishes_what_is_under_way_and_lets_go_of_the_folder() {
    let mut running = Running::start();
    let (address, pid) = (running.process.client_addr, running.process.pid().unwrap().to_string());
    let body = plain().to_string();
    let Running { process, runtime, .. } = &mut running;
    let answer = runtime.block_on(async {
        let stalled_handshake = TcpStream::connect(address).await.unwrap();
        let idle = tls_stream(address, b"http/1.1").await.unwrap();
        let mut stream = tls_stream(address, b"http/1.1").await.unwrap();
        let head = format!(
            "POST /manifest HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // It says so when it begins to read.
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        assert!(run("kill", &["-TERM", &pid], process.folder()).unwrap().status.success());
        process.process().unwrap().wait_for_log("stopping", PATIENCE).unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        drop((stalled_handshake, idle));
        String::from_utf8(answer).unwrap()
    });
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let status = running.process.process().unwrap().wait(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(0), "{}", running.process.log());
    assert!(running.process.log().contains("stopped"));
    running.process.start_again().unwrap();
    assert_eq!(running.state(), 3);
}

/// Neither a stalled handshake nor an idle connection nor half a request holds up the end for long.
#[test]
fn sigterm_waits_for_no_stranger() {
    let mut running = Running::serving(&plain());
    let address = running.process.client_addr;
    let held = running.runtime.block_on(async {
        let silent = TcpStream::connect(address).await.unwrap();
        let idle = tls_stream(address, b"h2").await.unwrap();
        let mut half = tls_stream(address, b"http/1.1").await.unwrap();
        half.write_all(b"POST /manifest HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{").await.unwrap();
        (silent, idle, half)
    });
    let begun = std::time::Instant::now();
    assert_eq!(running.process.stop().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    drop(held);
}

fn startup(folder: &TempDir, manifest: &serde_json::Value) -> Options {
    let file = folder.path().join("manifest.json");
    fs::write(&file, manifest.to_string()).unwrap();
    let options = Options { seal_dir: Some(folder.path().join("state")), ..options() };
    options.env("EDG_STARTUP_MANIFEST", file.to_str().unwrap())
}

fn manifest_in_force(running: &Running) -> Response {
    running.get("/api/v2/manifest")
}

/// [`plain`] with a recovery key made by OpenSSL; `None` without it.
fn with_recovery_key(folder: &TempDir) -> Option<serde_json::Value> {
    let make = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 | openssl pkey -pubout";
    let key = run("sh", &["-c", make], folder.path())?;
    let mut manifest = plain();
    manifest["RecoveryKeys"] = json!({"holder": String::from_utf8(key.stdout).unwrap()});
    Some(manifest)
}

#[test]
fn a_startup_manifest_is_applied_once_and_its_recovery_secrets_are_kept() {
    let folder = TempDir::new().unwrap();
    let Some(manifest) = with_recovery_key(&folder) else { return };
    let mut running = Running::with(startup(&folder, &manifest));
    assert_eq!(running.state(), 3);
    let in_force = manifest_in_force(&running);
    let secrets = folder.path().join("state/recovery_secrets.json");
    let kept = fs::read(&secrets).unwrap();
    assert_eq!(fs::metadata(&secrets).unwrap().permissions().mode() & 0o777, 0o600);
    let kept_json: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    assert!(kept_json["RecoverySecrets"]["holder"].is_string(), "{kept_json}");
    assert!(running.process.log().contains("recovery_secrets.json"));

    // State 3: ignored with a warning, also if it is another one, broken or gone.
    let file = folder.path().join("manifest.json");
    let other = crate::running::manifest(json!({"other": {"Package": "cider"}}), json!({})).to_string();
    for content in [Some(other.as_str()), Some("{"), None] {
        match content {
            Some(content) => fs::write(&file, content).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        running.process.restart().unwrap();
        assert_eq!(running.state(), 3);
        assert_eq!(manifest_in_force(&running), in_force);
        assert_eq!(fs::read(&secrets).unwrap(), kept);
    }
    assert_eq!(running.process.log().matches("the startup manifest is ignored").count(), 3);

    // State 1: ignored too.
    fs::write(&file, other).unwrap();
    running.process.kill().unwrap();
    running.process.remove_file("sealed_key").unwrap();
    running.process.start_again().unwrap();
    assert_eq!(running.state(), 1);
    assert_eq!(running.process.log().matches("the startup manifest is ignored").count(), 4);
    assert_eq!(fs::read(&secrets).unwrap(), kept);
}

/// What would be lost by a crash after the commit is written before it.
#[test]
fn recovery_secrets_that_cannot_be_kept_prevent_the_commit() {
    let folder = TempDir::new().unwrap();
    let Some(manifest) = with_recovery_key(&folder) else { return };
    let state = folder.path().join("state");
    fs::create_dir_all(state.join("recovery_secrets.json/in-the-way")).unwrap();
    let log = refused(startup(&folder, &manifest));
    assert!(log.contains("recovery_secrets.json"), "{log}");
    assert!(!state.join("sealed_data").exists());
    fs::remove_dir_all(state.join("recovery_secrets.json")).unwrap();
    assert_eq!(Running::with(startup(&folder, &manifest)).state(), 3);
}

#[test]
fn an_invalid_startup_manifest_ends_the_process_with_its_errors() {
    let folder = TempDir::new().unwrap();
    let mut manifest = plain();
    manifest["Marbles"]["press"]["Package"] = json!("perry");
    manifest["Marbles"]["cellar"]["MaxActivations"] = json!("many");
    let log = refused(startup(&folder, &manifest));
    assert!(log.contains("EDG_STARTUP_MANIFEST") && log.contains("Marbles.cellar.MaxActivations"), "{log}");
    manifest["Marbles"]["cellar"]["MaxActivations"] = json!(1);
    assert!(refused(startup(&folder, &manifest)).contains("Marbles.press.Package"));
    let missing = options().env("EDG_STARTUP_MANIFEST", "/nowhere/manifest.json");
    assert!(refused(missing).contains("/nowhere/manifest.json"));
    let running = Running::with(Options { seal_dir: Some(folder.path().join("state")), ..options() });
    assert_eq!(running.state(), 2, "nothing was set");
}

/// An address in use ends the start before the startup manifest is set, which cannot be taken back.
#[test]
fn nothing_is_set_where_nothing_can_be_served() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = startup(&folder, &plain());
    options.args = vec!["--mesh-addr".into(), taken.local_addr().unwrap().to_string()];
    assert!(refused(options).contains("cannot listen on"));
    assert!(!folder.path().join("state/sealed_data").exists());
}
