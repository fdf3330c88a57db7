//! `--tmpfs`, and what `--mount type=tmpfs` shares with it.

use super::words::{FlagChoices, Taken, mount_target, once};
use crate::container::plan::{Mount, MountFlags, MountKind};
use crate::container::values::{self, Parsed};

/// `--tmpfs TARGET[:OPTION,…]` with tmpfs(5)'s options.
pub fn tmpfs(text: &str) -> Parsed<Mount> {
    let invalid = |why: &str| format!("invalid tmpfs specification: '{text}': {why}");
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let target = mount_target(target).map_err(|why| invalid(&why))?;
    let mut wanted = TmpfsOptions::default();
    for word in options.split(',').filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
        wanted.take(key, value).map_err(|why| invalid(&why))?;
    }
    Ok(Mount { target, kind: wanted.kind(), read_only: wanted.read_only == Some(true) })
}

#[derive(Default)]
pub(in crate::container) struct TmpfsOptions {
    read_only: Option<bool>,
    size: Option<u64>,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    pub(super) flags: FlagChoices,
}

impl TmpfsOptions {
    pub(in crate::container) fn is_read_only(&self) -> bool {
        self.read_only == Some(true)
    }

    pub(in crate::container) fn take(&mut self, key: &str, value: Option<&str>) -> Parsed<()> {
        match (key, value) {
            ("ro" | "rw", None) => once(&mut self.read_only, key == "ro", key),
            ("size", Some(value)) => once(&mut self.size, values::size(value)?, key),
            ("mode", Some(value)) => once(&mut self.mode, octal_mode(value)?, key),
            ("uid", Some(value)) => once(&mut self.uid, number(value)?, key),
            ("gid", Some(value)) => once(&mut self.gid, number(value)?, key),
            ("size" | "mode" | "uid" | "gid", None) => Err(format!("`{key}` needs a value")),
            // What rr does anyway.
            ("private" | "rprivate" | "notmpcopyup", None) => Ok(()),
            (_, None) if self.flags.take(key)? == Taken::Yes => Ok(()),
            _ => Err(format!("invalid tmpfs option `{key}`")),
        }
    }

    pub(in crate::container) fn kind(&self) -> MountKind {
        let docker = MountFlags { nosuid: true, nodev: true, noexec: true };
        MountKind::Tmpfs {
            size: self.size,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            flags: self.flags.resolve(docker),
        }
    }
}

fn octal_mode(text: &str) -> Parsed<u32> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 && !text.starts_with('+') => Ok(mode),
        _ => Err(format!("`{text}` is no octal mode")),
    }
}

fn number(text: &str) -> Parsed<u32> {
    match text.parse() {
        // 2^32-1 means "no change" to the kernel.
        Ok(number) if number != u32::MAX && !text.starts_with('+') => Ok(number),
        _ => Err(format!("`{text}` is no id")),
    }
}
