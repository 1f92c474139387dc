//! One binary for every test that runs the program as a whole: `cli` without hosts, `drivers` for the contract that all
//! drivers keep, `e2e` on real hosts.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    unreachable_pub,
    reason = "a test may do what a user does"
)]

mod architecture;
mod cli;
mod drivers;
mod e2e;
mod transcript;
