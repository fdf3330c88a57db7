//! rr, a rootless and daemonless container runner.
//!
//! The layers, each of which imports only from those after it:
//! [`cli`] → [`build`] → [`container`] → [`image`], [`launch`], [`net`], [`store`] → [`rootfs`], [`confine`],
//! [`host`] → [`sys`]. [`error`] is everybody's. `tests/architecture.rs` checks the arrows.

pub mod build;
pub mod cli;
pub mod confine;
pub mod container;
pub mod error;
pub mod host;
pub mod image;
pub mod launch;
pub mod net;
pub mod rootfs;
pub mod store;
/// The only unsafe code: thin typed wrappers over system calls.
#[allow(unsafe_code)]
pub mod sys;
