//! Attributes of a TD (Intel TDX Module ABI Specification 348551, table 3.23).

/// The 64 flags. Bits 0 to 7 put the TD at the host's mercy, 8 to 31 may matter to its security, the rest does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TdAttributes(pub u64);

/// Bits that a verifier must find zero: 1 to 3, 7 to 15, 23 to 26, 32 to 61.
const RESERVED: u64 = bits(1, 3) | bits(7, 15) | bits(23, 26) | bits(32, 61);

const fn bits(from: u32, to: u32) -> u64 {
    (u64::MAX << from) & (u64::MAX >> (63 - to))
}

impl TdAttributes {
    /// DEBUG: the host can read and change the TD.
    pub fn is_debug(self) -> bool {
        self.0 & bits(0, 0) != 0
    }

    /// Profiling of the TD by the host (bits 4 to 6).
    pub fn is_profiled(self) -> bool {
        self.0 & bits(4, 6) != 0
    }

    /// SERVTD_EXT: the report has the hash of the service TDs' extended state.
    pub fn has_service_td_extension(self) -> bool {
        self.0 & bits(17, 17) != 0
    }

    /// SEPT_VE_DISABLE: the host cannot inject #VE by taking pages away, which Linux does not survive securely.
    pub fn is_sept_ve_disabled(self) -> bool {
        self.0 & bits(28, 28) != 0
    }

    /// MIGRATABLE: a migration TD may move this one to another machine.
    pub fn is_migratable(self) -> bool {
        self.0 & bits(29, 29) != 0
    }

    /// Bits that must be zero and are not.
    pub fn reserved(self) -> u64 {
        self.0 & RESERVED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_has_one_meaning() {
        for bit in 0..64 {
            let attributes = TdAttributes(1 << bit);
            assert_eq!(attributes.is_debug(), bit == 0, "{bit}");
            assert_eq!(attributes.is_profiled(), (4..=6).contains(&bit), "{bit}");
            assert_eq!(attributes.has_service_td_extension(), bit == 17, "{bit}");
            assert_eq!(attributes.is_sept_ve_disabled(), bit == 28, "{bit}");
            assert_eq!(attributes.is_migratable(), bit == 29, "{bit}");
            let defined = matches!(bit, 0 | 4..=6 | 16..=22 | 27..=31 | 62 | 63);
            assert_eq!(attributes.reserved() == 0, defined, "{bit}");
        }
    }
}
