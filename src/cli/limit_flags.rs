//! The options of `run`, `create` and `update` about what a container may use.

use super::run_flags::{all, one, opt};
use crate::container::limit_options as parse;
use crate::container::plan::{Limits, Rate};
use crate::container::values;
use crate::error::{Notice, Result};
use clap::Args;

/// Those that can be changed later, as typed.
#[derive(Debug, Args)]
pub struct LimitFlags {
    /// Share of the disks where they are busy, from 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    blkio_weight: Option<String>,
    /// Length of the period that --cpu-quota is about [default: 100000]
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<String>,
    /// Processor time in each period; -1 for no limit
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_quota: Option<String>,
    /// Share of the processors where they are busy, from 2 to 262144 [default: 1024]
    #[arg(short, long, value_name = "SHARES")]
    cpu_shares: Option<String>,
    /// How many processors' time it may use, such as 1.5
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<String>,
    /// Which processors it may use, such as 0-2,4
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Which memory nodes it may use
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// How much memory it may use, at least 6m; -1 for no limit
    #[arg(short, long, value_name = "BYTES")]
    memory: Option<String>,
    /// Memory that is left to it where memory is short
    #[arg(long, value_name = "BYTES")]
    memory_reservation: Option<String>,
    /// Memory and swap together; -1 for no limit of swap [default: twice --memory]
    #[arg(long, value_name = "BYTES")]
    memory_swap: Option<String>,
    /// How many processes and threads it may have; -1 for no limit
    #[arg(long, value_name = "NUMBER")]
    pids_limit: Option<String>,
}

/// Those of `run` and `create` alone.
#[derive(Debug, Args)]
pub struct FirstLimitFlags {
    /// Share of one disk
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    blkio_weight_device: Vec<String>,
    /// Where the container's control group is to be: a group of your own, or a slice of your systemd
    #[arg(long, value_name = "PATH|SLICE")]
    cgroup_parent: Option<String>,
    /// Bytes a second read from a device
    #[arg(long, value_name = "DEVICE:BYTES")]
    device_read_bps: Vec<String>,
    /// Reads a second from a device
    #[arg(long, value_name = "DEVICE:NUMBER")]
    device_read_iops: Vec<String>,
    /// Bytes a second written to a device
    #[arg(long, value_name = "DEVICE:BYTES")]
    device_write_bps: Vec<String>,
    /// Writes a second to a device
    #[arg(long, value_name = "DEVICE:NUMBER")]
    device_write_iops: Vec<String>,
    /// Accepted; no kernel with version 2 of control groups has it
    #[arg(long, value_name = "PERCENT")]
    memory_swappiness: Option<String>,
    /// Accepted; no kernel with version 2 of control groups has it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = values::boolean)]
    oom_kill_disable: Option<bool>,
}

impl LimitFlags {
    /// Parses them.
    ///
    /// # Errors
    /// A value that is none.
    pub fn plan(&self) -> Result<Limits> {
        Ok(Limits {
            memory: opt("--memory", &self.memory, parse::memory)?.flatten(),
            memory_swap: opt("--memory-swap", &self.memory_swap, parse::memory)?.flatten(),
            memory_reservation: opt("--memory-reservation", &self.memory_reservation, parse::bytes)?.flatten(),
            nano_cpus: opt("--cpus", &self.cpus, parse::cpus)?.flatten(),
            cpu_shares: opt("--cpu-shares", &self.cpu_shares, parse::shares)?.flatten(),
            cpu_period: opt("--cpu-period", &self.cpu_period, parse::period)?.flatten(),
            cpu_quota: opt("--cpu-quota", &self.cpu_quota, parse::quota)?.flatten(),
            cpuset_cpus: opt("--cpuset-cpus", &self.cpuset_cpus, parse::processors)?.flatten(),
            cpuset_mems: opt("--cpuset-mems", &self.cpuset_mems, parse::memory_nodes)?.flatten(),
            pids: opt("--pids-limit", &self.pids_limit, parse::pids)?,
            blkio_weight: opt("--blkio-weight", &self.blkio_weight, parse::weight)?.flatten(),
            ..Limits::default()
        })
    }
}

impl FirstLimitFlags {
    /// Adds them to `limits`.
    ///
    /// # Errors
    /// A value that is none.
    pub fn add_to(&self, limits: Limits) -> Result<Limits> {
        let mut devices = Vec::new();
        for (option, texts, rate) in [
            ("--blkio-weight-device", &self.blkio_weight_device, Rate::Weight),
            ("--device-read-bps", &self.device_read_bps, Rate::ReadBytes),
            ("--device-write-bps", &self.device_write_bps, Rate::WriteBytes),
            ("--device-read-iops", &self.device_read_iops, Rate::ReadOperations),
            ("--device-write-iops", &self.device_write_iops, Rate::WriteOperations),
        ] {
            devices.extend(all(option, texts, |text| parse::device(text, rate))?);
        }
        let parent = self.cgroup_parent.clone().filter(|parent| !parent.is_empty());
        Ok(Limits { devices, parent, ..limits })
    }

    /// What of them nobody can have, in Docker's words.
    ///
    /// # Errors
    /// A swappiness that is none.
    pub fn discarded(&self) -> Result<Vec<Notice>> {
        let mut notices = Vec::new();
        if self.oom_kill_disable == Some(true) {
            notices.push("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
        }
        if let Some(text) = &self.memory_swappiness {
            let swappiness = one("--memory-swappiness", text, |text| match text.parse() {
                Ok(number @ -1..=100) => Ok(number),
                _ => Err(format!("invalid value: {text}, valid memory swappiness range is 0-100")),
            })?;
            if swappiness >= 0 {
                notices.push(
                    "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory \
                     swappiness discarded.",
                );
            }
        }
        Ok(notices.into_iter().map(|words| Notice(words.to_owned())).collect())
    }
}
