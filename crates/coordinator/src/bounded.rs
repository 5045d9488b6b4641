//! Files that operators name, read within bounds: a device or a mistake does not fill the memory. It decides nothing about
//! what is in them.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// The whole of a file of at most `most` bytes.
///
/// # Errors
/// What the system says, or [`ErrorKind::FileTooLarge`] with the bound.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // Devices and pipes have no size, so what is read is counted.
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut content)?;
    if content.len() <= most {
        return Ok(content);
    }
    let why = format!("it has more than the {most} bytes that it may have; name the file that was meant");
    Err(io::Error::new(ErrorKind::FileTooLarge, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused() {
        let error = read(Path::new("/dev/zero"), 10).unwrap_err();
        assert!(error.kind() == ErrorKind::FileTooLarge && error.to_string().contains("10 bytes"), "{error}");
        assert_eq!(read(Path::new("/dev/null"), 10).unwrap(), b"");
    }
}
