//! Shamir secret sharing over GF(2^8) with polynomial 0x11b, in the layout of HashiCorp Vault: y bytes, then x.
