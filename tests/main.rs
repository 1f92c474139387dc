//! The one integration binary.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test may do what a user does"
)]

mod e2e;
