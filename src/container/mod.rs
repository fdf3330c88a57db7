//! Containers: what was asked for ([`options`]), how it is decided ([`create`]), the decision
//! ([`plan`]), what is kept of it on disk ([`record`]), how it is started ([`run`]) and what is done
//! with it then ([`lifecycle`], [`logs`]). Its files from outside: [`files`], and as a new image: [`commit`].

pub mod commit;
pub mod connecting;
pub mod copy;
pub mod create;
pub mod disk;
pub mod doctor;
pub mod events;
pub mod exec;
pub mod explain;
pub mod files;
pub mod health;
pub mod instructions;
pub mod isolation_options;
pub mod joining;
pub mod lifecycle;
pub mod limit_options;
pub mod logs;
pub mod mount_options;
pub mod names;
pub mod networks;
pub mod options;
pub mod pause;
pub mod port_options;
pub mod processes;
pub mod prune;
pub mod published;
pub mod record;
pub mod reset;
pub mod restart;
pub mod run;
pub mod shared_namespaces;
mod standstill;
pub mod stats;
pub mod top;
pub mod usage;
pub mod values;
pub mod volume_driver;
pub mod volumes;
pub mod without_namespaces;

/// The decision is what the launcher executes, so it lives with it.
pub use crate::launch::plan;
