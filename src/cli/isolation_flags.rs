//! The options of `run` and `create` about namespaces, kernel settings and devices.

use super::run_flags::{all, opt};
use crate::container::isolation_options as parse;
use crate::container::plan::{Isolation, Masks};
use crate::container::values;
use crate::error::{Failure, Result};
use clap::Args;

/// As typed.
#[derive(Debug, Args)]
pub struct IsolationFlags {
    /// private, host or container:NAME [default: private]
    #[arg(long, value_name = "MODE")]
    cgroupns: Option<String>,
    /// Bind a device of the host, or all of a directory
    #[arg(long, value_name = "HOST[:CONTAINER][:PERMISSIONS]")]
    device: Vec<String>,
    /// Set the container's NIS domain name
    #[arg(long, value_name = "NAME")]
    domainname: Option<String>,
    /// private, shareable, none, host or container:NAME [default: private]
    #[arg(long, value_name = "MODE")]
    ipc: Option<String>,
    /// namespaces, chroot (the root directory alone), or auto: chroot only where root is refused namespaces [default: auto]
    #[arg(long = "isolation", value_name = "MEANS")]
    pub(super) means: Option<String>,
    /// How readily the kernel ends it when memory is short, from -1000 to 1000
    #[arg(long, value_name = "NUMBER")]
    oom_score_adj: Option<String>,
    /// private, or host to show the host's processes in /proc [default: private]
    #[arg(long, value_name = "MODE")]
    pid: Option<String>,
    /// Set a kernel setting of the container's own namespaces
    #[arg(long, value_name = "NAME=VALUE")]
    sysctl: Vec<String>,
    /// private, host or container:NAME [default: private]
    #[arg(long, value_name = "MODE")]
    uts: Option<String>,
}

impl IsolationFlags {
    /// Parses them.
    ///
    /// # Errors
    /// A value that is none.
    pub fn plan(&self, masks: Masks) -> Result<Isolation> {
        Ok(Isolation {
            ipc: opt("--ipc", &self.ipc, parse::ipc)?.unwrap_or_default(),
            uts: opt("--uts", &self.uts, parse::sharing)?.unwrap_or_default(),
            cgroup: opt("--cgroupns", &self.cgroupns, parse::sharing)?.unwrap_or_default(),
            processes: opt("--pid", &self.pid, parse::pid)?.unwrap_or_default(),
            container: self.container()?,
            domain: opt("--domainname", &self.domainname, values::hostname)?,
            sysctls: all("--sysctl", &self.sysctl, parse::sysctl)?,
            oom_score_adj: opt("--oom-score-adj", &self.oom_score_adj, parse::oom_score_adj)?,
            devices: all("--device", &self.device, parse::devices)?.concat(),
            masks,
        })
    }

    /// The container that `container:NAME` means, in all of them the same one.
    fn container(&self) -> Result<Option<String>> {
        let mut found: Option<&str> = None;
        for (option, text) in [("--ipc", &self.ipc), ("--uts", &self.uts), ("--cgroupns", &self.cgroupns)] {
            let Some(name) = text.as_deref().and_then(|text| text.strip_prefix("container:")) else { continue };
            if found.is_some_and(|other| other != name) {
                let cause = "the namespaces of one other container can be shared, not those of several";
                return Err(Failure::new(format!("cannot use {option} container:{}", name.escape_debug()), cause));
            }
            found = Some(name);
        }
        Ok(found.map(str::to_owned))
    }
}
