//! Which TEE this program runs in: what is there, never what would be convenient.

use std::path::{Path, PathBuf};

use crate::emulated::Emulated;
use crate::gramine::Gramine;
use crate::tsm::Tsm;
use crate::{Simulation, Tee, TeeError};

/// What the operator asked for at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// The TEE of this machine.
    Hardware,
    /// No TEE at all, in words.
    Simulation,
    /// The software TEE.
    Emulator {
        /// The socket of one of its platforms.
        socket: PathBuf,
        /// Files that this process will start in its place.
        starts: Vec<PathBuf>,
    },
}

/// The TEE that was asked for, with the devices of this machine below `root`, usually `/`.
///
/// A device that is there and does not work is an error, and so is the wish for less than what is there: inside a TEE the
/// environment comes from its attacker.
///
/// # Errors
/// If there is no TEE, it does not work, or less was asked for.
pub fn detect_in(root: &Path, wish: &Wish) -> Result<Box<dyn Tee>, TeeError> {
    match (hardware(root)?, wish) {
        (Some(tee), Wish::Hardware) => Ok(tee),
        (None, Wish::Hardware) => Err(TeeError::None),
        (Some(tee), _) => Err(TeeError::Less { origin: tee.origin() }),
        (None, Wish::Simulation) => Ok(Box::new(Simulation)),
        (None, Wish::Emulator { socket, starts }) => Ok(Box::new(Emulated::connect(socket, starts.clone())?)),
    }
}

/// Gramine first: an enclave may see the files of the virtual machine around it, and is the smaller of the two.
fn hardware(root: &Path) -> Result<Option<Box<dyn Tee>>, TeeError> {
    if let Some(gramine) = Gramine::at(&root.join("dev/attestation"))? {
        return Ok(Some(Box::new(gramine)));
    }
    let tsm = Tsm::at(&root.join("sys/kernel/config/tsm/report"))?;
    Ok(tsm.map(|tsm| Box::new(tsm) as Box<dyn Tee>))
}
