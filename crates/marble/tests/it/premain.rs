//! The program `marblerun-premain` as a process.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, ParsedPublicKey};
use der::{Decode as _, Encode as _};
use marblerun_api::grpc::Parameters;
use tempfile::TempDir;
use tokio::process::Command;
use tonic::Code;
use x509_cert::request::CertReq;

use crate::coordinator::{Answer, Coordinator, alternative_names};

/// A value that must never show up where nobody asked for it.
const CANARY: &str = "c4n4ry-0f-a-secret";

/// One run in a folder of its own.
struct Run {
    folder: TempDir,
    output: Output,
}

impl Run {
    async fn of(coordinator: &Coordinator, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = premain(folder.path())
            .env("EDG_MARBLE_COORDINATOR_ADDR", coordinator.address.to_string())
            .env("EDG_MARBLE_TYPE", "web")
            .env("OE_SIMULATION", "1")
            .env("EDG_MARBLE_ACTIVATION_TIMEOUT", "0")
            .envs(variables.iter().copied())
            .args(arguments)
            .output()
            .await
            .unwrap();
        Self { folder, output }
    }

    fn stdout(&self) -> String {
        assert_eq!(self.output.status.code(), Some(0), "{}", self.stderr());
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    /// Standard error of a run that must fail.
    fn failure(&self) -> String {
        assert_eq!(self.output.status.code(), Some(1), "{}", self.stderr());
        assert!(self.output.stdout.is_empty(), "the program was not started");
        self.stderr()
    }
}

fn premain(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_marblerun-premain"));
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(folder);
    command
}

fn parameters(argv: &[&str], env: &[(&str, &str)], files: &[(&str, &str)]) -> Answer {
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    Answer::Admit(Parameters {
        argv: argv.iter().map(|text| (*text).into()).collect(),
        env: pairs(env),
        files: pairs(files),
    })
}

#[tokio::test]
async fn the_host_cannot_configure_transparent_tls() {
    let coordinator = Coordinator::start([parameters(&["env"], &[], &[])]).await;
    let run = Run::of(&coordinator, &[("MARBLE_TTLS_CONFIG", "{}"), ("INHERITED", "1")], &[]).await;
    let environment = run.stdout();
    assert!(environment.contains("INHERITED=1"), "{environment}");
    assert!(!environment.contains("MARBLE_TTLS_CONFIG"), "{environment}");
}

#[tokio::test]
async fn becomes_the_manifests_program_with_its_environment_and_files() {
    let script = "echo $0 $1; echo $FROM_MANIFEST $BOTH $FROM_HOST; cat conf/key; stat -c %a conf conf/key";
    let coordinator = Coordinator::start([parameters(
        &["sh", "-c", script, "zero", "one"],
        &[("FROM_MANIFEST", "manifest"), ("BOTH", "manifest")],
        &[("conf/key", "k3y\n")],
    )])
    .await;
    let run = Run::of(&coordinator, &[("BOTH", "host"), ("FROM_HOST", "host")], &[]).await;
    assert_eq!(run.stdout(), "zero one\nmanifest manifest host\nk3y\n700\n600\n");
    assert!(run.stderr().contains("SIMULATION"), "{}", run.stderr());
}

#[tokio::test]
async fn the_command_line_names_the_program() {
    let coordinator = Coordinator::start([parameters(&["./other"], &[("A", "a")], &[])]).await;
    let run = Run::of(&coordinator, &[], &["sh", "-c", "echo $A \"$@\"", "sh", "--type", "-x"]).await;
    assert_eq!(run.stdout(), "a --type -x\n");
    assert!(run.stderr().contains("not the manifest's Argv"), "{}", run.stderr());
}

#[tokio::test]
async fn without_any_program_it_is_the_file_marble() {
    let coordinator =
        Coordinator::start([parameters(&[], &[], &[("marble", "#!/bin/sh\necho hello\n")])]).await;
    let run = Run::of(&coordinator, &[], &[]).await;
    let error = run.failure();
    assert!(error.contains("\"./marble\": Permission denied"), "files are not executable: {error}");
}

#[tokio::test]
async fn flags_come_before_variables_and_the_uuid_stays() {
    let coordinator = Coordinator::start([parameters(&["true"], &[], &[])]).await;
    let flags =
        ["--simulation", "--type", "api", "--dns-names", "api.example,10.0.0.1", "--uuid-file", "kept/uuid"];
    let run =
        Run::of(&coordinator, &[("EDG_MARBLE_UUID_FILE", "other"), ("OE_SIMULATION", "0")], &flags).await;
    run.stdout();
    let kept = run.folder.path().join("kept/uuid");
    let again = ["--uuid-file", kept.to_str().unwrap()];
    Run::of(&coordinator, &[], &again).await.stdout();

    let [first, second] = coordinator.seen().try_into().ok().unwrap();
    assert_eq!(first.request.marble_type, "api");
    assert_eq!(second.request.marble_type, "web");
    assert_eq!(first.request.uuid, fs::read_to_string(&kept).unwrap());
    assert_eq!(first.request.uuid, second.request.uuid);
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(alternative_names(&first.request.csr).len(), 2);
    assert_ne!(first.certificate, second.certificate, "every start has a fresh key");
}

#[tokio::test]
async fn the_request_is_signed_with_the_key_of_the_handshake() {
    let coordinator = Coordinator::start([parameters(&["true"], &[], &[])]).await;
    Run::of(&coordinator, &[], &[]).await.stdout();
    let seen = &coordinator.seen()[0];
    let certificate = x509_cert::Certificate::from_der(&seen.certificate).unwrap();
    let csr = CertReq::from_der(&seen.request.csr).unwrap();
    let key = csr.info.public_key.to_der().unwrap();
    assert_eq!(&csr.info.public_key, certificate.tbs_certificate().subject_public_key_info());
    let key = ParsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, key).unwrap();
    key.verify_sig(&csr.info.to_der().unwrap(), csr.signature.raw_bytes()).unwrap();
    assert!(seen.request.quote.is_empty(), "simulation has no evidence");
}

#[tokio::test]
async fn tags_for_transparent_tls_are_never_ignored() {
    let ttls = ("MARBLE_TTLS_CONFIG", "{\"tls\":{}}");
    let declared = ("EDG_MARBLE_TTLS_BY_PROGRAM", "1");
    let check = async |env: &[(&str, &str)], host: &[(&str, &str)], flags: &[&str], starts: bool| {
        let coordinator = Coordinator::start([parameters(&["echo", "started"], env, &[("f", "")])]).await;
        let run = Run::of(&coordinator, host, flags).await;
        if starts {
            assert_eq!(run.stdout(), "started\n");
        } else {
            assert!(run.failure().contains("speak plain text"), "{}", run.stderr());
            assert!(!run.folder.path().join("f").exists());
        }
    };
    check(&[ttls], &[], &[], false).await;
    check(&[ttls], &[declared], &[], false).await;
    check(&[ttls, declared], &[], &[], true).await;
    check(&[ttls], &[], &["--ttls-by-program"], true).await;
}

#[tokio::test]
async fn secrets_stay_out_of_what_it_prints() {
    let good = [("SECRET", CANARY), ("MARBLE_TTLS_CONFIG", CANARY)];
    let with_nul = format!("{CANARY}\0");
    let answers = [
        parameters(&["./absent", CANARY], &[("SECRET", CANARY)], &[("file", CANARY)]),
        parameters(&[], &[("SECRET", &with_nul)], &[]),
        parameters(&[], &good, &[]),
        parameters(&[], &[("SECRET", CANARY)], &[("folder/", CANARY)]),
    ];
    let coordinator = Coordinator::start(answers).await;
    for format in ["human", "json", "human", "json"] {
        let debug = [("EDG_LOG_FORMAT", format), ("RUST_LOG", "trace"), ("RUST_BACKTRACE", "1")];
        let error = Run::of(&coordinator, &debug, &[]).await.failure();
        assert!(!error.contains(CANARY), "{error}");
    }
    assert_eq!(coordinator.seen().len(), 4);
}

#[tokio::test]
async fn logs_are_json_when_asked() {
    let coordinator = Coordinator::start([parameters(&["true"], &[], &[])]).await;
    let run = Run::of(&coordinator, &[("EDG_LOG_FORMAT", "json")], &[]).await;
    run.stdout();
    for line in run.stderr().lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
    assert!(run.stderr().contains("\"marble_type\":\"web\""), "{}", run.stderr());
}

#[tokio::test]
async fn what_is_wrong_is_said_with_exit_code_1() {
    let coordinator =
        Coordinator::start([Answer::Refuse(Code::PermissionDenied, "unknown marble type")]).await;
    let check = async |variables: &[(&str, &str)], arguments: &[&str], wanted: &str| {
        let error = Run::of(&coordinator, variables, arguments).await.failure();
        assert!(error.contains(wanted), "{error}");
    };
    check(&[], &[], "refused marble type \"web\" (PermissionDenied): unknown marble type").await;
    check(&[("EDG_MARBLE_TYPE", "")], &[], "EDG_MARBLE_TYPE is not set").await;
    check(&[("OE_SIMULATION", "0")], &[], "set OE_SIMULATION=1 to run without protection").await;
    check(&[("EDG_EMULATOR", "tee.sock")], &[], "exclude each other").await;
    let nobody = [("OE_SIMULATION", "0"), ("EDG_EMULATOR", "tee.sock")];
    check(&nobody, &[], "no TEE answers at tee.sock").await;
    check(&[("EDG_LOG_FORMAT", "xml")], &[], "neither human nor json").await;
    check(&[("EDG_MARBLE_UUID_FILE", "/dev/null")], &[], "holds 0 bytes that are no UUID").await;
    check(&[], &["--coordinator-addr", "here"], "write host:port").await;
    check(&[], &["--no-such-flag"], "unexpected argument").await;
}
