//! A TPM's quote (TCG TPM 2.0 Library, part 2: `TPMS_ATTEST`), read and not checked. Numbers are big endian.

use serde::Serialize;

use crate::bytes::{Hex, Reader};
use crate::error::Malformed;

const QUOTE: &str = "the TPM quote";
/// `TPM_GENERATED_VALUE`: made inside a TPM, so no key of a TPM signs other data that looks like it.
const MADE_BY_TPM: u32 = 0xff54_4347;
/// `TPM_ST_ATTEST_QUOTE`.
const IS_QUOTE: u16 = 0x8018;
/// `TPM_ALG_SHA256`.
const SHA256: u16 = 0x000b;

/// What a TPM quoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TpmQuote {
    /// The caller's nonce: the binding. In hexadecimal.
    pub tpm_nonce: String,
    /// Which PCRs of the SHA-256 bank the digest is over, in order.
    pub pcrs_selected: Vec<u8>,
    /// The digest over the values of the selected PCRs.
    pub tpm_pcr_digest: Hex<32>,
}

impl TpmQuote {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, QUOTE);
        let (magic, kind) = (u32::from_be_bytes(reader.array()?), be16(&mut reader)?);
        if (magic, kind) != (MADE_BY_TPM, IS_QUOTE) {
            return Err(Malformed::field(QUOTE, "type", format!("{magic:#x} {kind:#x}"), "a TPM's quote"));
        }
        counted(&mut reader)?;
        let tpm_nonce = hex::encode(counted(&mut reader)?);
        reader.take(17 + 8)?;
        let pcrs_selected = selection(&mut reader)?;
        let digest = counted(&mut reader)?;
        let wrong = |_| Malformed::field(QUOTE, "digest's length", digest.len(), "32 (SHA-256)");
        let tpm_pcr_digest = Hex(digest.try_into().map_err(wrong)?);
        reader.end()?;
        Ok(Self { tpm_nonce, pcrs_selected, tpm_pcr_digest })
    }
}

/// One bank, SHA-256, of three bytes of flags.
fn selection(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let (banks, hash, size) = (u32::from_be_bytes(reader.array()?), be16(reader)?, reader.u8()?);
    if (banks, hash, size) != (1, SHA256, 3) {
        let seen = format!("{banks} banks, the first of hash {hash:#x} with {size} bytes");
        return Err(Malformed::field(QUOTE, "PCR selection", seen, "1 bank of SHA-256 (0xb) with 3 bytes"));
    }
    let flags: [u8; 3] = reader.array()?;
    Ok((0..24).filter(|pcr: &u8| flags[usize::from(pcr / 8)] & 1 << (pcr % 8) != 0).collect())
}

fn be16(reader: &mut Reader<'_>) -> Result<u16, Malformed> {
    reader.array().map(u16::from_be_bytes)
}

fn counted<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let length = be16(reader)?;
    reader.take(length.into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A TPM's restricted key signs other structures as well, and quotes over other banks.
    #[test]
    fn only_a_quote_over_the_bank_of_sha256_is_one() {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors/azure/snp-genoa");
        let quote = std::fs::read(case.join("tpm_quote.msg")).unwrap();
        assert!(TpmQuote::parse(&quote).is_ok());
        let digest_and_selection = 2 + 32 + 3 + 1 + 2 + 4;
        let selection = quote.len() - digest_and_selection;
        assert_eq!(quote[selection..selection + 7], [0, 0, 0, 1, 0, 0x0b, 3]);
        for at in [0, 3, 4, 5, selection + 3, selection + 4, selection + 5, selection + 6] {
            let mut other = quote.clone();
            other[at] ^= 1;
            assert!(TpmQuote::parse(&other).is_err(), "byte {at}");
        }
        assert!(TpmQuote::parse(&quote[..quote.len() - 1]).is_err());
        assert!(TpmQuote::parse(&[&quote[..], &[0]].concat()).is_err());
    }
}
