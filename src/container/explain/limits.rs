//! What the container can use of the machine: control group and resource limits.

use super::{Seen, read};
use crate::confine::limits::Setting;
use crate::container::record::Container;
use serde::Serialize;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Limits {
    /// The lines of /proc/PID/cgroup, by the host's names (cgroups(7)); None where it does not run.
    pub cgroup: Option<Seen<Vec<String>>>,
    /// What was asked of its control group, and what the kernel keeps (Documentation/admin-guide/cgroup-v2.rst).
    pub group: Vec<GroupLimit>,
    /// Resource limits that are others than this process's (getrlimit(2)), or those of the plan.
    pub resources: Seen<Vec<Resource>>,
    /// How readily the kernel kills it when memory is short (proc_pid_oom_score_adj(5)).
    pub oom_score_adjust: Option<Seen<i32>>,
}

/// One file of the control group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupLimit {
    /// Its name: `memory.max`.
    pub file: &'static str,
    /// What rr writes there.
    pub asked: String,
    /// What is there; None where the container does not run, or has lost its group.
    pub kernel: Option<String>,
}

/// One resource limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resource {
    /// The kernel's words: `Max open files`.
    pub name: String,
    /// Soft and hard limit in the container.
    pub container: [String; 2],
    /// Those of whoever asks; None with a plan.
    pub host: Option<[String; 2]>,
}

impl Limits {
    /// Those of a container, and of its process 1.
    pub fn of(container: &Container, payload: Option<i32>) -> Limits {
        let plan = &container.plan;
        let own_group = payload.and_then(|_| container.group());
        let limit = |setting: Setting| {
            // Where there are two names, the kernel has one of them.
            let read = |file: &&'static str| Some((*file, own_group.as_ref()?.read(file)?.trim().to_owned()));
            let found = setting.files.iter().find_map(read);
            let file = found.as_ref().map_or(setting.files[0], |(file, _)| file);
            GroupLimit { file, asked: setting.value, kernel: found.map(|(_, text)| text) }
        };
        let group = plan.limits.settings().into_iter().map(limit).collect();
        let Some(pid) = payload else {
            let planned = |limit: &crate::container::plan::Rlimit| {
                let value = |value: u64| if value == u64::MAX { "unlimited".into() } else { value.to_string() };
                Resource { name: limit.name.clone(), container: [value(limit.soft), value(limit.hard)], host: None }
            };
            let resources = Seen::Is(plan.process.rlimits.iter().map(planned).collect());
            return Limits { cgroup: None, group, resources, oom_score_adjust: None };
        };
        let path = |file: &str| format!("/proc/{pid}/{file}");
        let own = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let cgroup = read(pid, "cgroup").map(|text| text.lines().map(str::to_owned).collect());
        let adjust = read(pid, "oom_score_adj").map(|text| text.trim().parse().unwrap_or(0));
        Limits {
            group,
            cgroup: Some(Seen::from(cgroup, &path("cgroup"))),
            resources: Seen::from(read(pid, "limits").map(|text| differing(&text, &own)), &path("limits")),
            oom_score_adjust: Some(Seen::from(adjust, &path("oom_score_adj"))),
        }
    }
}

/// The lines of one /proc/PID/limits (proc_pid_limits(5)) whose values the other does not have.
fn differing(container: &str, host: &str) -> Vec<Resource> {
    let host: Vec<(String, [String; 2])> = host.lines().skip(1).filter_map(line).collect();
    let of_host = |name: &str| host.iter().find(|(found, _)| found == name).map(|(_, values)| values.clone());
    let all = container.lines().skip(1).filter_map(line);
    all.map(|(name, values)| Resource { host: of_host(&name), name, container: values })
        .filter(|limit| limit.host.as_ref() != Some(&limit.container))
        .collect()
}

/// `Max open files            1024                 524288               files`
fn line(text: &str) -> Option<(String, [String; 2])> {
    let (name, rest) = text.split_at_checked(25)?;
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some((name.trim().to_owned(), [words.next()?, words.next()?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let title = "Limit                     Soft Limit           Hard Limit           Units     \n";
        let host = format!("{title}Max open files            1024                 524288               files     \n");
        let same = format!("{host}Max core file size        0                    unlimited            bytes     \n");
        let other = differing(&same, &host);
        assert_eq!(other.len(), 1);
        assert_eq!((other[0].name.as_str(), &other[0].host), ("Max core file size", &None));
        let changed = same.replace("1024  ", "99    ");
        assert_eq!(differing(&changed, &same)[0].container, ["99", "524288"]);
        assert!(differing("", "short\nlines").is_empty());
    }
}
