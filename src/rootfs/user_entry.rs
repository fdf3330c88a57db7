//! A name for the user in their own container: with `--userns keep-id` the payload has the user's id,
//! which images do not know, and many programs (git, ssh, sudo, Python's getpass) fail for a user without
//! an entry in /etc/passwd.
//!
//! As in podman, a line is added to /etc/passwd and one to /etc/group where the image has neither the name
//! nor the number. It is written into the container's writable layer, not bound over the file: the
//! container's own useradd(8) replaces these files by rename(2), which a mount would refuse.

use super::identity::{group_entries, passwd_entries, read_database};
use super::resolve::Root;
use crate::error::{Doing, Result};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The user as /etc/passwd and /etc/group of the container will have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntry {
    /// Login name on the host; also the group's name.
    pub name: String,
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
    /// Home directory inside.
    pub home: String,
}

/// Adds the lines that are missing to the files that are there. Runs before anything is mounted below
/// `root`, whose writable layer must be the container's own: a volume on /etc is left as it is.
///
/// # Errors
/// One of the files cannot be read or written. One that not even the container's root may write is no
/// error: the user has no name then.
pub fn add_user_entry(root: &Root<'_>, entry: &UserEntry) -> Result<()> {
    for (path, line) in [("/etc/passwd", passwd_line as Lines), ("/etc/group", group_line)] {
        let text = read_database(root, path)?;
        // Empty is also what a missing file reads as: an image without users gets none.
        if text.is_empty() {
            continue;
        }
        if let Some(line) = line(entry, &text) {
            append(root, Path::new(path), &line).doing(|| format!("cannot add {} to {path}", entry.name))?;
        }
    }
    Ok(())
}

/// The line to add to a text; None where the name or number has one.
type Lines = fn(&UserEntry, &str) -> Option<String>;

fn passwd_line(entry: &UserEntry, text: &str) -> Option<String> {
    let UserEntry { name, uid, gid, home } = entry;
    let known = passwd_entries(text).any(|line| line.name == name || line.uid == *uid);
    (!known).then(|| format!("{}{name}:*:{uid}:{gid}:{name}:{home}:/bin/sh\n", line_break(text)))
}

fn group_line(entry: &UserEntry, text: &str) -> Option<String> {
    let UserEntry { name, gid, .. } = entry;
    let known = group_entries(text).any(|line| line.name == name || line.gid == *gid);
    (!known).then(|| format!("{}{name}:x:{gid}:{name}\n", line_break(text)))
}

/// What ends a last line that has no end.
fn line_break(text: &str) -> &'static str {
    if text.ends_with('\n') { "" } else { "\n" }
}

fn append(root: &Root<'_>, path: &Path, line: &str) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match root.open_existing(path, flags) {
        // Of an owner that is not mapped (`--rootfs`), so that nobody in here may change it.
        Err(errno @ (Errno::ACCESS | Errno::PERM | Errno::OVERFLOW | Errno::ROFS)) => {
            log::debug!("cannot add a line to {}: {errno}", path.display());
            return Ok(());
        }
        file => file?,
    };
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Ok(());
    }
    File::from(file).write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd;

    fn ana() -> UserEntry {
        UserEntry { name: "ana".into(), uid: 1000, gid: 100, home: "/src".into() }
    }

    fn added(passwd: &str, group: &str) -> (String, String) {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join("etc").join(name);
        fs::create_dir(at("")).unwrap();
        fs::write(at("passwd"), passwd).unwrap();
        fs::write(at("group"), group).unwrap();
        let root = File::open(directory.path()).unwrap();
        add_user_entry(&Root::new(root.as_fd()), &ana()).unwrap();
        (fs::read_to_string(at("passwd")).unwrap(), fs::read_to_string(at("group")).unwrap())
    }

    #[test]
    fn lines_are_added_where_there_are_none() {
        let (passwd, group) = added("root:x:0:0::/root:/bin/sh\n", "root:x:0:");
        assert_eq!(passwd, "root:x:0:0::/root:/bin/sh\nana:*:1000:100:ana:/src:/bin/sh\n");
        assert_eq!(group, "root:x:0:\nana:x:100:ana\n");
    }

    #[test]
    fn whoever_is_there_stays_alone() {
        for (passwd, group) in [
            ("node:x:1000:1000::/home/node:/bin/sh\n", "users:x:100:\n"),
            ("ana:x:5:5::/:/bin/sh\n", "ana:x:5:\n"),
            ("", ""),
        ] {
            assert_eq!(added(passwd, group), (passwd.to_owned(), group.to_owned()));
        }
    }

    #[test]
    fn an_image_without_files_gets_none() {
        let directory = tempfile::tempdir().unwrap();
        let root = File::open(directory.path()).unwrap();
        add_user_entry(&Root::new(root.as_fd()), &ana()).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
