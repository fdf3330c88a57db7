//! Images: references, registries, archives, and what becomes of their layers.

pub mod config;
pub mod digest;
pub mod manifest;
pub mod platform;
pub mod progress;
pub mod reference;
pub mod stream;
