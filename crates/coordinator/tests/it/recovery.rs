//! Recovery: whoever holds the keys brings everything back, and nobody else changes anything.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use marblerun_core::journal::{Dek, Header, Journal, Kek};
use marblerun_core::keys::FreshKeys;
use marblerun_core::pki::Pki;
use marblerun_core::recovery::{self, Hints};
use marblerun_core::{Abilities, Command, State, apply, decide, encode_snapshot, prepare};
use marblerun_testkit::client::tls;
use marblerun_testkit::program::Options;
use tempfile::TempDir;

use crate::holders::{ONE, Secret, THREE, TWO, body, encrypt, manifest, refused, remaining, set};
use crate::running::{Memory, Running, data, options, tls_stream};

const WRONG: usize = 20_000;
/// What memory may grow by over three quarters of the wrong ones, in KiB.
const MOST_GROWTH: u64 = 4 << 10;

/// Judged by the Coordinator's own CPU time, which neighbours do not stretch.
#[test]
fn after_twenty_thousand_wrong_secrets_the_right_ones_recover_at_once() {
    let mut running = Running::start();
    let holders = [ONE, TWO, THREE];
    let secrets = set(&running, &manifest(&holders, 2), &holders);
    running.lose_key();
    assert_eq!(remaining(&running.recover(&secrets[0].body())), 1);
    let pid = running.process.pid().unwrap();
    // The ephemeral key is made meanwhile; its cost is not that of a wrong secret.
    assert_eq!(running.get("/api/v2/recover/public-key").status, 200);
    let mut costs = Vec::new();
    let mut memory = Vec::new();
    for quarter in 0..4 {
        let before = cpu(pid);
        wrong_ones(&running, &secrets[1], quarter * WRONG / 4, WRONG / 4);
        costs.push(cpu(pid) - before);
        memory.push(Memory::of(pid).now);
        assert_eq!(running.state(), 1);
    }
    crate::say(&format!("{WRONG} wrong secrets: CPU ticks by quarter {costs:?}, memory {memory:?} KiB"));
    assert!(costs[3] <= costs[0] * 3 / 2 + 5, "the cost grows: {costs:?}");
    assert!(memory[3] <= memory[0] + MOST_GROWTH, "memory grows: {memory:?}");
    assert_eq!(remaining(&running.recover(&secrets[1].body())), 0);
    assert_eq!(running.state(), 3);
    let log = running.process.log();
    for Secret(_, bytes) in &secrets {
        assert!(!log.contains(&STANDARD.encode(bytes)) && !log.contains(&hex::encode(bytes)));
    }
}

/// Spoilt secrets, right ones that somebody else signed, what is too short, and what was given already.
fn wrong_ones(running: &Running, right: &Secret, first: usize, count: usize) {
    let forged = body(&right.1, &ONE.sign(&right.1));
    running.runtime.block_on(async {
        let mut sender = connected(running.process.client_addr).await;
        for n in first..first + count {
            let sent = match n % 4 {
                0 => forged.clone(),
                1 => body(&n.to_le_bytes(), b"x"),
                _ => {
                    let mut spoilt = right.1.clone();
                    spoilt[..8].copy_from_slice(&n.to_le_bytes());
                    body(&spoilt, b"x")
                }
            };
            assert_eq!(post(&mut sender, sent).await, 400, "number {n}");
        }
    });
}

type Sender = http1::SendRequest<Full<bytes::Bytes>>;

/// A connection for many requests.
async fn connected(address: std::net::SocketAddr) -> Sender {
    let stream = tls_stream(address, b"http/1.1").await.unwrap();
    stream.get_ref().0.set_nodelay(true).unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a recovery secret; the status of the answer.
async fn post(sender: &mut Sender, sent: Vec<u8>) -> u16 {
    let request = http::Request::post("/api/v2/recover").header("Host", "localhost");
    let answer = sender.send_request(request.body(Full::from(sent)).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    answer.into_body().collect().await.unwrap();
    status
}

/// Garbage of the length of an encrypted secret costs a private RSA operation each. Judged by order, not by time: the
/// others are served while every flooder is still at it.
#[test]
fn what_has_to_be_decrypted_holds_nobody_up() {
    let mut running = Running::start();
    let secrets = set(&running, &manifest(&[ONE], 0), &[ONE]);
    running.lose_key();
    assert_eq!(running.get("/api/v2/recover/public-key").status, 200);
    let address = running.process.client_addr;
    let flooders: Vec<_> = (0..16)
        .map(|_| {
            running.runtime.spawn(async move {
                let mut sender = connected(address).await;
                while post(&mut sender, body(&[7; 512], b"x")).await == 400 {}
            })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(running.state(), 1);
        assert_eq!(running.get("/api/v2/quote").status, 200);
    }
    assert!(flooders.iter().all(|flooder| !flooder.is_finished()));
    assert_eq!(remaining(&running.recover(&secrets[0].body())), 0);
    // Recovery is over, and so is decrypting for strangers.
    running.runtime.block_on(async {
        for flooder in flooders {
            flooder.await.unwrap();
        }
    });
    assert_eq!(running.state(), 3);
}

/// CPU time of a process in clock ticks, user and system.
fn cpu(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn each_refusal_says_which_rule_and_changes_nothing() {
    let mut running = Running::start();
    let holders = [ONE, TWO];
    let secrets = set(&running, &manifest(&holders, 0), &holders);
    refused(&running.recover(&secrets[0].body()), 409, "not in recovery mode");
    refused(&running.get("/api/v2/recover/public-key"), 409, "not in recovery mode");
    running.lose_key();
    let before = files(&running.process.seal_dir);
    let key = data(&running.get("/api/v2/recover/public-key"))["ephemeralPublicKey"].take();
    let key = STANDARD.decode(key.as_str().unwrap()).unwrap();
    let [one, two] = &secrets[..] else { panic!("two secrets") };
    refused(&running.recover(b"{}"), 400, "the body is not {");
    refused(&running.recover(&body(b"", b"")), 400, "0 bytes");
    refused(&running.recover(&body(&[7; 32], b"")), 400, "not a recovery secret of the stored state");
    refused(&running.recover(&body(&[7; 16], b"")), 400, "not a recovery secret of the stored state");
    refused(&running.recover(&body(&one.1, &TWO.sign(&one.1))), 400, "recovery key \\\"safe-one\\\"");
    refused(&running.recover(&body(&[7; 512], b"")), 400, "ephemeral key");
    let signed_as_sent = encrypt(&key, &one.1);
    refused(&running.recover(&body(&signed_as_sent, &ONE.sign(&signed_as_sent))), 400, "over the decrypted");
    assert_eq!(remaining(&running.recover(&body(&encrypt(&key, &one.1), &ONE.sign(&one.1)))), 1);
    refused(&running.recover(&one.body()), 409, "already given");
    assert_eq!(files(&running.process.seal_dir), before);
    running.process.restart().unwrap();
    refused(&running.recover(&body(&encrypt(&key, &one.1), &ONE.sign(&one.1))), 400, "every start");
    assert_eq!(remaining(&running.recover(&two.body())), 1, "what came before the restart is forgotten");
    assert_eq!(remaining(&running.recover(&one.body())), 0);
}

#[test]
fn a_state_without_recovery_keys_says_so() {
    let mut running = Running::serving(&crate::running::plain());
    running.lose_key();
    refused(&running.recover(&body(&[7; 32], b"")), 409, "has no recovery keys");
}

/// Counts, certificates, listeners and shares are those of before; a second loss is recovered as the first.
#[test]
fn a_recovered_deployment_goes_on_as_it_was() {
    let mut running = Running::start();
    let secrets = set(&running, &manifest(&[ONE], 0), &[ONE]);
    running.activate("cellar").unwrap();
    let shown = |running: &Running| {
        let address = running.process.client_addr;
        let chain = running.runtime.block_on(tls::presented(address, None, &[b"http/1.1"])).unwrap();
        (chain, data(&running.get("/api/v2/quote")))
    };
    let before = shown(&running);
    for round in 0..2 {
        running.lose_key();
        assert_ne!(shown(&running), before);
        assert_eq!(remaining(&running.recover(&secrets[0].body())), 0);
        assert_eq!(shown(&running), before);
        running.process.restart().unwrap();
        assert_eq!((running.state(), shown(&running)), (3, before.clone()));
        assert!(running.activate("cellar").is_ok(), "round {round}");
    }
    assert!(running.activate("cellar").is_err(), "three activations are counted over all that");
}

#[test]
fn a_key_that_does_not_open_is_kept_aside() {
    let mut running = Running::start();
    let secrets = set(&running, &manifest(&[ONE], 0), &[ONE]);
    running.process.kill().unwrap();
    let key = running.process.seal_dir.join("sealed_key");
    let damaged = fs::read_to_string(&key).unwrap().replacen("\"mac\"", "\"cam\"", 1);
    fs::write(&key, &damaged).unwrap();
    running.process.start_again().unwrap();
    assert_eq!(remaining(&running.recover(&secrets[0].body())), 0);
    let kept = fs::read_dir(&running.process.seal_dir).unwrap().map(|file| file.unwrap().path());
    let kept: Vec<_> =
        kept.filter(|file| file.to_string_lossy().contains("sealed_key.before-recovery-")).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), damaged);
}

/// A copy of the folder opens by itself; a copy of `sealed_data` alone with the recovery secrets.
#[test]
fn a_backup_is_restored_with_its_key_or_with_the_recovery_secrets() {
    let mut running = Running::start();
    let secrets = set(&running, &manifest(&[ONE], 0), &[ONE]);
    let root = |running: &Running| data(&running.get("/api/v2/quote"))["cert"].take();
    let before = root(&running);
    running.process.stop().unwrap();
    let backup = files(&running.process.seal_dir);
    for with_key in [true, false] {
        let folder = TempDir::new().unwrap();
        for (name, content) in backup.iter().filter(|(name, _)| with_key || name != "sealed_key") {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let restored = Running::with(Options { seal_dir: Some(folder.path().into()), ..options() });
        if !with_key {
            assert_eq!(restored.state(), 1);
            assert_eq!(remaining(&restored.recover(&secrets[0].body())), 0);
        }
        assert_eq!((restored.state(), root(&restored)), (3, before.clone()));
        restored.activate("press").unwrap();
    }
}

/// Without a key only the header shows damage; the rest shows when it is opened, and a backup helps at once.
#[test]
fn damage_shows_when_the_secrets_open_it() {
    let mut running = Running::start();
    let secrets = set(&running, &manifest(&[ONE, TWO], 0), &[ONE, TWO]);
    let data = running.process.seal_dir.join("sealed_data");
    let backup = fs::read(&data).unwrap();
    let mut damaged = backup.clone();
    let middle = damaged.len() - 100;
    damaged[middle] ^= 1;
    fs::write(&data, &damaged).unwrap();
    running.lose_key();
    assert_eq!(remaining(&running.recover(&secrets[0].body())), 1);
    refused(&running.recover(&secrets[1].body()), 409, "Restore sealed_data from a backup");
    assert!(running.process.log().contains("sealed_data: record 1 at byte"));
    assert_eq!((running.state(), fs::read(&data).unwrap()), (1, damaged));
    fs::write(&data, &backup).unwrap();
    assert_eq!(remaining(&running.recover(&secrets[1].body())), 0);
}

/// Whoever knows the data key writes a state of his own around the genuine manifest, with hints for a key of his own.
#[test]
fn a_state_forged_with_the_data_key_is_not_recovered() {
    let genuine = manifest(&[ONE, TWO], 0).to_string();
    let dek = Dek::generate(&FreshKeys).unwrap();
    let secret = Secret(THREE, dek.0.to_vec());
    let share_sha256 = digest(&SHA256, &secret.1).as_ref().to_vec();
    let holder = recovery::Holder { public_key: THREE.public(), share_sha256 };
    let hints = Hints { threshold: 1, holders: [("safe-one".to_owned(), holder)].into() };
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sealed_data"), forged(&genuine, &dek, hints)).unwrap();
    let running = Running::with(Options { seal_dir: Some(folder.path().into()), ..options() });
    let before = files(folder.path());
    refused(&running.recover(&secret.body()), 409, "its manifest has other recovery keys");
    assert_eq!((running.state(), files(folder.path())), (1, before));
}

fn forged(manifest: &str, dek: &Dek, recovery: Hints) -> Vec<u8> {
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
    let pki = Pki::generate(&["localhost".into()], &[], &FreshKeys, now).unwrap();
    let state = State::Accepting(Arc::new(pki));
    let prepared = prepare(manifest.as_bytes(), state.pki(), &FreshKeys, &Abilities::default(), now).unwrap();
    let events = decide(&state, &Command::SetManifest(Arc::new(prepared))).unwrap();
    let state = events.iter().fold(state, |state, event| apply(&state, event).unwrap());
    let snapshot = encode_snapshot(state.deployment().unwrap()).unwrap();
    let header = Header { format: 1, origin: "simulation".into(), dek_id: "his".into(), recovery };
    let kek = Kek::generate(&FreshKeys).unwrap();
    Journal::start(header, dek.clone(), &kek, None, &snapshot, &FreshKeys).unwrap().1
}

/// Names and contents, but the lock.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name != ".lock")
        .collect();
    files.sort();
    files
}
