//! A root file system with the programs of the machine that tests: what an image at hand does not have.

use super::Rr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A directory for `--rootfs` and the options that mount the machine's programs into it, read-only; or which of `programs`
/// the machine lacks.
pub fn host_root(rr: &Rr, programs: &[&str]) -> Result<(PathBuf, Vec<String>), String> {
    let places = ["/usr/bin", "/usr/sbin"].map(Path::new);
    if let Some(missing) = programs.iter().find(|name| !places.iter().any(|place| place.join(name).exists())) {
        return Err(format!("{missing} is not installed: contrib/test installs it"));
    }
    let root = rr.directory("hostroot");
    for name in ["etc", "usr", "tmp", "root", "dev", "proc", "sys"] {
        std::fs::create_dir_all(root.join(name)).map_err(|error| error.to_string())?;
    }
    let mut options = vec!["-v".to_owned(), "/usr:/usr:ro".to_owned()];
    // Directories of their own on some machines, links into /usr on others.
    for name in ["bin", "sbin", "lib", "lib64"] {
        match std::fs::read_link(Path::new("/").join(name)) {
            Ok(target) => symlink(target, root.join(name)).map_err(|error| error.to_string())?,
            Err(_) if Path::new("/").join(name).exists() => {
                options.extend(["-v".to_owned(), format!("/{name}:/{name}:ro")]);
            }
            Err(_) => {}
        }
    }
    for name in ["/etc/ssl", "/etc/alternatives"] {
        if Path::new(name).exists() {
            options.extend(["-v".to_owned(), format!("{name}:{name}:ro")]);
        }
    }
    Ok((root, options))
}
