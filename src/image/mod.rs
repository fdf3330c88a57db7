//! Images: references, registries, archives, and what becomes of their layers.

pub mod archive;
pub mod auth;
pub mod config;
pub mod digest;
mod index;
mod local;
pub mod manifest;
pub mod platform;
pub mod progress;
pub mod reference;
pub mod registries;
mod remove;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod unpack;

pub use local::{Image, Layer, Listing, find, is_unpacked, list, resolve, tag};
pub use remove::{Collected, Force, ImageUser, Removed, UsedLayer, collect_garbage, remove};
