//! (skeleton)

pub mod plan;
