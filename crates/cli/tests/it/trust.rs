//! Whom the program believes, and what it tells to those it does not.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::desk::{Desk, coordinator};

const CACHE: &str = "config/marblerun/coordinator-cert.pem";
const IDENTITY: &str = r#"{"UniqueID":"2222222222222222222222222222222222222222222222222222222222222222"}"#;

/// A man in the middle: connection number i goes to `to[i]`, and all later ones to the last.
pub(crate) fn switchboard(to: Vec<SocketAddr>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (number, from) in listener.incoming().enumerate() {
            let to = TcpStream::connect(to[number.min(to.len() - 1)]).unwrap();
            let from = from.unwrap();
            pump(from.try_clone().unwrap(), to.try_clone().unwrap());
            pump(to, from);
        }
    });
    address
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

#[test]
fn whoever_answered_first_must_answer_on() {
    let (first, first_address) = coordinator();
    let (second, second_address) = coordinator();
    let desk = Desk::new();
    let through = |order: &[SocketAddr]| switchboard(order.to_vec());
    let swapped = [first.client_addr, second.client_addr];
    for command in [
        &["manifest", "set", "manifest.json"][..],
        &["manifest", "get"],
        &["manifest", "verify", "manifest.json"],
    ] {
        let middle = through(&swapped);
        desk.refused(&[command, &[middle.as_str(), "-i"]].concat(), "nothing was sent");
    }
    for address in [&first_address, &second_address] {
        assert!(desk.done(&["status", address, "-i"]).starts_with("2:"), "no manifest got through");
    }
    assert!(!desk.path(CACHE).exists());
    desk.done(&["manifest", "set", "manifest.json", &through(&[second.client_addr]), "-i"]);
    desk.refused(&["status", &through(&[first.client_addr])], "did not prove to be the trusted Coordinator");
    desk.refused(&["manifest", "log", &first_address], "did not prove to be the trusted Coordinator");
}

#[test]
fn without_evidence_nothing_is_sent() {
    let (_coordinator, address) = coordinator();
    let desk = Desk::new();
    desk.write("era.json", IDENTITY);
    desk.write("era-config.json", IDENTITY);
    desk.write("empty.json", "{}");
    for command in [&["manifest", "set", "manifest.json"][..], &["manifest", "get"], &["certificate", "root"]]
    {
        let with = |flags: &[&'static str]| [command, &[address.as_str()], flags].concat();
        // A file that lies about in the working folder is not asked.
        desk.refused(&with(&[]), "--era-config");
        desk.refused(&with(&["--era-config", "empty.json"]), "UniqueID");
        desk.refused(&with(&["--era-config", "era.json"]), "not verified");
    }
    assert!(desk.done(&["status", &address, "--insecure"]).starts_with("2:"));
    assert!(!desk.path(CACHE).exists() && !desk.path("marblerunRootCA.crt").exists());
}

#[test]
fn insecure_is_loud_and_never_replaces_what_was_verified() {
    let (_coordinator, address) = coordinator();
    let desk = Desk::new();
    let call = desk.call(&["manifest", "set", "manifest.json", &address, "--insecure"]);
    assert!(call.code == 0 && call.stderr.contains("WARNING: --insecure"), "{call:?}");
    let unverified = desk.read(CACHE);
    assert!(unverified.starts_with("# NOT VERIFIED"), "{unverified}");
    let call = desk.call(&["status", &address]);
    assert!(call.code == 0 && call.stderr.contains("saved without verification"), "{call:?}");

    // A cache that says that it was verified stays, whatever it holds; one that does not say so is replaced.
    let verified = "# The evidence for this certificate was verified.\n-----BEGIN CERTIFICATE-----\n";
    desk.write(CACHE, verified);
    let call = desk.call(&["manifest", "verify", "manifest.json", &address, "-i"]);
    assert!(call.code == 0 && call.stderr.contains("left as it was"), "{call:?}");
    assert_eq!(desk.read(CACHE), verified);
    let pem = unverified.split_once('\n').unwrap().1;
    for replaced in [pem.to_owned(), format!("{pem}{}", verified.lines().next().unwrap()), "garbage".into()] {
        desk.write(CACHE, &replaced);
        desk.done(&["manifest", "verify", "manifest.json", &address, "-i"]);
        assert_eq!(desk.read(CACHE), unverified);
    }
}
