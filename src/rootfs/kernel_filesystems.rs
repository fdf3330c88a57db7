//! /proc, /sys and /dev of a container: the file systems the kernel itself fills.
//!
//! Runs in the container's init as root of its user namespace, before pivot_root(2): the host's
//! paths still have their names, the container's root is a descriptor. Each file system is made as a
//! detached mount, attached to a directory found through [`Root`], and filled relative to its own
//! descriptor from then on, so nothing in the image decides what is mounted, masked or written:
//!
//! - /proc, /sys and /dev must be plain directories of the image, or missing; a link is refused.
//! - Masks and read-only covers are looked up below the descriptor of the procfs or sysfs that was
//!   just mounted, never by a path that starts at the image (CVE-2025-52881, CVE-2023-27561).
//! - What masks is the host's /dev/null, and it is checked to be device 1:3 before each use, as are
//!   all device nodes (CVE-2025-31133).
//! - /dev/console is a bind of the terminal's descriptor that the kernel gave with the terminal's
//!   master (`TIOCGPTPEER`), never of a /dev/pts/N that was looked up (CVE-2025-52565).

use super::cover::{Covered, cover, open_below};
use super::resolve::Root;
use crate::error::{Doing, Failure, IntoCause, Notice, Result};
use crate::sys::mount::{self, Attributes, Depth, FsOption, Reached};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use std::path::Path;

/// What [`mount_kernel_filesystems`] is to mount.
#[derive(Debug, Clone, Copy)]
pub struct KernelFilesystems<'a> {
    /// What of /proc and /sys is hidden or kept from being written.
    pub covered: Covered<'a>,
    /// What /dev/shm and /dev/mqueue are.
    pub shm: SharedMemory<'a>,
    /// Whose processes /proc shows.
    pub processes: ShownProcesses,
    /// Whether the payload gets a terminal, which is then also /dev/console.
    pub terminal: Terminal,
    /// Whose network namespace the container lives in: sysfs shows that namespace's devices.
    pub network: NetworkOwner,
    /// Where the cgroup namespace is the container's own, cgroup2 can be mounted.
    pub cgroup: CgroupNamespace,
    /// Whether group 5 (tty) is mapped into the user namespace: terminals then belong to it.
    pub tty_group: TtyGroup,
}

/// See [`KernelFilesystems::processes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownProcesses {
    /// Those of the pid namespace that init is in.
    Own,
    /// Those that the host's /proc shows.
    Host,
}

/// See [`KernelFilesystems::shm`].
#[derive(Debug, Clone, Copy)]
pub enum SharedMemory<'a> {
    /// A file system of the container's own.
    Own {
        /// Bytes; Docker's default is 64 MiB.
        size: u64,
    },
    /// The directory is there, and nothing is mounted on it.
    Absent,
    /// The host's, as its System V objects and message queues are then.
    Host,
    /// Another container's, as detached mounts, where it has them.
    Others {
        /// /dev/shm
        shm: Option<BorrowedFd<'a>>,
        /// /dev/mqueue
        mqueue: Option<BorrowedFd<'a>>,
    },
}

/// See [`KernelFilesystems::terminal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Terminal {
    Absent,
    Wanted,
}

/// See [`KernelFilesystems::network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum NetworkOwner {
    Container,
    Host,
}

/// See [`KernelFilesystems::cgroup`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CgroupNamespace {
    Own,
    Host,
}

/// See [`KernelFilesystems::tty_group`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TtyGroup {
    Mapped,
    Unmapped,
}

/// What [`mount_kernel_filesystems`] leaves behind.
#[derive(Debug)]
pub struct Mounted {
    /// The payload's terminal, where one was wanted.
    pub pty: Option<Pty>,
    /// What the container gets otherwise than asked for.
    pub notices: Vec<Notice>,
}

/// Both ends of a pseudo-terminal of the container's own devpts (pts(4)).
#[derive(Debug)]
pub struct Pty {
    /// rr's end.
    pub master: OwnedFd,
    /// The payload's end.
    pub slave: OwnedFd,
}

/// The six nodes every container has (runtime-spec, "Default Devices"), with their device numbers.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Links of /dev (runtime-spec, "Dev symbolic links"); `core` is Docker's.
const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// statfs(2)'s number of procfs.
const PROC_SUPER_MAGIC: u64 = 0x9fa0;
/// statfs(2)'s number of sysfs.
const SYSFS_MAGIC: u64 = 0x6265_6572;

/// Mounts /proc, /sys and /dev with all that belongs below them, and covers what is to be covered.
///
/// Runs in init; assumes new user, mount, pid and ipc namespaces that belong together, a mount
/// namespace without propagation to the host, and a umask of 022; must not be called after
/// pivot_root(2).
pub fn mount_kernel_filesystems(root: &Root<'_>, wanted: &KernelFilesystems<'_>) -> Result<Mounted> {
    let mut notices = Vec::new();
    let proc = mount_proc(root, wanted.processes, &mut notices)?;
    let sys = mount_sys(root, wanted, &mut notices)?;
    let pty = mount_dev(root, wanted)?;
    cover(proc.as_fd(), sys.as_fd(), &wanted.covered)?;
    Ok(Mounted { pty, notices })
}

fn mount_proc(root: &Root<'_>, shown: ShownProcesses, notices: &mut Vec<Notice>) -> Result<OwnedFd> {
    let place = top_directory(root, "proc")?;
    let attributes = Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_NODEV | Attributes::MOUNT_ATTR_NOEXEC;
    let fresh = match shown {
        ShownProcesses::Own => mount::new_mount("proc", &[("source", Some("proc"))], attributes),
        ShownProcesses::Host => Ok(bind_outer("/proc", PROC_SUPER_MAGIC, Attributes::empty())?),
    };
    let proc = match fresh {
        // The kernel wants to see one proc without anything mounted over parts of it before it lets a
        // user namespace have a fresh one (mount_too_revealing in fs/namespace.c): not so in most
        // containers, and rr may well be run in one.
        Err(Errno::PERM) => {
            let outer = bind_outer("/proc", PROC_SUPER_MAGIC, Attributes::empty())?;
            notices.push(Notice(
                "parts of /proc are masked here, so the container shares this /proc: it sees the processes around it, \
                 and their numbers, instead of only its own"
                    .to_owned(),
            ));
            outer
        }
        other => other.doing(|| "cannot mount a proc file system")?,
    };
    mount::attach(proc.as_fd(), place.as_fd()).doing(|| "cannot mount on /proc in the container")?;
    Ok(proc)
}

fn mount_sys(root: &Root<'_>, wanted: &KernelFilesystems<'_>, notices: &mut Vec<Notice>) -> Result<OwnedFd> {
    let place = top_directory(root, "sys")?;
    let attributes = Attributes::MOUNT_ATTR_RDONLY
        | Attributes::MOUNT_ATTR_NOSUID
        | Attributes::MOUNT_ATTR_NODEV
        | Attributes::MOUNT_ATTR_NOEXEC;
    // A fresh sysfs shows the network devices of the mounting process's network namespace, so the
    // kernel demands that the container's user namespace owns that.
    let fresh = match wanted.network {
        NetworkOwner::Container => mount::new_mount("sysfs", &[("source", Some("sysfs"))], attributes),
        NetworkOwner::Host => Err(Errno::PERM),
    };
    let (sys, bound) = match fresh {
        Ok(sys) => (sys, false),
        Err(Errno::PERM) => {
            if wanted.network == NetworkOwner::Container {
                notices.push(Notice(
                    "parts of /sys are masked here, so the container sees this /sys and its network devices".to_owned(),
                ));
            }
            (bind_outer("/sys", SYSFS_MAGIC, attributes)?, true)
        }
        Err(errno) => return Err(Failure::new("cannot mount a sysfs file system", errno.into_cause())),
    };
    mount::attach(sys.as_fd(), place.as_fd()).doing(|| "cannot mount on /sys in the container")?;
    if bound {
        let reached = mount::set_attributes_attached(sys.as_fd(), attributes, None, Depth::Recursive)
            .doing(|| "cannot make /sys read-only in the container")?;
        if reached == Reached::TopOnly {
            notices.push(Notice(
                "mounts below the host's /sys stay writable to their owner in the container: making them read-only \
                 takes Linux 5.12"
                    .to_owned(),
            ));
        }
    } else {
        match wanted.cgroup {
            CgroupNamespace::Own => mount_cgroup(sys.as_fd(), attributes)?,
            CgroupNamespace::Host => bind_cgroup(sys.as_fd(), attributes)?,
        }
    }
    Ok(sys)
}

/// cgroup2 shows the container its own part of the tree; read-only, as Docker has it. Where the host
/// still has version 1, or hides its cgroups, the directory stays empty.
fn mount_cgroup(sys: BorrowedFd<'_>, attributes: Attributes) -> Result<()> {
    let Some(place) = open_below(sys, "fs/cgroup")? else {
        return Ok(());
    };
    match mount::new_mount("cgroup2", &[("source", Some("cgroup"))], attributes) {
        Ok(cgroup) => mount::attach(cgroup.as_fd(), place.as_fd()).doing(|| "cannot mount on /sys/fs/cgroup"),
        Err(Errno::PERM | Errno::BUSY | Errno::NODEV) => Ok(()),
        Err(errno) => Err(Failure::new("cannot mount a cgroup2 file system", errno.into_cause())),
    }
}

/// The host's whole tree, read-only: `--cgroupns host`. A host that has none leaves the directory empty.
fn bind_cgroup(sys: BorrowedFd<'_>, attributes: Attributes) -> Result<()> {
    let doing = || "cannot bind the host's /sys/fs/cgroup";
    let Some(place) = open_below(sys, "fs/cgroup")? else { return Ok(()) };
    match mount::clone_host_tree(Path::new("/sys/fs/cgroup"), Depth::Recursive) {
        Err(Errno::NOENT) => Ok(()),
        tree => {
            let tree = tree.doing(doing)?;
            mount::attach(tree.as_fd(), place.as_fd()).doing(doing)?;
            mount::set_attributes_attached(tree.as_fd(), attributes, None, Depth::Recursive).map(drop).doing(doing)
        }
    }
}

/// A bind of the outer file system at `path` with all its mounts: those that cover parts of it are
/// locked on it and must come along (mount_namespaces(7)). `attributes` are set here where the kernel
/// can do so before the mount is visible.
fn bind_outer(path: &str, magic: u64, attributes: Attributes) -> Result<OwnedFd> {
    let doing = || format!("cannot bind the outer {path}");
    let tree = mount::clone_host_tree(Path::new(path), Depth::Recursive).doing(doing)?;
    if file_system(tree.as_fd()).doing(doing)? != magic {
        return Err(Failure::new(doing(), "it is not what the kernel mounts there"));
    }
    match mount::set_attributes(tree.as_fd(), attributes, None, Depth::Recursive) {
        Ok(()) | Err(Errno::NOSYS) => Ok(tree),
        Err(errno) => Err(Failure::new(doing(), errno.into_cause())),
    }
}

fn mount_dev(root: &Root<'_>, wanted: &KernelFilesystems<'_>) -> Result<Option<Pty>> {
    let place = top_directory(root, "dev")?;
    let attributes = Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_STRICTATIME;
    let dev = tmpfs("tmpfs", &[("mode", Some("755")), ("size", Some("65536k"))], attributes)?;
    mount::attach(dev.as_fd(), place.as_fd()).doing(|| "cannot mount on /dev in the container")?;
    // From here on everything is relative to a file system that nobody else has seen.
    let dev = dev.as_fd();
    for (name, major, minor) in DEVICES {
        let node = host_device(name, major, minor)?;
        put_on_file(node.as_fd(), dev, name)?;
    }
    for (name, target) in LINKS {
        rustix::fs::symlinkat(target, dev, name).doing(|| format!("cannot link /dev/{name}"))?;
    }
    let pts = mount_pts(dev, wanted.tty_group)?;
    mount_shm_and_mqueue(dev, wanted.shm)?;
    match wanted.terminal {
        Terminal::Absent => Ok(None),
        Terminal::Wanted => {
            let pty = open_pty(pts.as_fd())?;
            let console = mount::clone_tree(pty.slave.as_fd(), Path::new(""), Depth::One)
                .doing(|| "cannot bind the terminal as /dev/console")?;
            put_on_file(console.as_fd(), dev, "console")?;
            Ok(Some(pty))
        }
    }
}

fn mount_pts(dev: BorrowedFd<'_>, group: TtyGroup) -> Result<OwnedFd> {
    let options: &[FsOption<'_>] = &[
        ("source", Some("devpts")),
        ("newinstance", None),
        ("ptmxmode", Some("0666")),
        ("mode", Some("0620")),
        ("gid", Some("5")),
    ];
    let options = if group == TtyGroup::Mapped { options } else { &options[..4] };
    let attributes = Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_NOEXEC;
    let pts = mount::new_mount("devpts", options, attributes).doing(|| "cannot mount a devpts file system")?;
    put_on_directory(pts.as_fd(), dev, "pts")?;
    Ok(pts)
}

fn mount_shm_and_mqueue(dev: BorrowedFd<'_>, shm: SharedMemory<'_>) -> Result<()> {
    let attributes = Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_NODEV | Attributes::MOUNT_ATTR_NOEXEC;
    match shm {
        SharedMemory::Own { size } => {
            let shm = tmpfs("shm", &[("mode", Some("1777")), ("size", Some(&size.to_string()))], attributes)?;
            put_on_directory(shm.as_fd(), dev, "shm")?;
        }
        SharedMemory::Absent => {
            rustix::fs::mkdirat(dev, "shm", Mode::from_raw_mode(0o755)).doing(|| "cannot make /dev/shm")?;
        }
        SharedMemory::Host => return bind_shm_and_mqueue(dev),
        SharedMemory::Others { shm, mqueue } => {
            let put = |tree: Option<BorrowedFd<'_>>, name| tree.map_or(Ok(()), |tree| put_copy(tree, dev, name));
            return put(shm, "shm").and_then(|()| put(mqueue, "mqueue"));
        }
    }
    let queues = mount::new_mount("mqueue", &[("source", Some("mqueue"))], attributes)
        .doing(|| "cannot mount a message queue file system (mqueue)")?;
    put_on_directory(queues.as_fd(), dev, "mqueue")
}

/// With the host's ipc namespace, of which a message queue file system cannot be mounted by others than its owner.
fn bind_shm_and_mqueue(dev: BorrowedFd<'_>) -> Result<()> {
    for (name, path) in [("shm", "/dev/shm"), ("mqueue", "/dev/mqueue")] {
        match mount::clone_host_tree(Path::new(path), Depth::Recursive) {
            Ok(tree) => put_on_directory(tree.as_fd(), dev, name)?,
            // Not every host has both.
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(Failure::new(format!("cannot bind the host's {path}"), errno.into_cause())),
        }
    }
    Ok(())
}

/// Puts a copy of a detached mount there; the mount itself where that cannot be copied (before Linux 6.15), which does for
/// one run of the payload.
fn put_copy(tree: BorrowedFd<'_>, dev: BorrowedFd<'_>, name: &str) -> Result<()> {
    match mount::clone_tree(tree, Path::new(""), Depth::Recursive) {
        Ok(copy) => put_on_directory(copy.as_fd(), dev, name),
        Err(Errno::INVAL) => put_on_directory(tree, dev, name),
        Err(errno) => Err(Failure::new(format!("cannot copy the other container's /dev/{name}"), errno.into_cause())),
    }
}

/// Opens a new terminal of the devpts instance `pts`, both ends, none of them the caller's
/// controlling terminal. The slave comes from the master itself and so cannot be another file.
pub fn open_pty(pts: BorrowedFd<'_>) -> Result<Pty> {
    let doing = || "cannot open a terminal in the container";
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::openat(pts, "ptmx", flags, Mode::empty()).doing(doing)?;
    rustix::pty::unlockpt(&master).doing(doing)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).doing(doing)?;
    Ok(Pty { master, slave })
}

/// The directory `name` of the container's root, made where it is missing. Unlike other places it may
/// not be a link: what would the mounts of an image mean that has /proc lead to /etc?
fn top_directory(root: &Root<'_>, name: &str) -> Result<OwnedFd> {
    let doing = || format!("cannot mount on /{name} in the container");
    let open = || {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(root.directory(), name, flags, Mode::empty())
    };
    let opened = match open() {
        Err(Errno::NOENT) => {
            rustix::fs::mkdirat(root.directory(), name, Mode::from_raw_mode(0o755)).doing(doing)?;
            open()
        }
        other => other,
    };
    match opened {
        Err(Errno::NOTDIR | Errno::LOOP) => {
            Err(Failure::new(doing(), "the image has something else than a directory there"))
        }
        other => other.doing(doing),
    }
}

/// The host's device node `/dev/NAME` as a detached mount, verified: what is bound is what was checked.
pub(super) fn host_device(name: &str, major: u32, minor: u32) -> Result<OwnedFd> {
    let doing = || format!("cannot bind the host's /dev/{name}");
    let node = mount::clone_host_tree(&Path::new("/dev").join(name), Depth::One).doing(doing)?;
    let stat = rustix::fs::fstat(&node).doing(doing)?;
    let right = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == rustix::fs::makedev(major, minor);
    if right { Ok(node) } else { Err(Failure::new(doing(), format!("it is not character device {major}:{minor}"))) }
}

/// Attaches `tree` to a new empty file of `dev`.
fn put_on_file(tree: BorrowedFd<'_>, dev: BorrowedFd<'_>, name: &str) -> Result<()> {
    rustix::fs::mknodat(dev, name, FileType::RegularFile, Mode::empty(), 0)
        .and_then(|()| mount::attach_at(tree, dev, name))
        .doing(|| format!("cannot mount on /dev/{name} in the container"))
}

/// Attaches `tree` to a new directory of `dev`.
fn put_on_directory(tree: BorrowedFd<'_>, dev: BorrowedFd<'_>, name: &str) -> Result<()> {
    rustix::fs::mkdirat(dev, name, Mode::from_raw_mode(0o755))
        .and_then(|()| mount::attach_at(tree, dev, name))
        .doing(|| format!("cannot mount on /dev/{name} in the container"))
}

/// `name` is what mount(8) and df(1) show.
fn tmpfs(name: &str, options: &[FsOption<'_>], attributes: Attributes) -> Result<OwnedFd> {
    let all: Vec<FsOption<'_>> = [("source", Some(name))].into_iter().chain(options.iter().copied()).collect();
    mount::new_mount("tmpfs", &all, attributes).doing(|| "cannot mount a tmpfs file system")
}

/// The number of the file system's kind (statfs(2)).
fn file_system(fd: BorrowedFd<'_>) -> rustix::io::Result<u64> {
    Ok(rustix::fs::fstatfs(fd)?.f_type as u64)
}

#[cfg(test)]
mod tests {
    use super::super::cover::{DEFAULT_COVERED, NOTHING_COVERED};
    use super::*;
    use crate::sys::testing::in_new_namespaces;
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

    const WANTED: KernelFilesystems<'static> = KernelFilesystems {
        shm: SharedMemory::Own { size: 1 << 20 },
        processes: ShownProcesses::Own,
        terminal: Terminal::Wanted,
        covered: DEFAULT_COVERED,
        network: NetworkOwner::Container,
        cgroup: CgroupNamespace::Own,
        tty_group: TtyGroup::Mapped,
    };

    /// Mounts into an empty root that `prepare` has filled, enters it, and lets `look` look around.
    fn in_container(
        wanted: KernelFilesystems<'static>,
        prepare: impl FnOnce(&Path),
        look: impl FnOnce(Result<Mounted>),
    ) {
        let place = tempfile::tempdir().unwrap();
        in_new_namespaces(|| {
            prepare(place.path());
            let root = fs::File::open(place.path()).unwrap();
            let mounted = mount_kernel_filesystems(&Root::new(root.as_fd()), &wanted);
            rustix::process::fchdir(&root).unwrap();
            rustix::process::chroot(".").unwrap();
            look(mounted);
        });
    }

    fn write_errno(path: &str) -> Option<i32> {
        fs::OpenOptions::new().write(true).open(path).err().and_then(|error| error.raw_os_error())
    }

    /// The options of the mounts at `path`, from the top one, as in /proc/self/mountinfo.
    fn mount_options(path: &str) -> String {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = table
            .lines()
            .rfind(|line| line.split(' ').nth(4) == Some(path))
            .unwrap_or_else(|| panic!("{path}: {table}"));
        let words: Vec<_> = line.split(' ').collect();
        let separator = words.iter().position(|word| *word == "-").unwrap();
        format!("{} {} {}", words[separator + 1], words[5], words[separator + 3])
    }

    #[test]
    fn proc_is_the_containers_own_and_covered() {
        in_container(
            WANTED,
            |_| (),
            |mounted| {
                assert_eq!(mounted.unwrap().notices, []);
                assert_eq!(std::process::id(), 1);
                assert_eq!(fs::read_link("/proc/self").unwrap().to_str(), Some("1"));
                assert!(mount_options("/proc").starts_with("proc rw,nosuid,nodev,noexec"));
                assert_eq!(fs::read("/proc/interrupts").unwrap(), b"");
                assert_eq!(fs::metadata("/proc/timer_list").unwrap().rdev(), rustix::fs::makedev(1, 3));
                assert_eq!(fs::read_dir("/sys/firmware").unwrap().count(), 0);
                assert_eq!(fs::read_dir("/proc/acpi").unwrap().count(), 0);
                assert_eq!(fs::create_dir("/sys/firmware/x").unwrap_err().raw_os_error(), Some(libc::EROFS));
                assert_eq!(write_errno("/proc/sys/net/ipv4/ip_forward"), Some(libc::EROFS));
                assert!(mount_options("/proc/irq").starts_with("proc ro,nosuid,nodev,noexec"));
                assert!(fs::read_to_string("/proc/meminfo").unwrap().contains("MemTotal"));
            },
        );
    }

    #[test]
    fn without_covers_the_payload_may_write_its_own_settings() {
        in_container(
            KernelFilesystems { covered: NOTHING_COVERED, ..WANTED },
            |_| (),
            |mounted| {
                mounted.unwrap();
                fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
                assert!(!fs::read("/proc/interrupts").unwrap().is_empty());
            },
        );
    }

    #[test]
    fn sys_is_read_only_and_shows_the_containers_network() {
        in_container(
            WANTED,
            |_| (),
            |mounted| {
                mounted.unwrap();
                assert!(mount_options("/sys").starts_with("sysfs ro,nosuid,nodev,noexec"));
                let devices: Vec<_> =
                    fs::read_dir("/sys/class/net").unwrap().map(|entry| entry.unwrap().file_name()).collect();
                assert_eq!(devices, ["lo"]);
            },
        );
    }

    #[test]
    fn with_the_hosts_network_sys_is_the_hosts_and_read_only_all_the_way_down() {
        in_container(
            KernelFilesystems { network: NetworkOwner::Host, ..WANTED },
            |_| (),
            |mounted| {
                mounted.unwrap();
                let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
                let below = table
                    .lines()
                    .map(|line| line.split(' ').collect::<Vec<_>>())
                    .filter(|words| words[4].starts_with("/sys"));
                let mut count = 0;
                for words in below {
                    assert!(words[5].starts_with("ro,nosuid,nodev,noexec"), "{words:?}");
                    count += 1;
                }
                assert!(count >= 1);
            },
        );
    }

    #[test]
    fn dev_has_its_nodes_links_and_mounts() {
        in_container(
            WANTED,
            |_| (),
            |mounted| {
                let mounted = mounted.unwrap();
                assert!(mount_options("/dev").starts_with("tmpfs rw,nosuid "));
                for (name, major, minor) in DEVICES {
                    let meta = fs::metadata(Path::new("/dev").join(name)).unwrap();
                    assert!(meta.file_type().is_char_device());
                    assert_eq!(meta.rdev(), rustix::fs::makedev(major, minor), "{name}");
                }
                fs::write("/dev/null", "x").unwrap();
                assert_eq!(fs::read_link("/dev/ptmx").unwrap().to_str(), Some("pts/ptmx"));
                assert_eq!(fs::read_link("/dev/fd").unwrap().to_str(), Some("/proc/self/fd"));
                assert!(fs::read_dir("/dev/fd").unwrap().count() > 0);
                assert!(mount_options("/dev/shm").contains("size=1024k"));
                assert!(mount_options("/dev/shm").starts_with("tmpfs rw,nosuid,nodev,noexec"));
                assert_eq!(fs::metadata("/dev/shm").unwrap().permissions().mode() & 0o7777, 0o1777);
                assert!(mount_options("/dev/mqueue").starts_with("mqueue rw,nosuid,nodev,noexec"));
                let pts = mount_options("/dev/pts");
                assert!(pts.contains("mode=620") && pts.contains("ptmxmode=666"), "{pts}");
                let pty = mounted.pty.unwrap();
                let (console, slave) = (fs::metadata("/dev/console").unwrap(), fs::metadata("/dev/pts/0").unwrap());
                assert_eq!((slave.uid(), slave.gid()), (0, 5));
                assert_eq!((console.dev(), console.ino(), console.rdev()), (slave.dev(), slave.ino(), slave.rdev()));
                rustix::io::write(&pty.slave, b"to the master").unwrap();
                let mut text = [0; 32];
                assert_eq!(rustix::io::read(&pty.master, &mut text), Ok(13));
                assert!(fs::File::options().read(true).write(true).open("/dev/ptmx").is_ok());
            },
        );
    }

    #[test]
    fn without_a_terminal_there_is_no_console_and_without_group_5_no_tty_group() {
        let wanted = KernelFilesystems { terminal: Terminal::Absent, tty_group: TtyGroup::Unmapped, ..WANTED };
        in_container(
            wanted,
            |_| (),
            |mounted| {
                assert!(mounted.unwrap().pty.is_none());
                assert!(!Path::new("/dev/console").exists());
                assert!(!mount_options("/dev/pts").contains("gid="));
            },
        );
    }

    #[test]
    fn an_image_that_makes_proc_a_link_is_refused() {
        for name in ["proc", "sys", "dev"] {
            let prepare = |root: &Path| {
                fs::create_dir(root.join("etc")).unwrap();
                std::os::unix::fs::symlink("/etc", root.join(name)).unwrap();
            };
            in_container(WANTED, prepare, |mounted| {
                let message = mounted.unwrap_err().to_string();
                assert!(
                    message.contains(&format!("/{name} ")) && message.contains("something else than a directory"),
                    "{message}"
                );
                assert_eq!(fs::read_dir("/etc").unwrap().count(), 0);
            });
        }
    }

    #[test]
    fn where_proc_and_sys_are_masked_outside_the_outer_ones_are_bound_and_that_is_said() {
        in_new_namespaces(|| {
            // A container as other runners make it: a proc of its own with a mask, which a further
            // namespace cannot take off.
            let proc = mount::new_mount("proc", &[], Attributes::empty()).unwrap();
            mount::attach(proc.as_fd(), fs::File::open("/proc").unwrap().as_fd()).unwrap();
            let mask = mount::new_mount("tmpfs", &[], Attributes::empty()).unwrap();
            mount::attach(mask.as_fd(), fs::File::open("/proc/sys").unwrap().as_fd()).unwrap();
            let sys = mount::new_mount("sysfs", &[], Attributes::empty()).unwrap();
            mount::attach(sys.as_fd(), fs::File::open("/sys").unwrap().as_fd()).unwrap();
            let mask = mount::new_mount("tmpfs", &[], Attributes::empty()).unwrap();
            mount::attach(mask.as_fd(), fs::File::open("/sys/firmware").unwrap().as_fd()).unwrap();
            in_container(
                WANTED,
                |_| (),
                |mounted| {
                    let notices = mounted.unwrap().notices;
                    assert_eq!(notices.len(), 2, "{notices:?}");
                    assert!(notices[0].0.contains("/proc are masked"), "{notices:?}");
                    assert!(notices[1].0.contains("/sys are masked"), "{notices:?}");
                    assert!(mount_options("/sys").starts_with("sysfs ro,nosuid,nodev,noexec"));
                    assert!(fs::read_to_string("/proc/self/status").unwrap().contains("Name:"));
                    assert_eq!(fs::read_dir("/proc/sys").unwrap().count(), 0);
                    assert_eq!(fs::read("/proc/interrupts").unwrap(), b"");
                },
            );
        });
    }

    #[test]
    fn a_false_device_is_refused() {
        in_new_namespaces(|| {
            let failure = host_device("zero", 1, 3).unwrap_err();
            assert!(failure.to_string().contains("/dev/zero: it is not character device 1:3"), "{failure}");
        });
    }
}
