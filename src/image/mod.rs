//! Images: references, registries, archives, and what becomes of their layers.

pub mod archive;
pub mod auth;
mod challenge;
pub mod config;
pub mod digest;
mod http;
mod index;
mod local;
pub mod manifest;
pub mod platform;
pub mod progress;
mod pull;
pub mod reference;
pub mod registries;
mod registry;
mod remove;
pub mod stream;
#[cfg(test)]
mod testing;
mod transfer;
pub mod unpack;

pub use local::{Image, Layer, Listing, find, is_unpacked, list, resolve, tag};
pub use pull::{PullPolicy, PullRequest, pull};
pub use remove::{Collected, Force, ImageUser, Removed, UsedLayer, collect_garbage, remove};
