//! The real binary against real hosts: Debian with systemd, sshd and Docker's own engine, started by `tests/lab`.
//!
//! What they prove is the wiring; the logic has its tests beside the code. `tests/run` starts the lab's engine and
//! builds its images; without them these tests fail.

mod cluster;
mod cluster_of_hosts;
mod computer;
mod create_interrupted;
mod create_many_and_prune;
mod digitalocean;
mod docker_driver;
mod docker_driver_engines;
mod docker_machine_clients;
mod docker_machine_stores;
mod docker_user;
mod docs;
mod droplets;
mod engine_install;
mod host_keys;
mod import_and_adopt;
mod install_demo;
mod lab;
mod machine;
mod provision_failures;
mod renew_and_upgrade;
mod scp;
mod stacks;
mod swarm;
mod swarm_join_failures;
mod virtualbox;
