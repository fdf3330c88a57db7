//! Limits of what a container may use, and the files of a control group that keep them
//! (Documentation/admin-guide/cgroup-v2.rst, "Controllers").

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

/// What was asked for, in the units of Docker's HostConfig; `None` and an empty list: nothing was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// `--memory`: bytes.
    pub memory: Option<Bound>,
    /// `--memory-swap`: bytes of memory and swap together.
    pub memory_swap: Option<Bound>,
    /// `--memory-reservation`: bytes that are left to the container when memory is short.
    pub memory_reservation: Option<u64>,
    /// `--cpus`: billionths of a processor.
    pub nano_cpus: Option<u64>,
    /// `--cpu-shares`: 2 to 262144 where processors are short; 1024 is the default.
    pub cpu_shares: Option<u64>,
    /// `--cpu-period`: microseconds.
    pub cpu_period: Option<u64>,
    /// `--cpu-quota`: microseconds of processor time in each period.
    pub cpu_quota: Option<Bound>,
    /// `--cpuset-cpus`: `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// `--cpuset-mems`: memory nodes, written as processors are.
    pub cpuset_mems: Option<String>,
    /// `--pids-limit`: processes and threads.
    pub pids: Option<Bound>,
    /// `--blkio-weight`: 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// `--blkio-weight-device`, `--device-read-bps` and the like.
    pub devices: Vec<DeviceLimit>,
    /// `--cgroup-parent`
    pub parent: Option<String>,
}

/// A limit, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// -1 for Docker, `max` for the kernel.
    Unlimited,
    /// At most so many.
    At(u64),
}

impl Bound {
    /// As the kernel writes it.
    fn text(self) -> String {
        match self {
            Bound::Unlimited => "max".to_owned(),
            Bound::At(number) => number.to_string(),
        }
    }

    /// As Docker writes it.
    pub fn number(self) -> i64 {
        match self {
            Bound::Unlimited => -1,
            Bound::At(number) => i64::try_from(number).unwrap_or(i64::MAX),
        }
    }
}

/// A limit of one block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLimit {
    /// The node, as typed.
    pub path: PathBuf,
    /// Its major and minor number.
    pub device: (u32, u32),
    /// What is limited.
    pub rate: Rate,
    /// Bytes or operations a second; of a weight 10 to 1000.
    pub value: u64,
}

/// What of a device is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rate {
    /// `--blkio-weight-device`
    Weight,
    /// `--device-read-bps`
    ReadBytes,
    /// `--device-write-bps`
    WriteBytes,
    /// `--device-read-iops`
    ReadOperations,
    /// `--device-write-iops`
    WriteOperations,
}

/// Part of the kernel that keeps limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Controller {
    Cpu,
    Cpuset,
    Io,
    Memory,
    Pids,
}

impl Controller {
    /// All that limits need.
    pub const ALL: [Controller; 5] =
        [Controller::Cpu, Controller::Cpuset, Controller::Io, Controller::Memory, Controller::Pids];

    /// Its name in `cgroup.controllers`.
    pub fn name(self) -> &'static str {
        match self {
            Controller::Cpu => "cpu",
            Controller::Cpuset => "cpuset",
            Controller::Io => "io",
            Controller::Memory => "memory",
            Controller::Pids => "pids",
        }
    }
}

/// Names with spaces between them.
pub fn names(controllers: &BTreeSet<Controller>) -> String {
    controllers.iter().map(|one| one.name()).collect::<Vec<_>>().join(" ")
}

/// A file of a control group, and what is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Who reads it.
    pub controller: Controller,
    /// Its name; where there are two, the first that is there.
    pub files: &'static [&'static str],
    /// What is written, in one piece.
    pub value: String,
    /// Whether the container may do without where there is no such file.
    pub need: Need,
}

/// See [`Setting::need`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It may not.
    Firm,
    /// It may, as with Docker: a kernel without accounting of swap. The user is told.
    Told,
}

impl Setting {
    fn new(controller: Controller, file: &'static [&'static str], value: impl fmt::Display) -> Setting {
        Setting { controller, files: file, value: value.to_string(), need: Need::Firm }
    }
}

/// Microseconds of a period where nothing was said: the kernel's and Docker's.
const DEFAULT_PERIOD: u64 = 100_000;

impl Limits {
    /// Whether nothing was asked for: the container then gets no control group.
    pub fn is_default(&self) -> bool {
        *self == Limits::default()
    }

    /// Who has to be there to keep them.
    pub fn controllers(&self) -> BTreeSet<Controller> {
        self.settings().into_iter().map(|setting| setting.controller).collect()
    }

    /// The files to write, in this order.
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        self.memory_settings(&mut settings);
        if let Some(shares) = self.cpu_shares {
            settings.push(Setting::new(Controller::Cpu, &["cpu.weight"], weight_of_shares(shares)));
        }
        if let Some(text) = self.cpu_max() {
            settings.push(Setting::new(Controller::Cpu, &["cpu.max"], text));
        }
        for (file, set) in [("cpuset.cpus", &self.cpuset_cpus), ("cpuset.mems", &self.cpuset_mems)] {
            let files: &[&str] = if file == "cpuset.cpus" { &["cpuset.cpus"] } else { &["cpuset.mems"] };
            settings.extend(set.as_ref().map(|set| Setting::new(Controller::Cpuset, files, set)));
        }
        if let Some(pids) = self.pids {
            settings.push(Setting::new(Controller::Pids, &["pids.max"], pids.text()));
        }
        self.io_settings(&mut settings);
        settings
    }

    /// Swap before memory where that grows, as the kernel keeps the two apart here it does not matter otherwise.
    fn memory_settings(&self, settings: &mut Vec<Setting>) {
        if let Some(memory) = self.memory {
            settings.push(Setting::new(Controller::Memory, &["memory.max"], memory.text()));
        }
        // Docker counts both together, the kernel swap alone; without a word it is as much again as memory.
        let swap = match (self.memory, self.memory_swap) {
            (Some(Bound::At(memory)), None) => Some(Bound::At(memory)),
            (Some(Bound::At(memory)), Some(Bound::At(both))) => Some(Bound::At(both.saturating_sub(memory))),
            (_, Some(Bound::Unlimited)) | (Some(Bound::Unlimited), _) => Some(Bound::Unlimited),
            (None, _) => None,
        };
        if let Some(swap) = swap {
            let setting = Setting::new(Controller::Memory, &["memory.swap.max"], swap.text());
            settings.push(Setting { need: Need::Told, ..setting });
        }
        if let Some(low) = self.memory_reservation {
            settings.push(Setting::new(Controller::Memory, &["memory.low"], low));
        }
    }

    /// `QUOTA PERIOD`
    fn cpu_max(&self) -> Option<String> {
        if let Some(nano) = self.nano_cpus {
            return Some(format!("{} {DEFAULT_PERIOD}", (nano / 10_000).max(1000)));
        }
        if self.cpu_quota.is_none() && self.cpu_period.is_none() {
            return None;
        }
        let quota = self.cpu_quota.unwrap_or(Bound::Unlimited).text();
        Some(format!("{quota} {}", self.cpu_period.unwrap_or(DEFAULT_PERIOD)))
    }

    fn io_settings(&self, settings: &mut Vec<Setting>) {
        // BFQ has a file of its own, with Docker's numbers; it counts where that scheduler is used.
        const WEIGHTS: &[&str] = &["io.bfq.weight", "io.weight"];
        if let Some(weight) = self.blkio_weight {
            settings.push(Setting::new(Controller::Io, WEIGHTS, weight));
        }
        for limit in &self.devices {
            let (major, minor) = limit.device;
            let value = limit.value;
            let (files, key): (&'static [&'static str], &str) = match limit.rate {
                Rate::Weight => (WEIGHTS, ""),
                Rate::ReadBytes => (&["io.max"], "rbps="),
                Rate::WriteBytes => (&["io.max"], "wbps="),
                Rate::ReadOperations => (&["io.max"], "riops="),
                Rate::WriteOperations => (&["io.max"], "wiops="),
            };
            settings.push(Setting::new(Controller::Io, files, format!("{major}:{minor} {key}{value}")));
        }
    }

    /// Of these only what files of the group that `changed` is about say.
    #[must_use]
    pub fn kinds_of(&self, changed: &Limits) -> Limits {
        let all = self.clone();
        let memory = changed.memory.is_some() || changed.memory_swap.is_some();
        let cpu = changed.nano_cpus.is_some() || changed.cpu_quota.is_some() || changed.cpu_period.is_some();
        Limits {
            memory: all.memory.filter(|_| memory),
            memory_swap: all.memory_swap.filter(|_| memory),
            nano_cpus: all.nano_cpus.filter(|_| cpu),
            cpu_period: all.cpu_period.filter(|_| cpu),
            cpu_quota: all.cpu_quota.filter(|_| cpu),
            ..changed.clone()
        }
    }

    /// These with what is said in `changed` instead.
    #[must_use]
    pub fn changed_by(&self, changed: &Limits) -> Limits {
        let mut all = self.clone();
        let Limits {
            memory,
            memory_swap,
            memory_reservation,
            nano_cpus,
            cpu_shares,
            cpu_period,
            cpu_quota,
            cpuset_cpus,
            cpuset_mems,
            pids,
            blkio_weight,
            devices,
            parent: _,
        } = changed.clone();
        all.memory = memory.or(all.memory);
        all.memory_swap = memory_swap.or(all.memory_swap);
        all.memory_reservation = memory_reservation.or(all.memory_reservation);
        if nano_cpus.is_some() {
            (all.nano_cpus, all.cpu_period, all.cpu_quota) = (nano_cpus, None, None);
        }
        if cpu_period.is_some() || cpu_quota.is_some() {
            all.nano_cpus = None;
        }
        all.cpu_shares = cpu_shares.or(all.cpu_shares);
        all.cpu_period = cpu_period.or(all.cpu_period);
        all.cpu_quota = cpu_quota.or(all.cpu_quota);
        all.cpuset_cpus = cpuset_cpus.or(all.cpuset_cpus);
        all.cpuset_mems = cpuset_mems.or(all.cpuset_mems);
        all.pids = pids.or(all.pids);
        all.blkio_weight = blkio_weight.or(all.blkio_weight);
        for limit in devices {
            all.devices.retain(|other| (other.device, other.rate) != (limit.device, limit.rate));
            all.devices.push(limit);
        }
        all
    }
}

/// Docker's shares (2 to 262144, 1024 by default) as the kernel's weight (1 to 10000, 100 by default), by the curve that
/// runc 1.3.2 and crun 1.23 have: through both ends and both defaults.
fn weight_of_shares(shares: u64) -> u64 {
    let l = (shares.clamp(2, 262_144) as f64).log2();
    let exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;
    (10_f64.powf(exponent).ceil() as u64).clamp(1, 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limits: &Limits) -> Vec<(String, String)> {
        let setting = |setting: Setting| (setting.files.join("|"), setting.value);
        limits.settings().into_iter().map(setting).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(file, value)| ((*file).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn memory_and_swap_are_told_apart() {
        let limits = |memory, memory_swap| Limits { memory, memory_swap, ..Limits::default() };
        let (at, no) = (|n| Some(Bound::At(n)), Some(Bound::Unlimited));
        for (limits, max, swap) in [
            (limits(at(100), None), "100", "100"),
            (limits(at(100), at(150)), "100", "50"),
            (limits(at(100), at(100)), "100", "0"),
            (limits(at(100), no), "100", "max"),
            (limits(no, None), "max", "max"),
        ] {
            assert_eq!(written(&limits), pairs(&[("memory.max", max), ("memory.swap.max", swap)]));
        }
        assert!(Limits::default().settings().is_empty() && Limits::default().is_default());
    }

    #[test]
    fn processors_are_a_quota_of_a_period() {
        let cpus = |nano| Limits { nano_cpus: Some(nano), ..Limits::default() };
        assert_eq!(written(&cpus(1_500_000_000)), pairs(&[("cpu.max", "150000 100000")]));
        assert_eq!(written(&cpus(1)), pairs(&[("cpu.max", "1000 100000")]));
        let quota = Limits { cpu_quota: Some(Bound::At(2000)), cpu_period: Some(4000), ..Limits::default() };
        assert_eq!(written(&quota), pairs(&[("cpu.max", "2000 4000")]));
        let period = Limits { cpu_period: Some(4000), ..Limits::default() };
        assert_eq!(written(&period), pairs(&[("cpu.max", "max 4000")]));
    }

    #[test]
    fn shares_become_weights() {
        for (shares, weight) in [(0, 1), (2, 1), (1024, 100), (262_144, 10_000), (512, 59), (2048, 174)] {
            assert_eq!(weight_of_shares(shares), weight, "{shares}");
        }
    }

    #[test]
    fn a_change_leaves_the_rest() {
        let old = Limits { nano_cpus: Some(5), pids: Some(Bound::At(3)), ..Limits::default() };
        let new = Limits { cpu_quota: Some(Bound::At(7)), ..Limits::default() };
        let both = old.changed_by(&new);
        assert_eq!((both.nano_cpus, both.cpu_quota, both.pids), (None, Some(Bound::At(7)), Some(Bound::At(3))));
        assert_eq!(old.changed_by(&Limits::default()), old);
    }

    #[test]
    fn each_controller_is_named_by_what_needs_it() {
        let limits = Limits { pids: Some(Bound::At(1)), cpuset_cpus: Some("0".into()), ..Limits::default() };
        assert_eq!(names(&limits.controllers()), "cpuset pids");
        let parent = Limits { parent: Some("/a".into()), ..Limits::default() };
        assert!(parent.controllers().is_empty() && !parent.is_default());
    }
}
