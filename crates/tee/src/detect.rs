//! Which TEE this program runs in: what is there, never what would be convenient.

use std::path::{Path, PathBuf};

use crate::emulated::Emulated;
use crate::gramine::Gramine;
use crate::machine::{LibraryOs, Machine, Uname};
use crate::occlum::Occlum;
use crate::sev_guest::SevGuest;
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
/// # Errors
/// As [`detect_on`].
pub fn detect_in(root: &Path, wish: &Wish) -> Result<Box<dyn Tee>, TeeError> {
    detect_on(&Machine { root: root.to_owned(), uname: Uname::of_this_system() }, wish)
}

/// The TEE that was asked for, on a machine.
///
/// A device that is there and does not work is an error, and so is the wish for less than what is there: inside a TEE the
/// environment comes from its attacker.
///
/// # Errors
/// If there is no TEE, it does not work, or less was asked for.
pub fn detect_on(machine: &Machine, wish: &Wish) -> Result<Box<dyn Tee>, TeeError> {
    match (hardware(machine)?, wish) {
        (Some(tee), Wish::Hardware) => Ok(tee),
        (None, Wish::Hardware) => Err(TeeError::None),
        (Some(tee), _) => Err(TeeError::Less { origin: tee.origin() }),
        (None, Wish::Simulation) => Ok(Box::new(Simulation)),
        (None, Wish::Emulator { socket, starts }) => Ok(Box::new(Emulated::connect(socket, starts.clone())?)),
    }
}

/// Enclaves first: one may see the files of the virtual machine around it, and is the smaller of the two. Of the two
/// ways to an SEV-SNP guest the one that also has a sealing key.
fn hardware(machine: &Machine) -> Result<Option<Box<dyn Tee>>, TeeError> {
    let root = &machine.root;
    // Elsewhere `/dev/sgx` is Intel's driver, which says nothing about this process.
    if machine.uname.library_os() == Some(LibraryOs::Occlum) {
        return Ok(Some(Box::new(Occlum::at(&root.join("dev/sgx"))?)));
    }
    if let Some(gramine) = Gramine::at(&root.join("dev/attestation"))? {
        return Ok(Some(Box::new(gramine)));
    }
    if let Some(guest) = SevGuest::at(&root.join("dev/sev-guest"))? {
        return Ok(Some(Box::new(guest)));
    }
    let tsm = Tsm::at(&root.join("sys/kernel/config/tsm/report"))?;
    Ok(tsm.map(|tsm| Box::new(tsm) as Box<dyn Tee>))
}
