//! The field GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1 (0x11b), without tables and without branches: what
//! is multiplied are shares of the state key, and neither time nor cache may tell about them.

use std::hint::black_box;

/// The product. Eight steps of shift, reduce and add, whatever the values.
pub(super) fn mul(a: u8, b: u8) -> u8 {
    (0..8).rev().fold(0, |product: u8, bit| {
        let reduced = (product << 1) ^ (0x1b & mask(product >> 7));
        reduced ^ (a & mask((b >> bit) & 1))
    })
}

/// The inverse, as a^254 (the multiplicative group has 255 elements); 0 for 0.
pub(super) fn inverse(a: u8) -> u8 {
    // 254 = 0b11111110: square seven times, multiplying all the powers up.
    let mut square = a;
    let mut product = 1;
    for _ in 0..7 {
        square = mul(square, square);
        product = mul(product, square);
    }
    product
}

/// 0 or 1 to no bits or all. The barrier keeps the compiler from making a branch of it.
fn mask(bit: u8) -> u8 {
    0u8.wrapping_sub(black_box(bit))
}

#[cfg(test)]
mod tests {
    use super::{inverse, mul};

    /// Multiplication as in FIPS 197 section 4.2, with branches.
    fn slow(mut a: u8, mut b: u8) -> u8 {
        let mut product = 0;
        while b > 0 {
            if b & 1 == 1 {
                product ^= a;
            }
            let high = a & 0x80 != 0;
            a <<= 1;
            if high {
                a ^= 0x1b;
            }
            b >>= 1;
        }
        product
    }

    #[test]
    fn multiplies_as_the_standard_says() {
        assert_eq!(mul(0x57, 0x83), 0xc1); // FIPS 197 section 4.2
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(mul(a, b), slow(a, b), "{a} * {b}");
            }
        }
    }

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        assert_eq!(inverse(0), 0);
        assert!((1..=255).all(|a| mul(a, inverse(a)) == 1));
    }
}
