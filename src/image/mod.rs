//! Images: references, registries, archives, and what becomes of their layers.

pub mod digest;
pub mod reference;
pub mod stream;
