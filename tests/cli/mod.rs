//! Every command through the real binary, each test in a store and a home of its own, without any host but what the test
//! listens on itself.

mod accounts;
mod active;
mod archive;
mod bad_input;
mod certs;
mod cluster;
mod compatibility;
mod digitalocean;
mod engine;
mod env;
mod harness;
mod help;
mod hosts;
mod killed;
mod local;
mod ls;
mod others;
mod progress;
mod rm;
mod scp;
mod stacks;
mod swarm;
mod together;
mod unreadable;
mod usage;
mod words;
