//! The driver `virtualbox` against a real VirtualBox 7.2, in a root of its own that `tests/virtualbox/root` makes from Debian's
//! archive. Machines boot in VirtualBox's interpreter, so without a kernel module; adapters are bridges.

mod boot;
mod boot2docker;
mod cut_off;
mod docker_machine;
mod emulated;
mod images;
mod make;
mod scene;
mod snapshots;
