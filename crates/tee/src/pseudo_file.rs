//! Files in which a kernel or a library operating system answers, read within bounds: behind the path may be anything
//! that the host put there.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use crate::TeeError;

/// No answer of a TEE is longer, in bytes.
const LONGEST: u64 = 256 * 1024;

/// The whole of it.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TeeError> {
    within(path, LONGEST).map_err(|why| TeeError::unreachable(path, why))
}

/// The whole of it, if it has no more than `most` bytes.
pub(crate) fn within(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut content)?;
    match content.len() as u64 <= most {
        true => Ok(content),
        false => Err(io::Error::new(ErrorKind::FileTooLarge, format!("more than {most} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused() {
        let error = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.contains("/dev/zero") && error.contains("more than 262144 bytes"), "{error}");
        assert_eq!(read(Path::new("/dev/null")), Ok(Vec::new()));
    }
}
