//! Where build tools put the signed enclave in a folder.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::EnclaveError;

/// The enclave of an Occlum instance, once `occlum build` has signed it.
const OCCLUM: &str = "build/lib/libocclum-libos.signed.so";
/// What `occlum new` and `occlum init` leave there from the beginning.
const OCCLUM_CONFIG: &str = "Occlum.json";
/// What `gramine-sgx-sign` writes beside the signature; `gramine-manifest` writes it without `.sgx`.
const GRAMINE_MANIFESTS: [&str; 2] = [".manifest.sgx", ".manifest"];

/// The file that holds the signature: `path` itself, or the one in that folder, with the name of the tool.
///
/// # Errors
/// If there is none, or more than one; it says where it was looked for.
pub(crate) fn locate(path: &Path) -> Result<(PathBuf, Option<&'static str>), EnclaveError> {
    let kind = fs::metadata(path)?;
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => Ok((path.to_owned(), None)),
        (_, true) => in_folder(path),
        _ => Err(EnclaveError::NoFile),
    }
}

fn in_folder(folder: &Path) -> Result<(PathBuf, Option<&'static str>), EnclaveError> {
    let names = names(folder)?;
    let signatures = names.iter().filter(|name| name.ends_with(".sig"));
    let occlum = folder.join(OCCLUM).is_file().then_some(OCCLUM);
    let found: Vec<&str> = occlum.into_iter().chain(signatures.map(String::as_str)).collect();
    match found.as_slice() {
        [] => Err(EnclaveError::Folder(nothing(&names))),
        [OCCLUM] => Ok((folder.join(OCCLUM), Some("Occlum"))),
        [name] => Ok((folder.join(name), Some("Gramine"))),
        several => Err(EnclaveError::Choice(several.iter().map(ToString::to_string).collect())),
    }
}

/// Why a folder has no signed enclave, and what would make one.
fn nothing(names: &[String]) -> String {
    let gramine = names.iter().find(|name| GRAMINE_MANIFESTS.iter().any(|end| name.ends_with(end)));
    match gramine {
        _ if names.iter().any(|name| name == OCCLUM_CONFIG) => format!(
            "an Occlum instance that is not built: {OCCLUM} is not there; `occlum build` makes and signs it"
        ),
        Some(manifest) => format!(
            "a Gramine application that is not signed: there is {manifest} and no .sig file; `gramine-sgx-sign` makes it"
        ),
        None => format!(
            "a folder with neither {OCCLUM} (Occlum) nor a .sig file (Gramine); name a signed enclave, a .sig file or the folder of an instance"
        ),
    }
}

/// Names of the files in a folder, sorted; one that is no text cannot be any that is looked for.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}
