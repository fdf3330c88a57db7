//! Contexts that come on standard input.

use crate::container::copy::unpack::{self, Destination};
use crate::error::{Doing, Result};
use crate::host::userns::own_ids;
use crate::image::stream::auto_decoder;
use crate::rootfs::overlay::open_directory;
use crate::rootfs::resolve::Root;
use crate::store::{Store, TempDir};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

/// A context in which there is nothing. It goes when it is dropped.
///
/// # Errors
/// The system's.
pub fn empty(store: &Store) -> Result<TempDir> {
    TempDir::new(store, "context")
}

/// Unpacks an archive, plain or packed with gzip or zstd, as the user's own files. They go when the result is dropped.
///
/// # Errors
/// The archive is damaged or leads out; the system's.
pub fn unpack(store: &Store, archive: impl Read + Send) -> Result<TempDir> {
    let directory = empty(store)?;
    let (_, mut decoder) = auto_decoder(archive).doing(|| "cannot read the context")?;
    let top = open_directory(directory.path())?;
    let (user, group) = own_ids();
    let owner = move |_, _| (user.0, group.0);
    let destination = Destination { root: Root::new(top.as_fd()), directory: Path::new("/"), owner: &owner };
    unpack::unpack(&mut decoder, &destination)?;
    Ok(directory)
}
