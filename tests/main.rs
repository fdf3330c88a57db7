//! The integration tests: the real binary, run by an unprivileged user, against real containers,
//! a real registry and real images. One module an ability a user sees; tests/README.md says how
//! to run them and how to write one.

mod support;

mod architecture;
mod archives;
mod bad_input;
mod build;
mod cli;
mod commit;
mod confine;
mod cp;
mod crossing;
mod demo;
mod detach;
mod differential;
mod doctor;
mod drivers;
mod escapes;
mod events;
mod exec;
mod exit_codes;
mod explain;
mod faults;
mod format;
mod harness;
mod health;
mod held;
mod images;
mod info;
mod isolation;
mod logs;
mod network;
mod networks;
mod old_kernels;
mod one_id;
mod overlay;
mod pause;
mod ports;
mod prune;
mod pull;
mod push;
mod readme;
mod registry_access;
mod restart;
mod rootfs;
mod run;
mod signals;
mod surface;
mod terminal;
mod top;
mod unpack_equal;
mod unshare;
mod users;
mod volume_verbs;
mod volumes;
