//! Which registers of a TPM count.

use std::fmt;

use crate::TeeError;

/// A set of platform configuration registers (PCRs) of the bank of SHA-256, with all that measure the boot among them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pcrs(u32);

impl Pcrs {
    /// Firmware and its configuration (0 to 7), boot loader, kernel, command line and initial disk (8, 9, 11 to 13), and
    /// the keys of shim (14); by the TCG's PC Client profile and the UAPI group's registry of PCRs.
    pub const BOOT: Self = Self(0b0111_1011_1111_1111);

    /// These and one more, such as 10 (what Linux' IMA measured) or 15 (what systemd did).
    ///
    /// # Errors
    /// If the TPM has no such register, or anybody can set it back to zero (16, 23).
    pub fn and(self, register: u32) -> Result<Self, TeeError> {
        match register {
            0..=15 | 17..=22 => Ok(Self(self.0 | 1 << register)),
            16 | 23 => {
                Err(TeeError::Refused(format!("PCR {register} can be reset by anybody and proves nothing")))
            }
            _ => Err(TeeError::Refused(format!("a TPM has no PCR {register}; write 0 to 22"))),
        }
    }

    /// `TPML_PCR_SELECTION` (TPM 2.0 Library, part 2, section 10.9.7): one bank, a bit for each of 24 registers.
    pub(super) fn selection(self) -> [u8; 10] {
        let [low, middle, high, _] = self.0.to_le_bytes();
        [0, 0, 0, 1, 0, 0x0b, 3, low, middle, high]
    }
}

impl fmt::Debug for Pcrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..24).filter(|register| self.0 >> register & 1 == 1)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_can_be_added_and_never_left_out() {
        assert_eq!(format!("{:?}", Pcrs::BOOT), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14]");
        let more = Pcrs::BOOT.and(10).unwrap().and(22).unwrap().and(0).unwrap();
        assert_eq!(more.selection(), [0, 0, 0, 1, 0, 0x0b, 3, 0xff, 0x7f, 0x40]);
        for wrong in [16, 23, 24, 32, u32::MAX] {
            Pcrs::BOOT.and(wrong).unwrap_err();
        }
    }
}
