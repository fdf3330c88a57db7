//! `mount_overlay`: the image's layers and a writable one become one tree.
//!
//! Every directory is named to the kernel by a descriptor, as /proc/self/fd/N: short, so that 128
//! layers fit into the page that mount(2) allows; free of the colons, commas and backslashes that
//! overlay gives a meaning; and open since before the process changed ids, so that a store which the
//! container's root may not reach (`--userns nomap`) can still be used.
//!
//! Rungs, each taken by trying: the mount API with one `lowerdir+` a layer (Linux 6.8), mount(2) with
//! one string, then what [`super::fuse`] and [`super::copy`] offer.

use crate::error::{Doing, Failure, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, mount, move_mount,
};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Who stacks the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Driver {
    /// The first of the three below that works here.
    #[default]
    Auto,
    /// The kernel's overlay, or an error.
    Kernel,
    /// The same, by mount(2) alone as before Linux 6.8.
    KernelByMount,
    /// fuse-overlayfs(1), or an error.
    Fuse,
    /// A plain copy.
    Copy,
}

impl std::str::FromStr for Driver {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Driver, String> {
        match text {
            "" | "auto" => Ok(Driver::Auto),
            "kernel" => Ok(Driver::Kernel),
            "mount" => Ok(Driver::KernelByMount),
            "fuse" => Ok(Driver::Fuse),
            "copy" => Ok(Driver::Copy),
            other => Err(format!("`{other}` is none of auto, kernel, mount, fuse and copy")),
        }
    }
}

/// In the container's directory, what [`Layers::copy_once`] makes.
pub const COPY: &str = "tree";

/// Whether what is written must survive a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The upper directory is synced when the container ends.
    Synced,
    /// Overlay's `volatile`: no sync at all. The same upper directory mounts again only after its
    /// `work/incompat/volatile` is removed.
    Volatile,
}

/// The directories of an overlay, opened (O_PATH) but not yet mounted.
#[derive(Debug)]
pub struct Layers {
    /// Bottom first.
    lower: Vec<OwnedFd>,
    /// `containers/<id>`: upper/ and work/ are made in it, and the overlay is mounted upon it.
    container: OwnedFd,
}

/// The upper and work directories.
#[derive(Debug)]
pub struct Writable {
    /// Where changes go.
    pub upper: OwnedFd,
    /// Overlay's own scratch directory, on the same file system.
    pub work: OwnedFd,
}

/// Why the kernel did not mount the overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub Errno);

impl Layers {
    /// Opens them; a missing layer is named.
    ///
    /// # Errors
    /// A directory cannot be opened.
    pub fn open(lower: &[PathBuf], container: &Path) -> Result<Layers> {
        let lower = lower.iter().map(|path| open_directory(path)).collect::<Result<_>>()?;
        Ok(Layers { lower, container: open_directory(container)? })
    }

    /// The lower directories, bottom first.
    pub fn lower(&self) -> &[OwnedFd] {
        &self.lower
    }

    /// The container's directory.
    pub fn container(&self) -> BorrowedFd<'_> {
        self.container.as_fd()
    }

    /// The last rung: a plain copy of all layers, mounted upon the container's directory.
    ///
    /// # Errors
    /// The system's: no space left, above all.
    pub fn copy(&self) -> Result<OwnedFd> {
        let tree = self.copy_once()?;
        let mount = crate::sys::mount::clone_tree(tree.as_fd(), Path::new(""), crate::sys::mount::Depth::One);
        let mount = mount.doing(|| "cannot bind the root file system")?;
        crate::sys::mount::attach(mount.as_fd(), self.container()).doing(|| "cannot attach the root file system")?;
        Ok(mount)
    }

    /// A plain copy of all layers as tree/, unless an earlier start has made it.
    ///
    /// # Errors
    /// The system's: no space left, above all.
    pub fn copy_once(&self) -> Result<OwnedFd> {
        let doing = || "cannot copy the image's layers";
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.container, COPY, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                rustix::fs::mkdirat(&self.container, "tree.new", Mode::from_raw_mode(0o755)).doing(doing)?;
                let new = rustix::fs::openat(&self.container, "tree.new", flags, Mode::empty()).doing(doing)?;
                super::copy::copy_layers(&self.lower, new.as_fd())?;
                rustix::fs::renameat(&self.container, "tree.new", &self.container, COPY).doing(doing)?;
                Ok(new)
            }
            tree => tree.doing(doing),
        }
    }

    /// Whether the container's directory is on an overlay, which takes no upper directory of another one: the usual case
    /// inside a container.
    pub fn lie_on_overlay(&self) -> bool {
        // OVERLAYFS_SUPER_MAGIC (statfs(2)).
        rustix::fs::fstatfs(&self.container).is_ok_and(|stat| stat.f_type as u64 == 0x794c_7630)
    }

    /// Makes upper/ and work/ as the current user, unless an earlier start has, and opens them.
    ///
    /// # Errors
    /// The system's: no space left, no permission.
    pub fn make_writable(&self) -> Result<Writable> {
        for name in ["upper", "work"] {
            match rustix::fs::mkdirat(&self.container, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error).doing(|| format!("cannot make the container's {name} directory")),
            }
        }
        let writable = self.open_writable()?;
        // A former mount that was volatile leaves this mark, whether it was unmounted or its owner killed, and
        // overlay then refuses: an empty directory, since Linux 5.11 with an empty file in it.
        let marks = [
            ("work/incompat/volatile/dirty", AtFlags::empty()),
            ("work/incompat/volatile", AtFlags::REMOVEDIR),
            ("incompat/volatile", AtFlags::REMOVEDIR),
        ];
        for (name, flags) in marks {
            match rustix::fs::unlinkat(&writable.work, name, flags) {
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
                Err(error) => return Err(error).doing(|| "cannot clear the mark of a volatile overlay"),
            }
        }
        Ok(writable)
    }

    /// The upper directory is the container's `/`: it gets owner and mode of the image's.
    ///
    /// # Errors
    /// The system's.
    pub fn take_over_top(&self, writable: &Writable) -> Result<()> {
        let doing = || "cannot prepare the container's upper directory";
        let Some(top) = self.lower.last() else { return Ok(()) };
        let (image, upper) = (rustix::fs::fstat(top).doing(doing)?, rustix::fs::fstat(&writable.upper).doing(doing)?);
        if (image.st_uid, image.st_gid) != (upper.st_uid, upper.st_gid) {
            let (uid, gid) = (rustix::fs::Uid::from_raw(image.st_uid), rustix::fs::Gid::from_raw(image.st_gid));
            rustix::fs::chownat(&writable.upper, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH).doing(doing)?;
        }
        if image.st_mode != upper.st_mode {
            // fchmod(2) does not take O_PATH descriptors.
            rustix::fs::chmodat(&self.container, "upper", Mode::from_raw_mode(image.st_mode), AtFlags::empty())
                .doing(doing)?;
        }
        Ok(())
    }

    /// Opens upper/ and work/, which are there.
    ///
    /// # Errors
    /// The system's.
    pub fn open_writable(&self) -> Result<Writable> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |name: &str| {
            rustix::fs::openat(&self.container, name, flags, Mode::empty())
                .doing(|| format!("cannot open the container's {name} directory"))
        };
        Ok(Writable { upper: open("upper")?, work: open("work")? })
    }

    /// Mounts them upon the container's directory and opens the root of the result. By mount(2) alone where
    /// `driver` says so.
    ///
    /// # Errors
    /// The outer for the system's, the inner where the kernel refuses overlay as such.
    pub fn mount(
        &self,
        writable: &Writable,
        durability: Durability,
        driver: Driver,
    ) -> Result<std::result::Result<OwnedFd, Refused>> {
        let by_parts = match driver {
            Driver::KernelByMount => Err(Errno::NOSYS),
            _ => self.mount_by_parts(writable, durability),
        };
        match by_parts {
            Ok(tree) => {
                let empty_paths = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
                move_mount(&tree, "", &self.container, "", empty_paths).doing(|| "cannot attach the overlay")?;
                return Ok(Ok(tree));
            }
            Err(error) => log::debug!("overlay by the mount API: {error}"),
        }
        match self.mount_by_string(writable, durability) {
            Ok(()) => open_mounted(&self.container).map(Ok),
            Err(error) => Ok(Err(Refused(error))),
        }
    }

    /// fsopen(2) … fsmount(2); `lowerdir+` needs Linux 6.8, and older kernels answer EINVAL.
    fn mount_by_parts(&self, writable: &Writable, durability: Durability) -> rustix::io::Result<OwnedFd> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        // The source shown in mountinfo.
        fsconfig_set_string(&context, "source", "overlay")?;
        // Unprivileged overlay keeps its marks in user.overlay.* attributes (Linux 5.11).
        fsconfig_set_flag(&context, "userxattr")?;
        if durability == Durability::Volatile {
            fsconfig_set_flag(&context, "volatile")?;
        }
        for layer in self.lower.iter().rev() {
            fsconfig_set_string(&context, "lowerdir+", name_of(layer))?;
        }
        fsconfig_set_string(&context, "upperdir", name_of(&writable.upper))?;
        fsconfig_set_string(&context, "workdir", name_of(&writable.work))?;
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
    }

    /// mount(2), whose options are one string of at most a page.
    fn mount_by_string(&self, writable: &Writable, durability: Durability) -> rustix::io::Result<()> {
        let lower: Vec<String> = self.lower.iter().rev().map(name_of).collect();
        let volatile = if durability == Durability::Volatile { ",volatile" } else { "" };
        let options = format!(
            "userxattr{volatile},upperdir={},workdir={},lowerdir={}",
            name_of(&writable.upper),
            name_of(&writable.work),
            lower.join(":")
        );
        let options = CString::new(options).map_err(|_| Errno::INVAL)?;
        mount("overlay", name_of(&self.container), "overlay", MountFlags::empty(), options.as_c_str())
    }
}

/// The name under which this process can reach an open file (proc_pid_fd(5)).
fn name_of(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

/// Opens a directory as a place (O_PATH).
///
/// # Errors
/// The system's, with the path.
pub fn open_directory(path: &Path) -> Result<OwnedFd> {
    rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .doing(|| format!("cannot open {}", path.display()))
}

/// Opens what is mounted upon `under`: a descriptor from before the mount shows what lies beneath.
fn open_mounted(under: &OwnedFd) -> Result<OwnedFd> {
    let path = std::fs::read_link(name_of(under)).doing(|| "cannot find the container's directory")?;
    open_directory(&path)
}

/// Bind-mounts a directory upon itself, so that it can become a root: `--rootfs DIR`. `path` is its
/// name for messages.
///
/// # Errors
/// The directory cannot be mounted.
pub fn bind_directory(directory: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    use crate::sys::mount::{Depth, attach, clone_tree};
    let doing = || format!("cannot use {} as root file system", path.display());
    let tree = clone_tree(directory, Path::new(""), Depth::Recursive).doing(doing)?;
    attach(tree.as_fd(), directory).doing(doing)?;
    Ok(tree)
}

impl Refused {
    /// As a failure, for whoever has no other rung.
    pub fn failure(self) -> Failure {
        Failure::new("cannot mount the overlay", crate::error::errno_text(self.0.raw_os_error()))
    }
}
