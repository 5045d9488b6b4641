//! SIGSTRUCT: what a signer says about an enclave (Intel SDM volume 3D, "SIGSTRUCT"), and whether he did say it.
//!
//! It states which measurement was signed. Whether a program has that measurement is for its loader to find out: nothing
//! here measures, and a SIGSTRUCT is never evidence.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

use crate::bytes::{Hex, Reader};
use crate::error::Malformed;

const NAME: &str = "the SIGSTRUCT";
const HEADER2: [u8; 16] = [1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1, 0, 0, 0];
/// The two parts that the signature covers.
const SIGNED: [std::ops::Range<usize>; 2] = [0..128, 900..1028];
/// The one that EINIT takes.
const PROCESSOR_EXPONENT: u32 = 3;
const DEBUG: u8 = 0x02;

/// A signer's statement about an enclave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sigstruct {
    /// The measurement that the enclave must have (UniqueID).
    pub mrenclave: Hex<32>,
    /// Identity of the signer (SignerID): SHA-256 of the key's modulus, little-endian.
    pub mrsigner: Hex<32>,
    /// ProductID.
    pub isvprodid: u16,
    /// SecurityVersion.
    pub isvsvn: u16,
    /// Flags (8 bytes, little-endian) and XFRM that the enclave must have, where the mask says so.
    pub attributes: Hex<16>,
    /// Which bits of the attributes count.
    pub attribute_mask: Hex<16>,
    key: Key,
    /// [`SIGNED`].
    signed: Vec<u8>,
}

/// Numbers of RSA-3072, little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    modulus: Hex<384>,
    exponent: u32,
    signature: Hex<384>,
}

/// Whether an enclave may run in debug mode, in which the host reads its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebugMode {
    /// A processor starts it outside debug mode only.
    Forbidden,
    /// Whoever starts it chooses.
    Allowed,
    /// A processor starts it in debug mode only.
    Required,
}

/// Whose a [`Sigstruct`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnclaveSignature {
    /// The signer's, in the form that processors take.
    Genuine,
    /// The signer's, with an exponent that no processor takes: signed for a software TEE.
    Software,
    /// Nobody's: anyone can have written what it states.
    Invalid,
}

impl Sigstruct {
    /// Its size.
    pub const BYTES: usize = 1808;

    /// HEADER: how every one begins.
    pub const HEADER: [u8; 16] = [6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];

    /// From exactly [`Self::BYTES`] bytes. The signature is another question: see [`Self::signature`].
    ///
    /// # Errors
    /// If it is cut off or followed by something, or a field has a value that EINIT refuses whatever the rest says.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, NAME);
        let mut read = read(&mut reader)?;
        reader.end()?;
        read.signed = SIGNED.iter().flat_map(|part| &bytes[part.clone()]).copied().collect();
        Ok(read)
    }

    /// All of them in a part of a program, in their order. Loaders keep them at other places from version to version
    /// and some keep several; their beginning (32 fixed bytes) is what shows them.
    ///
    /// # Errors
    /// As [`Self::parse`], for something that begins as one.
    pub fn find(bytes: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut found = Vec::new();
        let mut rest = bytes;
        while let Some(at) = beginning(rest) {
            let end = rest.len().min(at + Self::BYTES);
            found.push(Self::parse(&rest[at..end])?);
            rest = &rest[end..];
        }
        Ok(found)
    }

    /// What it says about debug mode: attributes count where their mask is set.
    pub fn debug(&self) -> DebugMode {
        match (self.attribute_mask.0[0] & DEBUG, self.attributes.0[0] & DEBUG) {
            (0, _) => DebugMode::Allowed,
            (_, 0) => DebugMode::Forbidden,
            _ => DebugMode::Required,
        }
    }

    /// Whether the key that it names made its signature (RSA PKCS#1 v1.5, SHA-256). Q1 and Q2 only help processors to
    /// compute and are not looked at.
    pub fn signature(&self) -> EnclaveSignature {
        let key = RsaPublicKeyComponents {
            n: big_endian(&self.key.modulus.0),
            e: big_endian(&self.key.exponent.to_le_bytes()),
        };
        let signature: Vec<u8> = self.key.signature.0.iter().rev().copied().collect();
        match key.verify(&RSA_PKCS1_2048_8192_SHA256, &self.signed, &signature) {
            Err(_) => EnclaveSignature::Invalid,
            Ok(()) if self.key.exponent == PROCESSOR_EXPONENT => EnclaveSignature::Genuine,
            Ok(()) => EnclaveSignature::Software,
        }
    }
}

fn read(reader: &mut Reader<'_>) -> Result<Sigstruct, Malformed> {
    fixed(reader, "HEADER", Sigstruct::HEADER)?;
    reader.take(8)?; // VENDOR, DATE
    fixed(reader, "HEADER2", HEADER2)?;
    reader.take(4)?; // SWDEFINED
    fixed(reader, "reserved (44)", [0; 84])?;
    let (modulus, exponent, signature) = (reader.hex()?, reader.u32()?, reader.hex()?);
    reader.take(28)?; // MISCSELECT, MISCMASK, CET_ATTRIBUTES and their mask, reserved, ISVFAMILYID
    let (attributes, attribute_mask, mrenclave) = (reader.hex()?, reader.hex()?, reader.hex()?);
    fixed(reader, "reserved (992)", [0; 16])?;
    reader.take(16)?; // ISVEXTPRODID
    let (isvprodid, isvsvn) = (reader.u16()?, reader.u16()?);
    fixed(reader, "reserved (1028)", [0; 12])?;
    reader.take(768)?; // Q1, Q2
    let key = Key { modulus, exponent, signature };
    let (mrsigner, signed) = (mrsigner(&key), Vec::new());
    Ok(Sigstruct { mrenclave, mrsigner, isvprodid, isvsvn, attributes, attribute_mask, key, signed })
}

fn fixed<const N: usize>(
    reader: &mut Reader<'_>,
    field: &'static str,
    value: [u8; N],
) -> Result<(), Malformed> {
    match reader.hex::<N>()? {
        Hex(seen) if seen == value => Ok(()),
        seen => Err(Malformed::field(NAME, field, seen, "the value that the Intel SDM fixes")),
    }
}

fn mrsigner(key: &Key) -> Hex<32> {
    let mut signer = [0; 32];
    signer.copy_from_slice(digest(&SHA256, &key.modulus.0).as_ref());
    Hex(signer)
}

/// Where something begins that can only be meant as a SIGSTRUCT.
fn beginning(bytes: &[u8]) -> Option<usize> {
    bytes.windows(40).position(|window| window.starts_with(&Sigstruct::HEADER) && window.ends_with(&HEADER2))
}

/// SIGSTRUCT is little-endian, RSA libraries are not; they want no zeros in front.
fn big_endian(number: &[u8]) -> Vec<u8> {
    number.iter().rev().copied().skip_while(|byte| *byte == 0).collect()
}
