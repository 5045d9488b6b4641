//! The program `marblerun-premain` in a library operating system: strace(1) answers uname(2) as Gramine or Occlum do, and
//! `/dev` is a folder of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Output;

use aws_lc_rs::digest::{SHA256, digest};
use marblerun_api::grpc::Parameters;
use tempfile::TempDir;
use tokio::process::Command;

use crate::coordinator::{Answer, Coordinator};

const GRAMINE: [&str; 6] = ["Linux", "localhost", "3.10.0", "1", "x86_64", ""];
const OCCLUM: [&str; 6] = ["Occlum", "occlum-node", "0.1", "0.1", "x86-64", ""];

/// Runs `$PREMAIN` as `./server`, with a command line that says to run something else without a TEE.
const SCRIPT: &str = r#"
    mount -t tmpfs none /dev && cp -r dev/. /dev || exit 99
    exec strace -f -qq -o strace.log -e trace=uname -e "inject=uname:poke_exit=@arg1=$UNAME" \
        bash -c 'exec -a ./server "$PREMAIN" --simulation --ttls-by-program sh -c "echo wrong"'"#;

/// What the image's program tells of itself.
const SERVER: &str = "#!/bin/sh\necho \"$0|$*|$FROM_MANIFEST|$(cat conf/key)|$(cat /dev/attestation/keys/default)\"\n\
    cp /dev/attestation/user_report_data seen\n";

/// One image: a folder with a program and its devices.
struct Image(TempDir);

impl Image {
    fn new() -> Self {
        let image = Self(tempfile::tempdir().unwrap());
        fs::create_dir(image.path("dev")).unwrap();
        fs::write(image.path("server"), SERVER).unwrap();
        fs::set_permissions(image.path("server"), fs::Permissions::from_mode(0o755)).unwrap();
        image
    }

    /// Gramine's device as it is outside of SGX: keys, and nothing that attests.
    fn with_gramines_keys(self) -> Self {
        fs::create_dir_all(self.path("dev/attestation/keys")).unwrap();
        fs::write(self.path("dev/attestation/keys/default"), "").unwrap();
        self
    }

    fn with_gramine(self) -> Self {
        let image = self.with_gramines_keys();
        fs::write(image.path("dev/attestation/user_report_data"), [0; 64]).unwrap();
        fs::write(image.path("dev/attestation/attestation_type"), "dcap").unwrap();
        fs::write(image.path("dev/attestation/quote"), "a quote").unwrap();
        image
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn start(&self, uname: [&str; 6], coordinator: &Coordinator, simulation: &str) -> Output {
        let fields = uname.map(|field| format!("{:0<130}", hex(field.as_bytes())));
        Command::new("unshare")
            .args(["--map-root-user", "--mount", "bash", "-c", SCRIPT])
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("UNAME", fields.concat())
            .env("PREMAIN", env!("CARGO_BIN_EXE_marblerun-premain"))
            .env("EDG_MARBLE_COORDINATOR_ADDR", coordinator.address.to_string())
            .env("EDG_MARBLE_TYPE", "web")
            .env("EDG_MARBLE_ACTIVATION_TIMEOUT", "0")
            .env("OE_SIMULATION", simulation)
            .current_dir(self.0.path())
            .output()
            .await
            .unwrap()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says why if this machine cannot play a library operating system.
async fn can_play() -> bool {
    let probe = "mount -t tmpfs none /dev && strace -V";
    let mut unshare = Command::new("unshare");
    let played = unshare.args(["--map-root-user", "--mount", "sh", "-c", probe]).output().await;
    let can = cfg!(target_arch = "x86_64") && played.is_ok_and(|output| output.status.success());
    if !can {
        println!("SKIPPED: playing a library OS needs x86-64, user namespaces (unshare) and strace");
    }
    can
}

fn admit(argv: &[&str], env: &[(&str, &str)], files: &[(&str, &str)]) -> Answer {
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let argv = argv.iter().map(|text| (*text).into()).collect();
    Answer::Admit(Parameters { argv, env: pairs(env), files: pairs(files) })
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn under_gramine_it_proves_itself_and_becomes_whom_it_was_started_as() {
    if !can_play().await {
        return;
    }
    let files = [("conf/key", "k3y"), ("/dev/attestation/keys/default", "provisioned")];
    let env = [("FROM_MANIFEST", "manifest")];
    let coordinator = Coordinator::start([admit(&["/bin/false", "-v"], &env, &files)]).await;
    let image = Image::new().with_gramine();
    let output = image.start(GRAMINE, &coordinator, "0").await;
    assert_eq!(text(&output.stdout), "./server|-v|manifest|k3y|provisioned\n", "{}", text(&output.stderr));

    let seen = &coordinator.seen()[0];
    assert_eq!(seen.request.quote, b"\x01\0\0\0\x02\0\0\0\x07\0\0\0\0\0\0\0a quote");
    let report_data = fs::read(image.path("seen")).unwrap();
    assert_eq!(report_data[..32], *digest(&SHA256, &seen.certificate).as_ref());
    assert_eq!(report_data[32..], [0; 32]);
}

#[tokio::test]
async fn under_gramine_the_host_asks_in_vain_for_less() {
    if !can_play().await {
        return;
    }
    let tags = [("MARBLE_TTLS_CONFIG", "{}")];
    let coordinator = Coordinator::start([admit(&["server"], &tags, &[("conf/key", "k3y")])]).await;
    let failure = async |image: Image, simulation, wanted: &str| {
        let output = image.start(GRAMINE, &coordinator, simulation).await;
        assert!(text(&output.stderr).contains(wanted), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty() && !image.path("conf").exists());
    };
    failure(Image::new().with_gramine(), "1", "inside one neither simulation nor the emulator").await;
    failure(Image::new().with_gramines_keys(), "0", "no trusted execution environment").await;
    // Neither does the command line count, which says that the program wraps its connections.
    failure(Image::new().with_gramine(), "0", "speak plain text").await;
    failure(Image::new().with_gramines_keys(), "1", "speak plain text").await;
    assert_eq!(coordinator.seen().len(), 2);
}

#[tokio::test]
async fn under_occlum_there_is_no_way_around_its_device() {
    if !can_play().await {
        return;
    }
    let coordinator = Coordinator::start([admit(&["/bin/sh"], &[], &[])]).await;
    for simulation in ["0", "1"] {
        let output = Image::new().start(OCCLUM, &coordinator, simulation).await;
        assert!(text(&output.stderr).contains("no TEE answers at /dev/sgx"), "{}", text(&output.stderr));
    }
    assert!(coordinator.seen().is_empty());
}
