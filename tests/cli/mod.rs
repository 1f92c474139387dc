//! Every command through the real binary, each test in a store and a home of its own, without any host but what the test
//! listens on itself.

mod active;
mod bad_input;
mod certs;
mod cluster;
mod command_line;
mod compatibility;
mod completion;
mod concurrency;
mod config;
mod create;
mod create_interrupted;
mod credentials;
mod digitalocean;
mod docker_machine_stores;
mod docs;
mod driver_none;
mod env;
mod export_import;
mod fake_engine;
mod harness;
mod help;
mod inspect;
mod ip_url_status;
mod ls;
mod man;
mod progress;
mod rm;
mod scp;
mod snapshot;
mod stack;
mod swarm;
mod swarm_rm;
mod unreachable_hosts;
mod unreadable_stores;
