//! Which trusted execution environments this machine has, by what its system offers.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{Finding, State};
use crate::file;

/// Longer files say nothing, in bytes.
const LONGEST: usize = 4096;

/// A file that a TEE, or what it needs, shows itself by.
struct Sign {
    path: &'static str,
    what: &'static str,
    /// What its absence means, and what to do if the machine should have it.
    change: &'static str,
}

const SIGNS: [Sign; 9] = [
    Sign {
        path: "dev/attestation/attestation_type",
        what: "SGX evidence through Gramine",
        change: "run the program under gramine-sgx with sgx.remote_attestation = \"dcap\" in its manifest",
    },
    Sign {
        path: "dev/sgx",
        what: "SGX evidence through Occlum",
        change: "run the program in an Occlum image",
    },
    Sign {
        path: "dev/sgx_enclave",
        what: "SGX enclaves on this host",
        change: "enable SGX and flexible launch control in the firmware, and run Linux 5.11 or later",
    },
    Sign {
        path: "dev/sgx_provision",
        what: "SGX quotes on this host",
        change: "as for enclaves; the user also has to be in the group sgx_prv",
    },
    Sign {
        path: "sys/kernel/config/tsm/report",
        what: "evidence of TDX and SNP through the kernel (configfs-tsm)",
        change: "in a confidential VM with Linux 6.7 or later: mount -t configfs none /sys/kernel/config, and load tdx_guest or sev-guest",
    },
    Sign {
        path: "dev/tdx_guest",
        what: "this machine as a TDX trust domain",
        change: "start it as a trust domain, and load tdx_guest",
    },
    Sign {
        path: "dev/sev-guest",
        what: "this machine as an SNP guest",
        change: "start it as an SNP guest, and load sev-guest",
    },
    Sign {
        path: "dev/tpmrm0",
        what: "a TPM 2.0 to seal keys to",
        change: "give the machine a TPM, needed where the TEE has no sealing key (TDX)",
    },
    Sign {
        path: "var/run/aesmd/aesm.socket",
        what: "Intel's quoting service (aesmd)",
        change: "install sgx-aesm-service, if quotes are made out of process",
    },
];

/// Looks below `root`, the root of the file system.
pub(super) fn look(root: &Path) -> Vec<Finding> {
    SIGNS.iter().map(|sign| sign.look(root)).collect()
}

impl Sign {
    fn look(&self, root: &Path) -> Finding {
        let path = format!("/{}", self.path);
        match fs::metadata(root.join(self.path)) {
            Ok(there) if there.is_file() => self.with_content(root, &path),
            Ok(_) => Finding::new(self.what, State::Ok, format!("{path} is there")),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Finding::new(self.what, State::Trouble, format!("{path}: {error}"))
                    .change("give the user access to it, or run as one who has it")
            }
            Err(_) => {
                Finding::new(self.what, State::Absent, format!("there is no {path}")).change(self.change)
            }
        }
    }

    /// Gramine says in its file which kind of attestation was configured.
    fn with_content(&self, root: &Path, path: &str) -> Finding {
        let content = file::within(&root.join(self.path), LONGEST, "this").unwrap_or_default();
        match String::from_utf8_lossy(&content).trim_end_matches(['\0', '\n']) {
            "" | "dcap" => Finding::new(self.what, State::Ok, format!("{path} is there")),
            other => {
                let seen = format!("{path} says `{}`", other.escape_debug());
                Finding::new(self.what, State::Trouble, seen).change(self.change)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_told_by_its_files() {
        let root = tempfile::tempdir().unwrap();
        let states = || look(root.path()).into_iter().map(|finding| finding.state).collect::<Vec<_>>();
        assert!(states().iter().all(|state| *state == State::Absent));
        let gramine = root.path().join(SIGNS[0].path);
        fs::create_dir_all(gramine.parent().unwrap()).unwrap();
        fs::write(&gramine, "dcap\0").unwrap();
        fs::create_dir_all(root.path().join("sys/kernel/config/tsm/report")).unwrap();
        assert_eq!((states()[0], states()[4], states()[5]), (State::Ok, State::Ok, State::Absent));
        fs::write(&gramine, "none").unwrap();
        let finding = &look(root.path())[0];
        assert!(finding.state == State::Trouble && finding.text().contains("dcap"), "{}", finding.text());
    }
}
