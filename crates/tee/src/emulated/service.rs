//! The emulator as a service without sockets: paths in and answers out for those who want collateral, lines in and lines
//! out for programs. Who asks is what the kernel says, never what the program says.

use std::path::PathBuf;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::platform::Platform;
use super::wire::{self, Ask, Request};
use super::{Answer, EmulatorError, Folder, KeyId, Program, Settings, Vendor, answer};
use crate::SealTo;

/// The emulator of one folder. The settings are read again for each answer.
#[derive(Debug)]
pub struct Emulator {
    folder: Folder,
    vendor: Vendor,
}

impl Emulator {
    /// The emulator of a folder, which is made if it is not there yet.
    ///
    /// # Errors
    /// If what is there cannot be used; it is never replaced.
    pub fn open(folder: Folder, now: SystemTime) -> Result<Self, EmulatorError> {
        let vendor = folder.vendor_or_new(now)?;
        folder.settings()?;
        Ok(Self { folder, vendor })
    }

    /// The settings as they are now.
    ///
    /// # Errors
    /// If they mean nothing.
    pub fn settings(&self) -> Result<Settings, EmulatorError> {
        self.folder.settings()
    }

    /// Where programs on a platform find it.
    #[must_use]
    pub fn socket(&self, platform: &str) -> PathBuf {
        self.folder.socket(platform)
    }

    /// The answer to a GET for collateral. What goes wrong here is an answer of status 500.
    #[must_use]
    pub fn get(&self, path: &str, now: SystemTime) -> Answer {
        let answer = self.settings().and_then(|settings| answer(&self.vendor, &settings, path, now));
        answer.unwrap_or_else(|why| Answer::failed(&why.to_string()))
    }

    /// The answer to one line of process `pid` on a platform. What goes wrong here is an answer as well.
    #[must_use]
    pub fn answer_process(&self, platform: &str, pid: u32, line: &[u8]) -> Zeroizing<Vec<u8>> {
        let answer = || {
            let settings = self.settings()?;
            Ok::<_, EmulatorError>(answer_process(&self.vendor.platform(platform, &settings)?, pid, line))
        };
        answer().unwrap_or_else(|why| encode(&wire::Answer::Refused(why.to_string())))
    }
}

/// The answer to one line of process `pid`: a line without its end. A failure is an answer as well.
#[must_use]
pub fn answer_process(platform: &Platform<'_>, pid: u32, line: &[u8]) -> Zeroizing<Vec<u8>> {
    let answer = decide(platform, pid, line);
    encode(&answer.unwrap_or_else(|why| wire::Answer::Refused(why.to_string())))
}

fn encode(answer: &wire::Answer) -> Zeroizing<Vec<u8>> {
    let unwritable = |_| Zeroizing::new(br#"{"refused":"the answer does not encode"}"#.to_vec());
    serde_json::to_vec(answer).map(Zeroizing::new).unwrap_or_else(unwritable)
}

fn decide(platform: &Platform<'_>, pid: u32, line: &[u8]) -> Result<wire::Answer, EmulatorError> {
    let request: Request = serde_json::from_slice(line)?;
    // The only question that may be asked by whoever is not signed.
    if matches!(request.ask, Ask::Kind) {
        return Ok(wire::Answer::Kind(platform.kind()));
    }
    let program = Program::of_process(pid, &request.starts)?;
    match request.ask {
        Ask::Kind => Ok(wire::Answer::Kind(platform.kind())),
        Ask::Evidence { report_data } => {
            Ok(wire::Answer::Evidence(platform.evidence(&program, &report_data)?))
        }
        Ask::NewKey { to } => key(platform, &program, to, platform.new_key_id(&program)?),
        Ask::Key { to, id } => key(platform, &program, to, id),
    }
}

fn key(
    platform: &Platform<'_>,
    program: &Program,
    to: SealTo,
    id: KeyId,
) -> Result<wire::Answer, EmulatorError> {
    let key = Zeroizing::new(platform.sealing_key(program, to, &id)?.to_vec());
    Ok(wire::Answer::Key { id, key })
}
