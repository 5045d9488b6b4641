//! What the kernel says about the system that this process runs on, as uname(2) gives it.
//!
//! A library operating system answers in the kernel's place. What it says decides how a program is started, never what
//! it proves: evidence does that.

use std::path::PathBuf;

/// The system that a TEE is looked for on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The folder that holds `dev` and `sys`, usually `/`.
    pub root: PathBuf,
    /// What its kernel calls itself.
    pub uname: Uname,
}

impl Machine {
    /// The system that this process runs on.
    pub fn this() -> Self {
        Self { root: PathBuf::from("/"), uname: Uname::of_this_system() }
    }
}

/// The fields of `struct utsname` (POSIX.1-2017, uname) that tell systems apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uname {
    /// Such as `Linux`.
    pub sysname: String,
    /// Such as `6.1.0`.
    pub release: String,
    /// Of the release; what a distribution built, and when.
    pub version: String,
    /// Such as `x86_64`.
    pub machine: String,
}

impl Uname {
    /// Asks the kernel, or the library operating system in its place.
    pub fn of_this_system() -> Self {
        let uname = rustix::system::uname();
        Self {
            sysname: uname.sysname().to_string_lossy().into_owned(),
            release: uname.release().to_string_lossy().into_owned(),
            version: uname.version().to_string_lossy().into_owned(),
            machine: uname.machine().to_string_lossy().into_owned(),
        }
    }

    /// The library operating system that answered; `None` if it is an ordinary kernel.
    pub fn library_os(&self) -> Option<LibraryOs> {
        // Gramine does not give its name, but no kernel that ever ran calls itself exactly this.
        const GRAMINE: [&str; 4] = ["Linux", "3.10.0", "1", "x86_64"];
        match [&*self.sysname, &self.release, &self.version, &self.machine] {
            ["Occlum", ..] => Some(LibraryOs::Occlum),
            GRAMINE => Some(LibraryOs::Gramine),
            _ => None,
        }
    }
}

/// An operating system that lies, as a library, in the enclave of the one program that it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LibraryOs {
    /// Gramine.
    Gramine,
    /// Occlum.
    Occlum,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uname([sysname, release, version, machine]: [&str; 4]) -> Uname {
        Uname {
            sysname: sysname.into(),
            release: release.into(),
            version: version.into(),
            machine: machine.into(),
        }
    }

    #[test]
    fn library_operating_systems_are_told_apart() {
        let check = |fields, wanted| assert_eq!(uname(fields).library_os(), wanted, "{fields:?}");
        check(["Occlum", "0.1", "0.1", "x86-64"], Some(LibraryOs::Occlum));
        check(["Linux", "3.10.0", "1", "x86_64"], Some(LibraryOs::Gramine));
        check(["Linux", "3.10.0", "1", "aarch64"], None);
        check(["Linux", "3.10.0-1160.el7.x86_64", "1", "x86_64"], None);
        check(["Linux", "3.10.0", "#1 SMP", "x86_64"], None);
        check(["Linux", "6.1.0", "1", "x86_64"], None);
        check(["occlum", "3.10.0", "1", "x86_64"], None);
    }

    #[test]
    fn the_kernel_that_runs_this_test_is_no_library() {
        let uname = Uname::of_this_system();
        assert!(!uname.sysname.is_empty() && !uname.release.is_empty(), "{uname:?}");
        assert_eq!(uname.library_os(), None);
    }
}
