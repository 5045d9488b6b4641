//! What a module answers, in short. The library's own sentences are those of the standard, and long.

use cryptoki::error::{Error, RvError};

/// Why the token refuses, or which of its functions answered what (PKCS#11 2.40 section 5.1, without `CKR_`).
pub(super) fn explain(error: &Error) -> String {
    match error {
        Error::Pkcs11(RvError::PinIncorrect, _) => {
            "the PIN is wrong; after a few wrong ones the token locks itself".into()
        }
        Error::Pkcs11(RvError::PinLocked, _) => {
            "the PIN is locked; the token's own tool sets a new one".into()
        }
        Error::Pkcs11(code, function) => format!("C_{function:?} answered {code:?}"),
        Error::LibraryLoading(reason) => reason.to_string(),
        other => other.to_string(),
    }
}
