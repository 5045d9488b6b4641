//! Shamir secret sharing over GF(2^8) with polynomial 0x11b, in the layout of HashiCorp Vault: y bytes, then x.
//!
//! Each byte of the secret is the constant term of a random polynomial of degree threshold - 1; a share holds the
//! values at its x. Too few shares, or shares of different secrets, combine to something else without notice: whoever
//! combines must check the result.

use zeroize::Zeroizing;

use super::gf256::{inverse, mul};
use crate::keys::{KeyError, KeySource};

/// A share: as many bytes as the secret, and one more.
pub type Share = Zeroizing<Vec<u8>>;

/// Why shares cannot be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShamirError {
    /// One share tells nothing.
    #[error("at least two shares are needed")]
    TooFew,
    /// All shares have the length of the secret and one byte, at least two.
    #[error("the shares differ in length or are too short")]
    Lengths,
    /// The value at 0 is the secret itself.
    #[error("a share has x = 0")]
    ZeroX,
    /// The same share twice, or two shares that exclude each other.
    #[error("two shares have the same x")]
    SameX,
}

/// Splits `secret` into `count` shares of which any `threshold` give it back. Their x are 1 to `count`.
///
/// # Errors
/// If not 2 <= `threshold` <= `count` <= 255, or there is no randomness.
pub fn split(
    secret: &[u8],
    count: usize,
    threshold: usize,
    keys: &dyn KeySource,
) -> Result<Vec<Share>, KeyError> {
    let possible = (2..=count).contains(&threshold);
    let (true, Ok(last)) = (possible, u8::try_from(count)) else {
        let why = "Shamir shares need 2 <= threshold <= number of shares <= 255";
        return Err(KeyError(format!("{why}, not threshold {threshold} of {count}")));
    };
    // Coefficients of x^1, x^2 ..., each as long as the secret.
    let mut coefficients = Zeroizing::new(vec![0; secret.len() * (threshold - 1)]);
    keys.fill(&mut coefficients)?;
    Ok((1..=last).map(|x| share(secret, &coefficients, x)).collect())
}

fn share(secret: &[u8], coefficients: &[u8], x: u8) -> Share {
    let mut share = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
    for (at, byte) in secret.iter().enumerate() {
        let higher = coefficients.iter().skip(at).step_by(secret.len());
        // Horner's scheme, from the highest coefficient down.
        let without_constant = higher.rev().fold(0, |y, coefficient| mul(y ^ coefficient, x));
        share.push(without_constant ^ byte);
    }
    share.push(x);
    share
}

/// The secret that these shares belong to, if they are enough and belong together: Lagrange interpolation at 0.
///
/// # Errors
/// If the shares cannot belong together.
pub fn combine(shares: &[Share]) -> Result<Zeroizing<Vec<u8>>, ShamirError> {
    check(shares)?;
    let length = shares[0].len() - 1;
    let mut secret = Zeroizing::new(vec![0; length]);
    for share in shares {
        let weight = weight(share[length], shares.iter().map(|other| other[length]));
        for (byte, y) in secret.iter_mut().zip(share.iter()) {
            *byte ^= mul(*y, weight);
        }
    }
    Ok(secret)
}

/// The Lagrange basis polynomial of `x` at 0: the product of other / (other - x). (Subtraction is XOR.) The x are no
/// secret, so the comparison may branch.
fn weight(x: u8, all: impl Iterator<Item = u8>) -> u8 {
    all.filter(|other| *other != x).fold(1, |product, other| mul(product, mul(other, inverse(other ^ x))))
}

fn check(shares: &[Share]) -> Result<(), ShamirError> {
    let [first, _, ..] = shares else { return Err(ShamirError::TooFew) };
    if first.len() < 2 || shares.iter().any(|share| share.len() != first.len()) {
        return Err(ShamirError::Lengths);
    }
    let mut seen = [false; 256];
    for share in shares {
        let x = share[share.len() - 1];
        if x == 0 {
            return Err(ShamirError::ZeroX);
        }
        if std::mem::replace(&mut seen[usize::from(x)], true) {
            return Err(ShamirError::SameX);
        }
    }
    Ok(())
}
