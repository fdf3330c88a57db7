//! A root file system for `--rootfs`: what is tested with it needs no pull.

use super::{Rr, images};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unpacks the layers of the alpine archive into `rr`'s own directory, as the user who runs the test.
pub fn small_root(rr: &Rr) -> Result<PathBuf, String> {
    let archive = images::alpine()?;
    let (layout, root) = (rr.directory("layout"), rr.directory("rootfs"));
    untar(&["-xf"], archive, &layout)?;
    for blob in std::fs::read_dir(layout.join("blobs/sha256")).map_err(|error| error.to_string())?.flatten() {
        let content = std::fs::read(blob.path()).map_err(|error| error.to_string())?;
        if content.starts_with(&[0x1f, 0x8b]) {
            untar(&["-xzf"], &blob.path(), &root)?;
        }
    }
    if root.join("bin/busybox").exists() { Ok(root) } else { Err(format!("no busybox in {}", archive.display())) }
}

fn untar(options: &[&str], archive: &Path, into: &Path) -> Result<(), String> {
    let output = Command::new("tar").args(options).arg(archive).arg("-C").arg(into).output();
    let output = output.map_err(|error| format!("tar: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
