//! A store in a folder: `sealed_data` and `sealed_key`.

/// Keeps everything in a folder.
#[derive(Debug)]
pub struct FileStore;
