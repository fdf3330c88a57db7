//! What a container's payload may not do: capabilities, system calls, resource limits.

pub mod capabilities;
mod capability_names;
pub mod cgroup;
pub mod limits;
pub mod rlimits;
pub mod seccomp;
