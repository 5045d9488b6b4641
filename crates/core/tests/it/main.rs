//! Tests of the core at its boundary.

mod certificates;
mod facts;
mod openssl;
