//! What a container takes on disk.

use super::record::Container;
use crate::error::{Doing, Result};
use crate::image;
use crate::launch::StoreNamespace;
use crate::store::Store;
use std::fs;
use std::io;
use std::path::Path;

/// Bytes of the files that a container has written: the lengths of what is in its overlay's upper
/// directory.
///
/// # Errors
/// The directory cannot be read; what vanishes meanwhile is no error.
pub fn written_by(container: &Container) -> Result<u64> {
    let upper = container.dir.join("upper");
    if !upper.exists() {
        return Ok(0);
    }
    // Its files belong to ids of the container, and may be readable to them alone.
    StoreNamespace::here()?.run_on_files_of(&container.plan.ids, || {
        lengths_below(&upper).doing(|| format!("cannot measure {}", upper.display()))
    })
}

/// Bytes of the image that a container stands on; 0 where it stands on a directory, or the image is gone: the
/// container keeps its layers.
pub fn below(store: &Store, container: &Container) -> u64 {
    let image = container.plan.image.as_ref().and_then(|image| image::resolve(store, &image.id).ok());
    image.map_or(0, |image| image.unpacked_size.unwrap_or(image.size))
}

/// The lengths of a tree of which every file may be looked at.
///
/// # Errors
/// The system's; what vanishes meanwhile is no error.
pub(super) fn lengths_below(directory: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        total += match () {
            () if metadata.is_dir() => match lengths_below(&entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                length => length?,
            },
            () if metadata.is_file() => metadata.len(),
            () => 0,
        };
    }
    Ok(total)
}
