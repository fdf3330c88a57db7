//! The values of `--sysctl`, `--device`, `--ipc`, `--uts`, `--cgroupns` and the like.

use super::plan::{Device, Ipc, Isolation, NetworkMode, Processes, Sharing, Sysctl};
use super::values::{self, Parsed};
use crate::confine::capabilities::CapabilitySet;
use crate::error::{Doing, Failure, Notice, Result};
use rustix::fs::FileType;
use std::path::{Path, PathBuf};

/// `NAME=VALUE`, a setting that some namespace of a container has of its own.
///
/// # Errors
/// It is none.
pub fn sysctl(text: &str) -> Parsed<Sysctl> {
    let (name, value) = text.split_once('=').ok_or("it is not NAME=VALUE")?;
    let sysctl = Sysctl { name: name.trim().to_owned(), value: value.trim().to_owned() };
    match namespace_of(&sysctl)? {
        Some(_) => Ok(sysctl),
        None => Err("it is a setting of the whole machine, not of a container's namespaces".into()),
    }
}

/// The namespace that a setting belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Ipc,
    Network,
    Uts,
}

/// Those of ipc_namespaces(7), network_namespaces(7) and uts_namespaces(7); Docker's list, and runc's of `kernel.domainname`.
fn namespace_of(sysctl: &Sysctl) -> Parsed<Option<Scope>> {
    const IPC: [&str; 8] = ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"];
    let path = sysctl.path();
    let mut words = path.iter().skip(3).map(|word| word.to_str().unwrap_or_default());
    if words.clone().any(|word| word == "..") || words.clone().count() < 2 {
        return Err(format!("`{}` is no name of a setting", sysctl.name.escape_debug()));
    }
    Ok(match (words.next(), words.next(), words.next()) {
        (Some("net"), ..) => Some(Scope::Network),
        (Some("fs"), Some("mqueue"), Some(_)) => Some(Scope::Ipc),
        (Some("kernel"), Some(name), None) if IPC.contains(&name) => Some(Scope::Ipc),
        (Some("kernel"), Some("domainname"), None) => Some(Scope::Uts),
        _ => None,
    })
}

/// `HOST[:CONTAINER][:PERMISSIONS]`: the device, or each of those below a directory.
///
/// # Errors
/// It is no device, or not written as one.
pub fn devices(text: &str) -> Parsed<Vec<Device>> {
    let is_permissions = |word: &str| !word.is_empty() && word.bytes().all(|letter| b"rwm".contains(&letter));
    let fields: Vec<&str> = text.split(':').collect();
    let (host, container, permissions) = match fields[..] {
        [host] => (host, host, "rwm"),
        [host, permissions] if is_permissions(permissions) => (host, host, permissions),
        [host, container] => (host, container, "rwm"),
        [host, container, permissions] if is_permissions(permissions) => (host, container, permissions),
        [_, _, permissions] => return Err(format!("invalid device mode: {}", permissions.escape_debug())),
        _ => return Err("it is not HOST[:CONTAINER][:PERMISSIONS]".into()),
    };
    if host.contains('=') && !host.starts_with('/') {
        return Err("names of the Container Device Interface are not understood yet: name the device's node".into());
    }
    for path in [host, container] {
        if !path.starts_with('/') {
            return Err(format!("`{}` is not an absolute path", path.escape_debug()));
        }
    }
    let mut found = Vec::new();
    collect(Path::new(host), &values::clean_path(container), permissions, &mut found)?;
    match found.is_empty() {
        true => Err("there is no device in this directory".into()),
        false => Ok(found),
    }
}

fn collect(host: &Path, container: &str, permissions: &str, found: &mut Vec<Device>) -> Parsed<()> {
    let told = |error: rustix::io::Errno| crate::error::errno_text(error.raw_os_error());
    let stat = rustix::fs::stat(host).map_err(told)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice | FileType::BlockDevice => {
            let (host, container) = (host.to_owned(), container.to_owned());
            found.push(Device { host, container, permissions: permissions.to_owned() });
            Ok(())
        }
        FileType::Directory => {
            let entries = std::fs::read_dir(host).map_err(|error| error.to_string())?;
            let mut names: Vec<String> =
                entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
            names.sort_unstable();
            for name in names {
                let below: PathBuf = host.join(&name);
                let kind = rustix::fs::lstat(&below).map(|stat| FileType::from_raw_mode(stat.st_mode));
                // As Docker: links and files among the devices are left out.
                if let Ok(FileType::Directory | FileType::CharacterDevice | FileType::BlockDevice) = kind {
                    collect(&below, &format!("{container}/{name}"), permissions, found)?;
                }
            }
            Ok(())
        }
        _ => Err("not a device node".into()),
    }
}

/// `--ipc`
///
/// # Errors
/// There is no such mode.
pub fn ipc(text: &str) -> Parsed<Ipc> {
    match text {
        "" | "private" | "shareable" => Ok(Ipc::Own),
        "none" => Ok(Ipc::WithoutShm),
        "host" => Ok(Ipc::Host),
        _ => match container(text)? {
            Some(_) => Ok(Ipc::Container),
            None => Err("it is one of private, shareable, none, host and container:NAME".into()),
        },
    }
}

/// `--uts` and `--cgroupns`
///
/// # Errors
/// There is no such mode.
pub fn sharing(text: &str) -> Parsed<Sharing> {
    match text {
        "" | "private" => Ok(Sharing::Own),
        "host" => Ok(Sharing::Host),
        _ => match container(text)? {
            Some(_) => Ok(Sharing::Container),
            None => Err("it is one of private, host and container:NAME".into()),
        },
    }
}

/// The name in `container:NAME`.
///
/// # Errors
/// There is none.
pub fn container(text: &str) -> Parsed<Option<&str>> {
    match text.strip_prefix("container:") {
        Some("") => Err("a container's name belongs behind `container:`".into()),
        name => Ok(name),
    }
}

/// `--pid`: a pid namespace of its own is what keeps a container's end certain.
///
/// # Errors
/// Any other mode than `private` and `host`.
pub fn pid(text: &str) -> Parsed<Processes> {
    match text {
        "" | "private" => Ok(Processes::Own),
        "host" => Ok(Processes::Host),
        _ if text.starts_with("container:") => {
            Err("a container has always a pid namespace of its own, with which the kernel ends its processes; rr exec \
                 adds a process to another one"
                .into())
        }
        _ => Err("it is one of private and host".into()),
    }
}

/// Whether a process of the container with these capabilities cannot reach the monitor. That is in the container's user
/// namespace, with the host's files: where /proc shows it, CAP_SYS_PTRACE would open its memory and its root (ptrace(2),
/// "Ptrace access mode checking"). Without, the kernel compares the capabilities of both, and the monitor has all.
///
/// # Errors
/// It could.
pub fn keeps_apart(isolation: &Isolation, bounding: CapabilitySet) -> Result<()> {
    /// capabilities(7)
    const CAP_SYS_PTRACE: u32 = 19;
    match isolation.processes == Processes::Host && bounding.contains(CapabilitySet::from_bits(1 << CAP_SYS_PTRACE)) {
        true => Err(Failure::new(
            "cannot use --pid host with CAP_SYS_PTRACE",
            "through the host's /proc the container would reach rr's own process, and with it your files; --privileged \
             includes it",
        )),
        false => Ok(()),
    }
}

/// `--oom-score-adj`
///
/// # Errors
/// It is no number from -1000 to 1000.
pub fn oom_score_adj(text: &str) -> Parsed<i16> {
    let number = text.parse::<i16>().ok().filter(|number| (-1000..=1000).contains(number));
    number.ok_or_else(|| format!("Invalid value {text}, range for oom score adj is [-1000, 1000]"))
}

/// The paths of `--security-opt mask=` and `unmask=`, separated by colons.
///
/// # Errors
/// One is not absolute.
pub fn paths(text: &str) -> Parsed<Vec<String>> {
    let path = |path: &str| match path.starts_with('/') {
        true => Ok(values::clean_path(path)),
        false => Err(format!("`{}` is not an absolute path", path.escape_debug())),
    };
    text.split(':').map(path).collect()
}

/// What of it contradicts the rest of what was asked for, and what the user gets otherwise.
///
/// # Errors
/// A setting of a namespace that is the host's; a name for a host whose name it is not.
pub fn check(isolation: &Isolation, network: &NetworkMode, hostname: Option<&str>) -> Result<Vec<Notice>> {
    for sysctl in &isolation.sysctls {
        let doing = || format!("cannot use --sysctl {}={}", sysctl.name, sysctl.value);
        let shared = match namespace_of(sysctl).doing(doing)? {
            Some(Scope::Ipc) => match isolation.ipc {
                Ipc::Own | Ipc::WithoutShm => None,
                Ipc::Host => Some(("--ipc host", "host's")),
                Ipc::Container => Some(("--ipc container", "other container's")),
            },
            Some(Scope::Network) => match network {
                NetworkMode::Host => Some(("--network host", "host's")),
                NetworkMode::Container => Some(("--network container", "other container's")),
                _ => None,
            },
            Some(Scope::Uts) => match isolation.uts {
                Sharing::Own => None,
                Sharing::Host => Some(("--uts host", "host's")),
                Sharing::Container => Some(("--uts container", "other container's")),
            },
            None => None,
        };
        if let Some((option, whose)) = shared {
            return Err(Failure::new(doing(), format!("with {option} it would be the {whose} setting")));
        }
    }
    if isolation.uts != Sharing::Own {
        let given = hostname.map(|_| "hostname").or(isolation.domain.as_ref().map(|_| "domainname"));
        if let Some(option) = given {
            // Docker's words.
            let cause = format!("conflicting options: {option} and the UTS mode");
            return Err(Failure::new("cannot create the container", cause));
        }
    }
    let mut notices = Vec::new();
    if isolation.processes == Processes::Host {
        notices.push(Notice(
            "with --pid host the container sees the host's processes in /proc; signals reach its own alone, whose ids are \
             other ones"
                .to_owned(),
        ));
    }
    let limited = isolation.devices.iter().find(|device| !device.permissions.contains('w'));
    let notice = limited.map(|device| {
        Notice(format!(
            "{} can be used as its own permissions say: `{}` would need a control group of devices",
            device.container, device.permissions
        ))
    });
    notices.extend(notice);
    Ok(notices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_machine_are_refused() {
        for good in ["net.ipv4.ip_forward=1", "kernel.sem=1 2 3 4", "fs.mqueue.msg_max=5", "net/core/somaxconn=9"] {
            assert!(sysctl(good).is_ok(), "{good}");
        }
        for bad in ["kernel.panic=1", "vm.swappiness=1", "net", "net=1", "net.ipv4", "net/../vm/swappiness=1", "=1"] {
            assert!(sysctl(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn devices_are_found() {
        let device = |host: &str, container: &str, permissions: &str| Device {
            host: host.into(),
            container: container.into(),
            permissions: permissions.into(),
        };
        assert_eq!(devices("/dev/null").unwrap(), [device("/dev/null", "/dev/null", "rwm")]);
        assert_eq!(devices("/dev/null:r").unwrap(), [device("/dev/null", "/dev/null", "r")]);
        assert_eq!(devices("/dev/null:/dev/x").unwrap(), [device("/dev/null", "/dev/x", "rwm")]);
        assert_eq!(devices("/dev/null:/dev/x:rw").unwrap(), [device("/dev/null", "/dev/x", "rw")]);
        assert!(devices("/dev/null:/dev/x:rq").unwrap_err().contains("invalid device mode: rq"));
        assert!(devices("/etc/passwd").unwrap_err().contains("not a device node"));
        assert!(devices("/dev/surely-not").unwrap_err().contains("ENOENT"));
        assert!(devices("dev/null").is_err());
        assert!(devices("/etc/apt").unwrap_err().contains("no device"));
        assert!(devices("nvidia.com/gpu=all").unwrap_err().contains("Container Device Interface"));
    }

    #[test]
    fn what_contradicts_is_refused() {
        let isolation = |change: fn(&mut Isolation)| {
            let mut isolation = Isolation::default();
            change(&mut isolation);
            isolation
        };
        let forward = isolation(|i| i.sysctls = vec![sysctl("net.ipv4.ip_forward=1").unwrap()]);
        assert!(check(&forward, &NetworkMode::Private, None).is_ok());
        assert!(check(&forward, &NetworkMode::Host, None).unwrap_err().to_string().contains("--network host"));
        let named = isolation(|i| i.uts = Sharing::Host);
        assert!(check(&named, &NetworkMode::Private, Some("x")).unwrap_err().to_string().contains("conflicting"));
        let joined = isolation(|i| (i.uts, i.container) = (Sharing::Container, Some("x".into())));
        assert!(check(&joined, &NetworkMode::Private, Some("x")).unwrap_err().to_string().contains("conflicting"));
        let tuned = isolation(|i| (i.ipc, i.sysctls) = (Ipc::Container, vec![sysctl("kernel.shmmax=1").unwrap()]));
        assert!(check(&tuned, &NetworkMode::Private, None).unwrap_err().to_string().contains("other container's"));
        let shown = isolation(|i| i.processes = pid("host").unwrap());
        assert_eq!(check(&shown, &NetworkMode::Private, None).unwrap().len(), 1);
        assert!(keeps_apart(&shown, CapabilitySet::from_names(&["CHOWN", "SYS_ADMIN"]).unwrap()).is_ok());
        assert!(keeps_apart(&shown, CapabilitySet::from_names(&["SYS_PTRACE"]).unwrap()).is_err());
        assert!(keeps_apart(&Isolation::default(), CapabilitySet::ALL).is_ok());
        assert!(pid("container:x").is_err());
        let limited = isolation(|i| i.devices = devices("/dev/null:r").unwrap());
        assert_eq!(check(&limited, &NetworkMode::Private, None).unwrap().len(), 1);
    }
}
