//! Sealing with a TPM 2.0: swtpm plays one. Each start of it is a start of the machine.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use marblerun_tee::{OpenTpm, Pcrs, SealTo, Simulation, Tee, TeeError, TpmDevice, WithTpm};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// What the registers measure: firmware (0), boot loader (4), kernel (9), and others.
type Boot<'a> = &'a [(u8, &'a str)];

const USUAL: Boot<'_> = &[(0, "firmware"), (4, "boot loader"), (9, "kernel")];

/// A trust domain: evidence, but no sealing key.
#[derive(Debug)]
struct TrustDomain;

impl Tee for TrustDomain {
    fn origin(&self) -> &'static str {
        "tdx"
    }

    fn seal(&self, _: &[u8], _: SealTo) -> Result<Vec<u8>, TeeError> {
        Err(TeeError::NoSealingKey)
    }

    fn unseal(&self, _: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        Err(TeeError::NoSealingKey)
    }

    fn evidence(&self, _: &[u8; 64]) -> Result<Option<Vec<u8>>, TeeError> {
        Ok(Some(b"evidence".to_vec()))
    }
}

/// The machine that a TPM is part of.
struct Chip(TempDir);

impl Chip {
    /// `None`, and why, if swtpm is missing.
    fn new() -> Option<Self> {
        if Command::new("swtpm").arg("--version").output().is_err() {
            println!("SKIPPED: swtpm is not installed (Debian: swtpm)");
            return None;
        }
        Some(Self(tempfile::tempdir().unwrap()))
    }

    /// Starts the TPM, which ends with the connection, and measures the boot.
    fn start(&self, boot: Boot<'_>) -> OpenTpm {
        let (state, socket) = (self.0.path(), self.0.path().join("socket"));
        let _ = std::fs::remove_file(&socket);
        let started = Command::new("swtpm")
            .args(["socket", "--tpm2", "--daemon", "--terminate", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", state.display())])
            .args(["--server", &format!("type=unixio,path={}", socket.display())])
            .output()
            .unwrap();
        assert!(started.status.success(), "{started:?}");
        let tpm = OpenTpm::at(&socket).unwrap();
        boot.iter().for_each(|(register, what)| extend(&tpm, *register, what));
        tpm
    }
}

/// TPM2_PCR_Extend.
fn extend(tpm: &impl TpmDevice, register: u8, what: &str) {
    let mut hash = [0; 32];
    hash.iter_mut().zip(what.bytes()).for_each(|(to, from)| *to = from);
    let session = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0];
    let command = [
        &[0x80, 2, 0, 0, 0, 65, 0, 0, 1, 0x82, 0, 0, 0, register][..],
        &session,
        &[0, 0, 0, 1, 0, 0x0b],
        &hash,
    ];
    let answer = tpm.transact(&command.concat()).unwrap();
    assert_eq!(answer[6..10], [0; 4], "{answer:?}");
}

fn sealing<D: TpmDevice>(tpm: D) -> WithTpm<D> {
    WithTpm::new(Box::new(TrustDomain), tpm, Pcrs::BOOT).unwrap()
}

#[test]
fn what_was_sealed_opens_after_a_restart_of_the_same_machine() {
    let Some(chip) = Chip::new() else { return };
    let first = sealing(chip.start(USUAL));
    assert_eq!(first.origin(), "tdx");
    assert_eq!(first.evidence(&[0; 64]).unwrap().unwrap(), b"evidence");
    let long = [7; 1000];
    let [sealed, another] = [b"key".as_slice(), &long].map(|key| first.seal(key, SealTo::Product).unwrap());
    assert_eq!(first.unseal(&sealed).unwrap().as_slice(), b"key");
    drop(first);
    let second = sealing(chip.start(USUAL));
    // More often than a TPM has room for objects and sessions.
    for _ in 0..20 {
        assert_eq!(second.unseal(&sealed).unwrap().as_slice(), b"key");
    }
    assert_eq!(second.unseal(&another).unwrap().as_slice(), long);
}

#[test]
fn another_boot_another_chip_and_other_registers_do_not_open_it() {
    let (Some(chip), Some(other)) = (Chip::new(), Chip::new()) else { return };
    let sealed = sealing(chip.start(USUAL)).seal(b"key", SealTo::Unique).unwrap();
    let refused = |tee: WithTpm, wanted: &str| match tee.unseal(&sealed) {
        Err(TeeError::NotOurs(why)) => assert!(why.contains(wanted), "{why}"),
        other => panic!("{wanted}: {other:?}"),
    };
    let evil: Boot<'_> = &[(0, "firmware"), (4, "boot loader"), (9, "evil kernel")];
    refused(sealing(chip.start(evil)), "started with other firmware");
    refused(sealing(chip.start(&USUAL[..2])), "started with other firmware");
    refused(sealing(other.start(USUAL)), "another TPM");
    let more = Pcrs::BOOT.and(10).unwrap();
    refused(WithTpm::new(Box::new(TrustDomain), chip.start(USUAL), more).unwrap(), "other registers");
    let running = sealing(chip.start(&[USUAL, &[(10, "what runs"), (15, "and then")]].concat()));
    assert!(running.unseal(&sealed).is_ok(), "registers that do not measure the boot");
}

/// Whoever ran another system on this machine has its TPM make an object for the registers of ours, with a key that he
/// knows. Our system must not take it for its own, whatever he writes about how it was made.
#[test]
fn an_object_made_while_another_system_ran_is_not_ours() {
    let Some(chip) = Chip::new() else { return };
    let usual = sealing(chip.start(USUAL)).seal(b"key", SealTo::Unique).unwrap();
    let forge = |registers: &[u8]| {
        let tpm = chip.start(&[(0, "evil")]);
        let forging = Forging { tpm, policy: policy_in(&usual).to_vec(), registers: registers.to_vec() };
        sealing(forging).seal(b"known", SealTo::Unique)
    };
    let refused = |result: Result<_, TeeError>, wanted: &str| match result {
        Err(TeeError::NotOurs(why)) => assert!(why.contains(wanted), "{why}"),
        _ => panic!("{wanted}"),
    };
    refused(forge(&[]).map(drop), "while another system ran");
    let forged = forge(registers_in(&usual)).unwrap();
    refused(sealing(chip.start(USUAL)).unseal(&forged).map(drop), "not made as it claims");
}

/// A TPM that makes objects for any policy, and says of them that the registers were whatever one likes.
#[derive(Debug)]
struct Forging {
    tpm: OpenTpm,
    policy: Vec<u8>,
    registers: Vec<u8>,
}

impl TpmDevice for Forging {
    fn transact(&self, command: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut answer = self.tpm.transact(command)?;
        match &command[6..10] {
            [0, 0, 1, 0x89] => answer[12..44].copy_from_slice(&self.policy),
            [0, 0, 1, 0x53] if !self.registers.is_empty() => {
                let at = registers_at(&answer);
                answer[at..at + 32].copy_from_slice(&self.registers);
            }
            _ => {}
        }
        Ok(answer)
    }

    fn place(&self) -> String {
        self.tpm.place()
    }
}

/// In the object's public area, behind mark, purpose, length and private area.
fn policy_in(sealed: &[u8]) -> &[u8] {
    let private = usize::from(u16::from_be_bytes([sealed[7], sealed[8]]));
    &sealed[9 + private + 2 + 10..][..32]
}

fn registers_in(sealed: &[u8]) -> &[u8] {
    &sealed[registers_at(sealed)..][..32]
}

/// The digest of the registers stands in the creation data, behind their selection and its own length.
fn registers_at(bytes: &[u8]) -> usize {
    let before = [0, 0, 0, 1, 0, 0x0b, 3, 0xff, 0x7b, 0, 0, 32];
    bytes.windows(before.len()).position(|window| window == before).unwrap() + before.len()
}

#[test]
fn nothing_opens_when_a_byte_changed() {
    let Some(chip) = Chip::new() else { return };
    let tee = sealing(chip.start(USUAL));
    let sealed = tee.seal(b"key", SealTo::Product).unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(tee.unseal(&changed).is_err(), "{at}");
        assert!(tee.unseal(&sealed[..at]).is_err(), "{at}");
    }
}

#[test]
fn a_tpm_that_answers_anything_makes_no_panic() {
    let Some(chip) = Chip::new() else { return };
    let real = sealing(chip.start(USUAL)).seal(b"key", SealTo::Product).unwrap();
    let recorder = Recorder { tpm: chip.start(USUAL), answers: Mutex::default() };
    let recording = Box::leak(Box::new(recorder));
    sealing(&*recording).unseal(&real).unwrap();
    let answers = recording.answers.lock().unwrap().clone();
    assert_eq!(replayed(&answers, &real).unwrap().as_slice(), b"key");
    for (index, answer) in answers.iter().enumerate() {
        for at in 0..answer.len() {
            for change in [1, 0x80, 0xff] {
                let mut changed = answers.clone();
                changed[index][at] ^= change;
                let _ = replayed(&changed, &real).map(|key| assert_eq!(key.as_slice(), b"key"));
            }
            let mut cut = answers.clone();
            cut[index].truncate(at);
            let _ = replayed(&cut, &real).map(|key| assert_eq!(key.as_slice(), b"key"));
        }
    }
}

fn replayed(answers: &[Vec<u8>], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
    sealing(Replay(Mutex::new(answers.iter().cloned().collect()))).unseal(sealed)
}

/// Remembers what a TPM answered.
#[derive(Debug)]
struct Recorder {
    tpm: OpenTpm,
    answers: Mutex<Vec<Vec<u8>>>,
}

impl TpmDevice for &'static Recorder {
    fn transact(&self, command: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        let answer = self.tpm.transact(command)?;
        self.answers.lock().unwrap().push(answer.to_vec());
        Ok(answer)
    }

    fn place(&self) -> String {
        self.tpm.place()
    }
}

/// Gives answers whatever it is asked.
#[derive(Debug)]
struct Replay(Mutex<VecDeque<Vec<u8>>>);

impl TpmDevice for Replay {
    fn transact(&self, _: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        let next = self.0.lock().unwrap().pop_front();
        next.map(Zeroizing::new).ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    fn place(&self) -> String {
        "a recording".into()
    }
}

#[test]
fn a_tee_with_a_sealing_key_takes_no_weaker_one() {
    let nobody = || Replay(Mutex::default());
    let refused = WithTpm::new(Box::new(Simulation), nobody(), Pcrs::BOOT).unwrap_err();
    assert_eq!(refused, TeeError::OwnSealingKey { origin: "simulation" });
    for not_a_tpms in [&b""[..], b"MRT", b"MRT1", b"MRG1 and so on", b"MRT1\x01\xff\xff"] {
        assert!(matches!(sealing(nobody()).unseal(not_a_tpms), Err(TeeError::NotOurs(_))), "{not_a_tpms:?}");
    }
    assert!(matches!(sealing(nobody()).seal(b"key", SealTo::Product), Err(TeeError::Unreachable { .. })));
}

#[test]
fn what_is_no_tpm_is_an_error_and_ends() {
    let missing = OpenTpm::at(Path::new("/dev/no-such-tpm")).unwrap_err();
    assert!(matches!(missing, TeeError::Unreachable { .. }), "{missing}");
    for device in ["/dev/null", "/dev/zero"] {
        let tpm = OpenTpm::at(Path::new(device)).unwrap();
        assert!(tpm.transact(b"a command").is_err(), "{device}");
    }
}
