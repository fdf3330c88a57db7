//! Containers: what was asked for ([`options`]), how it is decided ([`create`]), the decision
//! ([`plan`]).

pub mod create;
pub mod names;
pub mod options;
pub mod plan;
pub mod record;
pub mod values;
