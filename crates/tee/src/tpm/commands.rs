//! The commands of TPM 2.0 that sealing needs (TPM 2.0 Library, part 3), and nothing else. Whatever a TPM answers is
//! checked before it is used; objects and sessions are taken out of the TPM when they are done with.

use std::fmt;

use zeroize::Zeroizing;

use super::device::{HEADER_BYTES, TpmDevice};
use super::object::{Object, public_area};
use super::pcrs::Pcrs;
use super::wire::{Reader, sized};
use crate::TeeError;

const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;
/// The password session, with the empty password.
const PASSWORD: u32 = 0x4000_0009;
const OWNER: u32 = 0x4000_0001;
const NULL: u32 = 0x4000_0007;
const ALG_NULL: [u8; 2] = [0, 0x10];
const SHA256: [u8; 2] = [0, 0x0b];

/// `TPMT_PUBLIC` of the primary key: the TCG's template of an ECC P-256 storage key (EK Credential Profile and TPM v2.0
/// Provisioning Guidance, section 7.5.1), which gives the same key each time until the owner clears the TPM.
const STORAGE_KEY: [u8; 26] = [
    0, 0x23, 0, 0x0b, 0, 0x03, 0x04, 0x72, 0, 0, 0, 0x06, 0, 0x80, 0, 0x43, 0, 0x10, 0, 0x03, 0, 0x10, 0, 0,
    0, 0,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Command {
    CreatePrimary = 0x131,
    CertifyCreation = 0x14a,
    Create = 0x153,
    Load = 0x157,
    Unseal = 0x15e,
    FlushContext = 0x165,
    StartAuthSession = 0x176,
    PolicyPcr = 0x17f,
    PolicyGetDigest = 0x189,
}

impl Command {
    fn gives_handle(self) -> bool {
        matches!(self, Self::CreatePrimary | Self::Load | Self::StartAuthSession)
    }
}

/// What an authorisation session does with its policy.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    Policy = 1,
    Trial = 3,
}

/// A conversation with a TPM.
pub(super) struct Session<'d, D>(&'d D);

/// An object or session in the TPM, flushed when dropped.
pub(super) struct Handle<'d, D: TpmDevice> {
    device: &'d D,
    number: u32,
}

impl<D: TpmDevice> Drop for Handle<'_, D> {
    fn drop(&mut self) {
        // Without Linux' resource manager it would stay until the next start of the TPM.
        let _ = run(self.device, Command::FlushContext, &[], None, &self.number.to_be_bytes());
    }
}

impl<'d, D: TpmDevice> Session<'d, D> {
    pub(super) fn new(device: &'d D) -> Self {
        Self(device)
    }

    /// The storage key of the owner's hierarchy.
    pub(super) fn primary(&self) -> Result<Handle<'d, D>, TeeError> {
        let sensitive = [0, 4, 0, 0, 0, 0];
        let no_outside_info_no_pcrs = [0, 0, 0, 0, 0, 0];
        let parameters = [&sensitive[..], &sized(&STORAGE_KEY)?, &no_outside_info_no_pcrs].concat();
        self.handle(&run(self.0, Command::CreatePrimary, &[OWNER], Some(PASSWORD), &parameters)?)
    }

    /// A sealed object that holds `key`, as [`Object`] reads it.
    pub(super) fn create(
        &self,
        parent: &Handle<'_, D>,
        key: &[u8; 32],
        policy: &[u8],
        pcrs: Pcrs,
    ) -> Result<Vec<u8>, TeeError> {
        let sensitive = Zeroizing::new([&[0, 0][..], &*Zeroizing::new(sized(key)?)].concat());
        let sensitive = Zeroizing::new(sized(&sensitive)?);
        let public = sized(&public_area(policy)?)?;
        let parameters = Zeroizing::new([&sensitive[..], &public, &[0, 0], &pcrs.selection()].concat());
        let answer = run(self.0, Command::Create, &[parent.number], Some(PASSWORD), &parameters)?;
        let mut reader = Reader::new(&answer.parameters);
        let (private, public, creation) = (reader.sized()?, reader.sized()?, reader.sized()?);
        let _hash = reader.sized()?;
        Ok([&sized(private)?, &sized(public)?, &sized(creation)?, reader.rest()].concat())
    }

    /// Loads an object below its parent, which tells whether this TPM made it.
    pub(super) fn load(
        &self,
        parent: &Handle<'_, D>,
        object: &Object<'_>,
    ) -> Result<Handle<'d, D>, TeeError> {
        let parameters = [sized(object.private)?, sized(object.public)?].concat();
        let answer = run(self.0, Command::Load, &[parent.number], Some(PASSWORD), &parameters);
        self.handle(
            &answer.map_err(|error| error.into_foreign("another TPM sealed it, or this one was cleared"))?,
        )
    }

    /// Has the TPM confirm its ticket: it made the loaded object as its creation data say. Nothing is signed.
    pub(super) fn certify_creation(
        &self,
        loaded: &Handle<'_, D>,
        object: &Object<'_>,
    ) -> Result<(), TeeError> {
        let hash = sized(&object.creation_hash())?;
        let parameters = [&[0, 0][..], &hash, &ALG_NULL, object.ticket].concat();
        let answer =
            run(self.0, Command::CertifyCreation, &[NULL, loaded.number], Some(PASSWORD), &parameters);
        answer.map_err(|error| error.into_foreign("its object was not made as it claims"))?;
        Ok(())
    }

    /// The secret of an object, if the registers have the values that its policy wants.
    pub(super) fn unseal(&self, loaded: &Handle<'_, D>, pcrs: Pcrs) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        let policy = self.policy_session(Kind::Policy, pcrs)?;
        let answer = run(self.0, Command::Unseal, &[loaded.number], Some(policy.number), &[]);
        let why =
            "the machine was started with other firmware, kernel or configuration than when it was sealed";
        let answer = answer.map_err(|error| error.into_foreign(why))?;
        Ok(Zeroizing::new(Reader::new(&answer.parameters).sized()?.to_vec()))
    }

    /// The policy that the registers satisfy now.
    pub(super) fn policy_now(&self, pcrs: Pcrs) -> Result<Vec<u8>, TeeError> {
        let trial = self.policy_session(Kind::Trial, pcrs)?;
        let answer = run(self.0, Command::PolicyGetDigest, &[trial.number], None, &[])?;
        Ok(Reader::new(&answer.parameters).sized()?.to_vec())
    }

    fn policy_session(&self, kind: Kind, pcrs: Pcrs) -> Result<Handle<'d, D>, TeeError> {
        let nonce = sized(&[0; 32])?;
        let parameters = [&nonce[..], &[0, 0], &[kind as u8], &ALG_NULL, &SHA256].concat();
        let session =
            self.handle(&run(self.0, Command::StartAuthSession, &[NULL, NULL], None, &parameters)?)?;
        let parameters = [&[0, 0][..], &pcrs.selection()].concat();
        run(self.0, Command::PolicyPcr, &[session.number], None, &parameters)?;
        Ok(session)
    }

    fn handle(&self, answer: &Answer) -> Result<Handle<'d, D>, TeeError> {
        let number = answer.handle.ok_or_else(|| TeeError::Refused("the TPM gave no handle".into()))?;
        Ok(Handle { device: self.0, number })
    }
}

struct Answer {
    handle: Option<u32>,
    parameters: Zeroizing<Vec<u8>>,
}

/// Sends one command and takes its answer apart (TPM 2.0 Library, part 1, section 18).
fn run<D: TpmDevice>(
    device: &D,
    command: Command,
    handles: &[u32],
    authorisation: Option<u32>,
    parameters: &[u8],
) -> Result<Answer, CommandError> {
    let request = request(command, handles, authorisation, parameters)?;
    let unreachable =
        |why: std::io::Error| TeeError::Unreachable { place: device.place(), why: why.to_string() };
    let answer = device.transact(&request).map_err(unreachable)?;
    let mut reader = Reader::new(&answer);
    let (_tag, size, code) = (reader.u16()?, reader.u32()?, reader.u32()?);
    if code != 0 {
        return Err(CommandError::Code { command, code });
    }
    if size as usize != answer.len() {
        return Err(TeeError::Refused(format!("the TPM's answer to {command:?} has not its length")).into());
    }
    let handle = if command.gives_handle() { Some(reader.u32()?) } else { None };
    let parameters = match authorisation {
        None => reader.rest(),
        Some(_) => {
            let count = reader.u32()?;
            reader.bytes(count as usize)?
        }
    };
    Ok(Answer { handle, parameters: Zeroizing::new(parameters.to_vec()) })
}

fn request(
    command: Command,
    handles: &[u32],
    authorisation: Option<u32>,
    parameters: &[u8],
) -> Result<Zeroizing<Vec<u8>>, TeeError> {
    let handles: Vec<u8> = handles.iter().flat_map(|handle| handle.to_be_bytes()).collect();
    let sessions = authorisation.map_or_else(Vec::new, session_area);
    let size = HEADER_BYTES + handles.len() + sessions.len() + parameters.len();
    let size = u32::try_from(size).map_err(|_| TeeError::Refused("a command too long for a TPM".into()))?;
    let tag = if authorisation.is_some() { SESSIONS } else { NO_SESSIONS };
    let header = [&tag.to_be_bytes()[..], &size.to_be_bytes(), &(command as u32).to_be_bytes()].concat();
    Ok(Zeroizing::new([&header, &handles, &sessions, parameters].concat()))
}

/// One session without nonce, attributes and MAC, and its length before it.
fn session_area(session: u32) -> Vec<u8> {
    [&9_u32.to_be_bytes()[..], &session.to_be_bytes(), &[0; 5]].concat()
}

/// Why a command gave nothing.
enum CommandError {
    /// The TPM's response code.
    Code { command: Command, code: u32 },
    /// Anything else.
    Other(TeeError),
}

impl CommandError {
    /// For commands whose failure tells that the object is not for this machine as it is now: codes of a parameter, a
    /// handle or a session (format one), not those of a TPM in trouble.
    fn into_foreign(self, why: &str) -> TeeError {
        const FORMAT_ONE: u32 = 0x80;
        match self {
            Self::Code { code, .. } if code & FORMAT_ONE != 0 => {
                TeeError::NotOurs(format!("{why} (TPM code {code:#05x})"))
            }
            other => other.into(),
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code { command, code } => write!(f, "the TPM answers {command:?} with code {code:#05x}"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl From<TeeError> for CommandError {
    fn from(error: TeeError) -> Self {
        Self::Other(error)
    }
}

impl From<CommandError> for TeeError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Other(error) => error,
            code => Self::Refused(code.to_string()),
        }
    }
}
