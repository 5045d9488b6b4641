//! What the emulator answers to a program on one of its platforms. Who asks is what the kernel says, never what the
//! program says.

use zeroize::Zeroizing;

use super::platform::Platform;
use super::wire::{Answer, Ask, Request};
use super::{EmulatorError, Program};
use crate::SealTo;

/// The answer to one line of process `pid`: a line without its end. A failure is an answer as well.
#[must_use]
pub fn answer_process(platform: &Platform<'_>, pid: u32, line: &[u8]) -> Zeroizing<Vec<u8>> {
    let answer = decide(platform, pid, line).unwrap_or_else(|why| Answer::Refused(why.to_string()));
    let unwritable = |_| Zeroizing::new(br#"{"refused":"the answer does not encode"}"#.to_vec());
    serde_json::to_vec(&answer).map(Zeroizing::new).unwrap_or_else(unwritable)
}

fn decide(platform: &Platform<'_>, pid: u32, line: &[u8]) -> Result<Answer, EmulatorError> {
    let request: Request = serde_json::from_slice(line)?;
    if let Ask::Kind = request.ask {
        return Ok(Answer::Kind(platform.kind()));
    }
    let program = Program::of_process(pid, &request.starts)?;
    match request.ask {
        Ask::Kind => Ok(Answer::Kind(platform.kind())),
        Ask::Evidence { report_data } => Ok(Answer::Evidence(platform.evidence(&program, &report_data)?)),
        Ask::NewKey { to } => key(platform, &program, to, platform.new_key_id(&program)?),
        Ask::Key { to, id } => key(platform, &program, to, id),
    }
}

fn key(
    platform: &Platform<'_>,
    program: &Program,
    to: SealTo,
    id: super::KeyId,
) -> Result<Answer, EmulatorError> {
    let key = Zeroizing::new(platform.sealing_key(program, to, &id)?.to_vec());
    Ok(Answer::Key { id, key })
}
