//! The options of `run` and `create` about namespaces, kernel settings and devices.

use super::run_flags::{all, one, opt};
use crate::container::isolation_options as parse;
use crate::container::plan::{Isolation, Masks};
use crate::container::values;
use crate::error::Result;
use clap::Args;

/// As typed.
#[derive(Debug, Args)]
pub struct IsolationFlags {
    /// private or host [default: private]
    #[arg(long, value_name = "MODE")]
    cgroupns: Option<String>,
    /// Bind a device of the host, or all of a directory
    #[arg(long, value_name = "HOST[:CONTAINER][:PERMISSIONS]")]
    device: Vec<String>,
    /// Set the container's NIS domain name
    #[arg(long, value_name = "NAME")]
    domainname: Option<String>,
    /// private, shareable, none or host [default: private]
    #[arg(long, value_name = "MODE")]
    ipc: Option<String>,
    /// How readily the kernel ends it when memory is short, from -1000 to 1000
    #[arg(long, value_name = "NUMBER")]
    oom_score_adj: Option<String>,
    /// private [default: private]
    #[arg(long, value_name = "MODE")]
    pid: Option<String>,
    /// Set a kernel setting of the container's own namespaces
    #[arg(long, value_name = "NAME=VALUE")]
    sysctl: Vec<String>,
    /// private or host [default: private]
    #[arg(long, value_name = "MODE")]
    uts: Option<String>,
}

impl IsolationFlags {
    /// Parses them.
    ///
    /// # Errors
    /// A value that is none.
    pub fn plan(&self, masks: Masks) -> Result<Isolation> {
        one("--pid", self.pid.as_deref().unwrap_or_default(), parse::pid)?;
        Ok(Isolation {
            ipc: opt("--ipc", &self.ipc, parse::ipc)?.unwrap_or_default(),
            uts: opt("--uts", &self.uts, parse::sharing)?.unwrap_or_default(),
            cgroup: opt("--cgroupns", &self.cgroupns, parse::sharing)?.unwrap_or_default(),
            domain: opt("--domainname", &self.domainname, values::hostname)?,
            sysctls: all("--sysctl", &self.sysctl, parse::sysctl)?,
            oom_score_adj: opt("--oom-score-adj", &self.oom_score_adj, parse::oom_score_adj)?,
            devices: all("--device", &self.device, parse::devices)?.concat(),
            masks,
        })
    }
}
