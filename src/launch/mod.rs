//! The start of a container, both sides of it.

pub mod id_maps;
pub mod plan;
pub mod protocol;
pub mod user_namespace;

pub use user_namespace::run_in_user_namespace;
