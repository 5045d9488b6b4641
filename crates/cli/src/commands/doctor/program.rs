//! What a Coordinator or a marble would run in, started here and now: the same detection that they use, with the same words
//! of the environment. It asks for no key and makes no evidence.

use std::path::Path;

#[cfg(unix)]
use marblerun_tee::{Machine, Tee, TeeError, Uname, Wish, detect_on};

use super::{Finding, State};
use crate::file;
use crate::trust::Context;

/// Longer addresses are none, in bytes.
const LONGEST: usize = 4096;
const WHAT: &str = "a Coordinator or marble started here";

pub(super) fn look(context: &Context, pccs: Option<&str>) -> Vec<Finding> {
    let surroundings = &context.surroundings;
    let machine = Machine { root: surroundings.root.clone(), uname: Uname::of_this_system() };
    let wish = match (&surroundings.emulator, surroundings.simulation) {
        (Some(_), true) => return vec![both()],
        (Some(socket), false) => Wish::Emulator { socket: socket.clone(), starts: Vec::new() },
        (None, true) => Wish::Simulation,
        (None, false) => Wish::Hardware,
    };
    let found = |tee: Box<dyn Tee>| runs_in(tee.origin(), &machine.root);
    let mut findings = vec![detect_on(&machine, &wish).map_or_else(refused, found)];
    findings.extend(surroundings.emulator.as_deref().and_then(|socket| emulators_collateral(socket, pccs)));
    findings
}

fn both() -> Finding {
    let seen = "would end with an error: EDG_EMULATOR and OE_SIMULATION are both set";
    Finding::new(WHAT, State::Trouble, seen).change("unset one of them")
}

fn runs_in(origin: &str, root: &Path) -> Finding {
    let found = |state, seen: &str| Finding::new(WHAT, state, seen);
    match origin {
        "simulation" => {
            found(State::Trouble, "would run in simulation (OE_SIMULATION): NOTHING IS PROTECTED")
                .change("for anything but development: unset OE_SIMULATION and use a machine with a TEE")
        }
        emulated if emulated.starts_with("emulated-") => {
            let seen =
                format!("would run in the software TEE (EDG_EMULATOR, {emulated}), which protects nothing");
            found(State::Ok, &seen)
                .change("sign the program (marblerun emulator sign), and name the root in manifest and era-config (marblerun emulator root)")
        }
        "tdx" => no_key(origin),
        // The kernel's interface for all confidential VMs has no key; that of SNP has.
        "snp" if !root.join("dev/sev-guest").exists() => no_key(origin),
        other => {
            found(State::Ok, &format!("would run in a TEE ({other}) that gives evidence and seals keys"))
        }
    }
}

fn no_key(origin: &str) -> Finding {
    let seen = format!("would run in a TEE ({origin}) that gives evidence and has no sealing key");
    Finding::new(WHAT, State::Trouble, seen)
        .change("a Coordinator needs a TPM to keep a state (EDG_COORDINATOR_SEAL_TPM), or on SNP /dev/sev-guest; marbles need nothing")
}

fn refused(why: TeeError) -> Finding {
    let found = |state| Finding::new(WHAT, state, format!("would end with an error: {why}"));
    match why {
        TeeError::None => found(State::Absent).change(
            "for production: a machine with a TEE, see below for what is missing; for development: marblerun emulator run FOLDER \
             and EDG_EMULATOR=FOLDER/default.sock",
        ),
        _ => found(State::Trouble).change("correct what it says; nothing else is used in its place"),
    }
}

/// Whether the collateral of an emulator's platforms is asked for where the emulator serves it.
fn emulators_collateral(socket: &Path, pccs: Option<&str>) -> Option<Finding> {
    let url = file::within(&socket.with_file_name("collateral.url"), LONGEST, "an address").ok()?;
    let url = String::from_utf8(url).ok()?;
    let (url, what) = (url.trim(), "collateral of the software TEE");
    if pccs.is_some_and(|pccs| pccs.trim_end_matches('/') == url.trim_end_matches('/')) {
        return Some(Finding::new(what, State::Ok, format!("is asked for where it is served, {url}")));
    }
    let seen =
        format!("is served at {url} and asked for at {}", pccs.unwrap_or("no address that can be read"));
    let change = format!("set EDG_PCCS_URL and EDG_KDS_URL to {url}");
    Some(Finding::new(what, State::Trouble, seen).change(change))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_runs_is_told_with_what_it_lacks() {
        let root = tempfile::tempdir().unwrap();
        let state = |origin| runs_in(origin, root.path()).state;
        assert_eq!((state("sgx"), state("tdx"), state("snp")), (State::Ok, State::Trouble, State::Trouble));
        std::fs::create_dir(root.path().join("dev")).unwrap();
        std::fs::write(root.path().join("dev/sev-guest"), "").unwrap();
        assert_eq!(
            (state("snp"), state("simulation"), state("emulated-tdx")),
            (State::Ok, State::Trouble, State::Ok)
        );
        let nothing = refused(TeeError::None);
        assert!(
            nothing.state == State::Absent && nothing.text().contains("emulator run"),
            "{}",
            nothing.text()
        );
        assert_eq!(refused(TeeError::Refused("a test".into())).state, State::Trouble);
    }

    #[test]
    fn collateral_of_an_emulator_is_asked_for_where_it_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("default.sock");
        assert_eq!(emulators_collateral(&socket, None), None);
        std::fs::write(folder.path().join("collateral.url"), "http://127.0.0.1:8081\n").unwrap();
        let state = |pccs| emulators_collateral(&socket, pccs).unwrap().state;
        assert_eq!(state(Some("http://127.0.0.1:8081")), State::Ok);
        assert_eq!((state(Some("https://api.example:443")), state(None)), (State::Trouble, State::Trouble));
    }
}
