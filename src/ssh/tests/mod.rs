//! Against the real sshd, and against russh's own server where a host must misbehave.
#![allow(clippy::disallowed_methods, reason = "the tests start sshd, ssh-agent and ssh-keygen")]

mod auth;
mod handshake;
mod lab;
mod odd;
mod real;
mod tty;
