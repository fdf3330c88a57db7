//! Where there are no namespaces: the image in a private copy, and chroot(2) into it ([`Means::Chroot`]).
//!
//! Stands in for `make_mounts_private` to `detach_old_root`: nothing is mounted. The container has no /proc, no /sys and
//! no volumes; its devices are nodes in the copy, where root may make some. It is not kept apart from this machine's
//! other processes, and whoever is root in it can leave it: that is what the client has said.
//!
//! [`Means::Chroot`]: crate::host::means::Means::Chroot

use super::super::plan::RootSource;
use super::super::protocol::FromInit;
use super::super::stdio::Input;
use super::{Mapped, PayloadTerminal, Rooted, make_working_directory};
use crate::error::{Doing, Failure, Result};
use crate::rootfs::kernel_filesystems::open_pty;
use crate::rootfs::resolve::Root;
use crate::rootfs::{bare, overlay, pivot};
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

impl<'a> Mapped<'a> {
    /// From here on the copy is all that a path leads to.
    pub(super) fn enter_copy(self) -> Result<Rooted<'a>> {
        let plan = self.launch.plan;
        log::debug!("copy_layers");
        let tree = self.plain_root()?;
        {
            let root = Root::new(tree.as_fd());
            bare::write_names(&root, &self.launch.names)?;
            if bare::make_devices(&root)? == bare::Devices::Refused {
                self.notice("the container has no devices, /dev/null among them: mknod(2) is refused here".to_owned())?;
            }
        }
        let terminal = self.open_terminal()?;
        if self.launch.input == Input::Nothing && terminal.is_none() {
            let null = rustix::fs::openat(CWD, "/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            null.and_then(rustix::stdio::dup2_stdin).doing(|| "cannot set up the standard streams")?;
        }
        let identity = self.identify(&Root::new(tree.as_fd()))?;
        for notice in &identity.notices {
            self.notice(notice.0.clone())?;
        }
        log::debug!("chroot");
        pivot::enter_by_chroot(tree.as_fd())?;
        make_working_directory(&plan.process.cwd, &identity)?;
        let Mapped { launch, monitor, streams, network, .. } = self;
        Ok(Rooted { launch, monitor, terminal, streams, identity, network })
    }

    /// The copy of the layers; a directory of `--rootfs` is used as it is.
    fn plain_root(&self) -> Result<OwnedFd> {
        match (&self.layers, &self.launch.plan.root) {
            (Some(layers), _) => layers.copy_once(),
            (None, RootSource::Directory { path }) => overlay::open_directory(path),
            (None, _) => {
                Err(Failure::new("cannot make the root file system", "the plan names neither layers nor a directory"))
            }
        }
    }

    /// One of this machine's terminals: the container has no devpts of its own.
    fn open_terminal(&self) -> Result<PayloadTerminal> {
        if !self.launch.plan.stdio.tty {
            return Ok(None);
        }
        let pty = open_pty(overlay::open_directory(Path::new("/dev"))?.as_fd())?;
        if let Some(size) = self.launch.window {
            rustix::termios::tcsetwinsize(&pty.slave, size.into()).doing(|| "cannot set the terminal's size")?;
        }
        self.monitor.send_with(&FromInit::TerminalOpened, Some(pty.master.as_fd()))?;
        Ok(Some(pty.slave))
    }
}
