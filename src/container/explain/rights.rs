//! What the payload may do: capabilities, system calls, new privileges.

use super::{Seen, read};
use crate::confine::capabilities::CapabilitySet;
use crate::confine::seccomp::SeccompChoice;
use crate::container::plan::RunPlan;
use serde::Serialize;

/// Of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Rights {
    /// Process 1's effective capabilities (capabilities(7)); as planned for root where it does not run.
    pub effective: Seen<Vec<Capability>>,
    /// What it and its descendants can ever get.
    pub bounding: Seen<Vec<Capability>>,
    /// What the kernel does with its system calls (seccomp(2)): `none`, `strict` or `filter`.
    pub seccomp: Seen<&'static str>,
    /// How many filters each call passes.
    pub filters: Seen<u64>,
    /// Whose filter it is.
    pub profile: &'static str,
    /// Set-user-ID programs and file capabilities give nothing (prctl(2), PR_SET_NO_NEW_PRIVS).
    pub no_new_privileges: Seen<bool>,
}

/// One capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Capability {
    /// Without `CAP_`.
    pub name: String,
    /// What it is good for in a user namespace of one's own.
    pub allows: &'static str,
}

impl Rights {
    /// Those of process 1 as the kernel has them, or of the plan.
    pub fn of(plan: &RunPlan, payload: Option<i32>) -> Rights {
        let profile = match plan.process.seccomp {
            SeccompChoice::Default => "rr's default profile, equal in effect to Docker's",
            SeccompChoice::Unconfined => "none: seccomp=unconfined",
            SeccompChoice::Given(_) => "the profile given by seccomp=FILE",
        };
        let Some(pid) = payload else {
            let granted = &plan.process.capabilities;
            let is_root = matches!(plan.process.user.split(':').next(), Some("" | "0" | "root"));
            let (mode, filters) = match plan.process.seccomp {
                SeccompChoice::Unconfined => ("none", 0),
                SeccompChoice::Default | SeccompChoice::Given(_) => ("filter", 1),
            };
            return Rights {
                effective: Seen::Is(named(if is_root { granted.bounding } else { granted.ambient })),
                bounding: Seen::Is(named(granted.bounding)),
                seccomp: Seen::Is(mode),
                filters: Seen::Is(filters),
                profile,
                no_new_privileges: Seen::Is(plan.process.no_new_privileges),
            };
        };
        let path = format!("/proc/{pid}/status");
        let status = read(pid, "status");
        let set = |name: &str| {
            let bits = field(&status, name, |text| u64::from_str_radix(text, 16).ok());
            Seen::from(bits.map(|bits| named(CapabilitySet::from_bits(bits))), &path)
        };
        let number = |name: &str| field(&status, name, |text| text.parse::<u64>().ok());
        Rights {
            effective: set("CapEff"),
            bounding: set("CapBnd"),
            seccomp: Seen::from(
                number("Seccomp").map(|mode| ["none", "strict", "filter"][mode.min(2) as usize]),
                &path,
            ),
            filters: Seen::from(number("Seccomp_filters"), &path),
            profile,
            no_new_privileges: Seen::from(number("NoNewPrivs").map(|set| set == 1), &path),
        }
    }
}

/// A line of /proc/PID/status.
fn field<T>(status: &std::io::Result<String>, name: &str, parse: impl Fn(&str) -> Option<T>) -> std::io::Result<T> {
    let text = status.as_ref().map_err(|error| std::io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(0)))?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let value = lines.filter(|(found, _)| *found == name).find_map(|(_, value)| parse(value.trim()));
    value.ok_or_else(|| std::io::Error::from_raw_os_error(libc::ENODATA))
}

fn named(set: CapabilitySet) -> Vec<Capability> {
    set.names()
        .into_iter()
        .map(|name| {
            let name = name.strip_prefix("CAP_").unwrap_or(&name).to_owned();
            Capability { allows: allows(&name), name }
        })
        .collect()
}

/// What a capability is for, in a few words (capabilities(7)).
fn allows(name: &str) -> &'static str {
    match name {
        "CHOWN" => "give files to any id of the map",
        "DAC_OVERRIDE" => "pass over permissions of files whose owner and group are mapped",
        "DAC_READ_SEARCH" => "read any file whose owner and group are mapped",
        "FOWNER" => "change mode and times of files of any id of the map",
        "FSETID" => "keep set-id bits when a file is changed",
        "KILL" => "send signals to every process of the container",
        "SETGID" => "become any group of the map",
        "SETUID" => "become any user of the map",
        "SETPCAP" => "drop capabilities from the bounding set",
        "LINUX_IMMUTABLE" => "nothing: only root of the host may",
        "NET_BIND_SERVICE" => "listen on ports below 1024 of the container's network",
        "NET_BROADCAST" => "nothing: the kernel does not ask for it",
        "NET_ADMIN" => "change interfaces, routes and packet filters of the container's network",
        "NET_RAW" => "open raw sockets on the container's network: ping, tcpdump",
        "IPC_LOCK" => "nothing: only root of the host may",
        "IPC_OWNER" => "reach all System V objects of the container",
        "SYS_MODULE" | "SYS_RAWIO" | "SYS_TIME" | "SYSLOG" | "WAKE_ALARM" | "BLOCK_SUSPEND" | "MAC_ADMIN"
        | "MAC_OVERRIDE" | "AUDIT_CONTROL" | "AUDIT_READ" | "SYS_PACCT" | "SYS_TTY_CONFIG" => {
            "nothing: only root of the host may"
        }
        "SYS_CHROOT" => "call chroot(2), and enter mount namespaces of one's own",
        "SYS_PTRACE" => "trace and read every process of the container",
        "SYS_ADMIN" => "mount what user namespaces may, set the host name, and much else in its namespaces",
        "SYS_BOOT" => "end the pid namespace by reboot(2)",
        "SYS_NICE" => "nothing: only root of the host may",
        "SYS_RESOURCE" => "nothing: only root of the host may",
        "MKNOD" => "nothing: device nodes cannot be made in a user namespace",
        "LEASE" => "take leases on files of any id of the map",
        "AUDIT_WRITE" => "write to the audit log, where the kernel lets the container",
        "SETFCAP" => "give programs file capabilities that hold in the container",
        "PERFMON" | "BPF" => "nothing: only root of the host may",
        "CHECKPOINT_RESTORE" => "choose process ids in the container",
        _ => "see capabilities(7)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_its_words() {
        for capability in named(CapabilitySet::ALL) {
            let name = capability.name;
            assert_ne!(capability.allows, "see capabilities(7)", "{name}");
        }
    }

    #[test]
    fn a_status_is_read() {
        let status = Ok("Name:\tx\nCapEff:\t0000000000000003\nNoNewPrivs:\t1\n".to_owned());
        let bits = field(&status, "CapEff", |text| u64::from_str_radix(text, 16).ok()).unwrap();
        let names: Vec<String> = named(CapabilitySet::from_bits(bits)).into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["CHOWN", "DAC_OVERRIDE"]);
        assert!(field(&status, "Seccomp", |text| text.parse::<u64>().ok()).is_err());
    }
}
