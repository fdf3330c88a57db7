//! What the tests are written with: see tests/README.md.
//!
//! Nothing here stands in for a part of rr, and nothing fakes the kernel or a registry that
//! behaves: the one fake is [`HostileServer`], which plays a party that does not.

// Each helper is used by some ability's tests; which ones changes as abilities come.
#![allow(dead_code, unused_imports)]

mod command;
mod host_root;
mod hostile;
pub mod images;
mod leftovers;
mod proxy;
mod registry;
mod rr;
mod skip;
mod small_root;
mod terminal;

pub use command::{Outcome, RrCommand, Running};
pub use host_root::host_root;
pub use hostile::{Answer, HostileServer, Request, Shelf, sha256};
pub use leftovers::Process;
pub use proxy::Proxy;
pub use registry::{Access, Certificates, Registry};
pub use rr::{Rr, wait_until};
pub use skip::{command_exists, find_command, skip};
pub use small_root::small_root;
pub use terminal::Terminal;

pub(crate) use skip::requires;
