//! Masked and read-only paths of /proc and /sys.
//!
//! Each is looked up below the descriptor of the procfs or sysfs itself, links refused, so that the
//! image has no say in what gets covered; and what covers is verified or freshly made.

use super::kernel_filesystems::host_device;
use super::resolve::Root;
use crate::error::{Doing, Failure, IntoCause, Result};
use crate::sys::mount::{self, Attributes, Depth, Reached};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::path::Path;

/// Paths of /proc and /sys that a container must not see or write (runtime-spec `maskedPaths` and
/// `readonlyPaths`). Every path begins with /proc/ or /sys/; what does not exist is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered<'a> {
    /// A file reads as empty, a directory is empty; neither can be written.
    pub masked: &'a [&'a str],
    /// Can be read only.
    pub read_only: &'a [&'a str],
    /// Each processor's thermal_throttle counters, which let a neighbour be watched
    /// (GHSA-6fw5-f8r9-fgfm); one path a processor, hence no list.
    pub thermal_throttle: ThermalThrottle,
}

/// See [`Covered::thermal_throttle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ThermalThrottle {
    Masked,
    Visible,
}

/// Docker's lists (moby, `daemon/pkg/oci/defaults.go`).
pub const DEFAULT_COVERED: Covered<'static> = Covered {
    masked: &[
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ],
    read_only: &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    thermal_throttle: ThermalThrottle::Masked,
};

/// Nothing is covered: `--privileged`, `--security-opt systempaths=unconfined`.
pub const NOTHING_COVERED: Covered<'static> =
    Covered { masked: &[], read_only: &[], thermal_throttle: ThermalThrottle::Visible };

/// Hides the masked paths and protects the read-only ones. `proc` and `sys` are the roots of the
/// attached file systems.
pub(super) fn cover(proc: BorrowedFd<'_>, sys: BorrowedFd<'_>, covered: &Covered<'_>) -> Result<()> {
    let mut mask = Mask { empty_directory: None };
    for path in covered.masked {
        let (below, path) = split(proc, sys, path)?;
        mask.put(below, path)?;
    }
    if covered.thermal_throttle == ThermalThrottle::Masked {
        mask.put_thermal_throttle(sys)?;
    }
    for path in covered.read_only {
        let (below, path) = split(proc, sys, path)?;
        make_read_only(below, path)?;
    }
    Ok(())
}

/// Covers what a volume has put on /proc or /sys (`-v /proc:/proc`): it hides the covers along with the file
/// system they lie on, and brings the host's own, unmasked. Docker masks after its volumes, too.
///
/// # Errors
/// The system's.
pub fn cover_volumes(root: &Root<'_>, covered: &Covered<'_>) -> Result<()> {
    let open = |path: &str| {
        let doing = || format!("cannot cover {path} in the container");
        root.open_dir_in_root(Path::new(path)).map_err(|errno| Failure::new(doing(), errno.into_cause()))
    };
    let (proc, sys) = (open("/proc")?, open("/sys")?);
    cover(proc.as_fd(), sys.as_fd(), covered)
}

/// Whether a path lies in one of the file systems that [`Covered`] is about.
pub fn is_kernels(path: &str) -> bool {
    path.starts_with("/proc/") || path.starts_with("/sys/")
}

/// Masks those of `paths` that lie elsewhere in the container, links followed inside of it; what is not there
/// needs no mask.
///
/// # Errors
/// The system's.
pub fn mask_elsewhere(root: &Root<'_>, paths: &[String]) -> Result<()> {
    let mut mask = Mask { empty_directory: None };
    for path in paths.iter().filter(|path| !is_kernels(path)) {
        match root.open_existing(Path::new(path), OFlags::PATH) {
            Ok(place) => mask.put_on(place, path)?,
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => return Err(Failure::new(format!("cannot mask {path} in the container"), errno.into_cause())),
        }
    }
    Ok(())
}

/// Splits a covered path into the file system it lies on and the rest.
fn split<'fd, 'path>(
    proc: BorrowedFd<'fd>,
    sys: BorrowedFd<'fd>,
    path: &'path str,
) -> Result<(BorrowedFd<'fd>, &'path str)> {
    if let Some(rest) = path.strip_prefix("/proc/") {
        Ok((proc, rest))
    } else if let Some(rest) = path.strip_prefix("/sys/") {
        Ok((sys, rest))
    } else {
        Err(Failure::new(format!("cannot cover {path}"), "only paths of /proc and /sys can be covered"))
    }
}

/// Whether there was something to mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Masked {
    Yes,
    Missing,
}

/// The things that masks are made of.
struct Mask {
    /// One empty read-only tmpfs serves all masked directories; attached since its first use.
    empty_directory: Option<OwnedFd>,
}

impl Mask {
    fn put(&mut self, below: BorrowedFd<'_>, path: &str) -> Result<Masked> {
        let Some(place) = open_below(below, path)? else {
            return Ok(Masked::Missing);
        };
        self.put_on(place, path).map(|()| Masked::Yes)
    }

    fn put_on(&mut self, place: OwnedFd, path: &str) -> Result<()> {
        let doing = || format!("cannot mask {path} in the container");
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&place).doing(doing)?.st_mode);
        let cover = match kind {
            FileType::Directory => self.another_empty_directory().doing(doing)?,
            _ => host_device("null", 1, 3)?,
        };
        mount::attach(cover.as_fd(), place.as_fd()).doing(doing)?;
        if kind == FileType::Directory && self.empty_directory.is_none() {
            self.empty_directory = Some(cover);
        }
        Ok(())
    }

    /// The first is a new file system; the others are binds of it. Only an attached mount can be
    /// cloned before Linux 6.15, hence not of the detached one.
    fn another_empty_directory(&self) -> rustix::io::Result<OwnedFd> {
        match &self.empty_directory {
            Some(first) => mount::clone_tree(first.as_fd(), Path::new(""), Depth::One),
            None => {
                let attributes = Attributes::MOUNT_ATTR_RDONLY
                    | Attributes::MOUNT_ATTR_NOSUID
                    | Attributes::MOUNT_ATTR_NODEV
                    | Attributes::MOUNT_ATTR_NOEXEC;
                mount::new_mount(
                    "tmpfs",
                    &[("source", Some("tmpfs")), ("size", Some("4k")), ("nr_inodes", Some("2")), ("mode", Some("755"))],
                    attributes,
                )
            }
        }
    }

    /// Where the boot processor has no counters none has: so it is in every virtual machine, and
    /// there it costs one look-up.
    fn put_thermal_throttle(&mut self, sys: BorrowedFd<'_>) -> Result<()> {
        let path = |processor: u32| format!("devices/system/cpu/cpu{processor}/thermal_throttle");
        if self.put(sys, &path(0))? == Masked::Missing {
            return Ok(());
        }
        for processor in possible_processors(sys)?.filter(|processor| *processor != 0) {
            self.put(sys, &path(processor))?;
        }
        Ok(())
    }
}

/// All processors that may ever come online.
fn possible_processors(sys: BorrowedFd<'_>) -> Result<impl Iterator<Item = u32>> {
    let doing = || "cannot read /sys/devices/system/cpu/possible";
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(sys, "devices/system/cpu/possible", flags, Mode::empty()).doing(doing)?;
    let mut text = [0_u8; 1024];
    let length = rustix::io::read(&file, &mut text).doing(doing)?;
    let ranges = parse_processors(&String::from_utf8_lossy(&text[..length])).doing(doing)?;
    Ok(ranges.into_iter().flatten())
}

/// A list of processors as `0-3,8` (cpuset(7), "List format").
fn parse_processors(text: &str) -> std::result::Result<Vec<std::ops::RangeInclusive<u32>>, String> {
    let parse = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').map(|range| parse(range).ok_or_else(|| format!("`{range}` is no range"))).collect()
}

/// Binds a path on itself and makes the bind read-only; what does not exist is skipped.
fn make_read_only(below: BorrowedFd<'_>, path: &str) -> Result<()> {
    let doing = || format!("cannot make {path} read-only in the container");
    let Some(place) = open_below(below, path)? else {
        return Ok(());
    };
    let tree = mount::clone_tree(place.as_fd(), Path::new(""), Depth::Recursive).doing(doing)?;
    let attributes = Attributes::MOUNT_ATTR_RDONLY;
    match mount::set_attributes(tree.as_fd(), attributes, None, Depth::Recursive) {
        Ok(()) => mount::attach(tree.as_fd(), place.as_fd()).doing(doing),
        // Before Linux 5.12 a detached mount cannot be changed. Below these paths are no further
        // mounts but where an outer container has some, which are masks or read-only themselves.
        Err(Errno::NOSYS) => {
            mount::attach(tree.as_fd(), place.as_fd()).doing(doing)?;
            let reached: Reached = mount::remount(tree.as_fd(), attributes, None, Depth::One).doing(doing)?;
            debug_assert_eq!(reached, Reached::All);
            Ok(())
        }
        Err(errno) => Err(Failure::new(doing(), errno.into_cause())),
    }
}

/// Opens `path` below `directory` as a place, through no link at all; None where it does not exist.
pub(super) fn open_below(directory: BorrowedFd<'_>, path: &str) -> Result<Option<OwnedFd>> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(directory, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Failure::new(format!("cannot look up {path} in the container"), errno.into_cause())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        let all = |text| parse_processors(text).map(|ranges| ranges.into_iter().flatten().collect::<Vec<_>>());
        assert_eq!(all("0\n").unwrap(), [0]);
        assert_eq!(all("0-2,5,7-8\n").unwrap(), [0, 1, 2, 5, 7, 8]);
        assert!(all("0-x").is_err());
        assert!(all("").is_err());
    }

    /// No virtual machine has the counters, so a directory stands in for sysfs.
    #[test]
    fn every_processors_counters_are_masked_also_where_one_has_none() {
        let sys = tempfile::tempdir().unwrap();
        let processors = sys.path().join("devices/system/cpu");
        for number in [0, 1, 3] {
            std::fs::create_dir_all(processors.join(format!("cpu{number}/thermal_throttle"))).unwrap();
            std::fs::write(processors.join(format!("cpu{number}/thermal_throttle/count")), "7").unwrap();
        }
        std::fs::write(processors.join("possible"), "0-3\n").unwrap();
        crate::sys::testing::in_new_namespaces(|| {
            let directory = std::fs::File::open(sys.path()).unwrap();
            Mask { empty_directory: None }.put_thermal_throttle(directory.as_fd()).unwrap();
            for number in [0, 1, 3] {
                let counters = processors.join(format!("cpu{number}/thermal_throttle"));
                assert_eq!(std::fs::read_dir(counters).unwrap().count(), 0, "{number}");
            }
        });
    }
}
