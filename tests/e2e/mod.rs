//! The real binary against real hosts: Debian with systemd, sshd and Docker's own engine, started by `tests/lab`.
//!
//! What they prove is the wiring; the logic has its tests beside the code. `tests/run` starts the lab's engine and
//! builds its images; without them these tests fail.

mod clients;
mod cluster;
mod cluster_of_hosts;
mod computer;
mod demo;
mod digitalocean;
mod docker_driver;
mod droplets;
mod elsewhere;
mod failures;
mod hostkeys;
mod install;
mod interrupted;
mod joins;
mod lab;
mod machine;
mod own_engine;
mod owner;
mod renewal;
mod scp;
mod several;
mod stacks;
mod stores;
mod swarm;
mod virtualbox;
