//! Every command through the real binary, each test in a store and a home of its own, without any host but what the test
//! listens on itself.

mod active;
mod engine;
mod env;
mod harness;
mod help;
mod local;
mod ls;
mod others;
mod rm;
mod usage;
