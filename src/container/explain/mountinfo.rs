//! /proc/PID/mountinfo (proc_pid_mountinfo(5)).

use std::path::{Path, PathBuf};

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The mount's number.
    pub id: u64,
    /// The device, `major:minor`.
    pub device: String,
    /// Which directory of the file system is mounted.
    pub root: PathBuf,
    /// Where, in the process's mount namespace.
    pub target: PathBuf,
    /// Of this mount: `rw,nosuid`.
    pub options: String,
    /// `shared:1` and the like (mount_namespaces(7)); empty for a private mount.
    pub propagation: String,
    /// `ext4`, `overlay`, `proc`.
    pub file_system: String,
    /// What it is a file system of, by whoever mounted it.
    pub source: String,
    /// Of the file system.
    pub super_options: String,
}

/// All lines that are some.
pub fn parse(text: &[u8]) -> Vec<Entry> {
    text.split(|&byte| byte == b'\n').filter_map(|line| parse_line(&String::from_utf8_lossy(line))).collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    let (front, back) = line.split_once(" - ")?;
    let front: Vec<&str> = front.split(' ').collect();
    let [id, _parent, device, root, target, options, propagation @ ..] = front.as_slice() else { return None };
    let mut back = back.splitn(3, ' ');
    let (file_system, source) = (back.next()?, back.next()?);
    Some(Entry {
        id: id.parse().ok()?,
        device: (*device).to_owned(),
        root: unescaped(root).into(),
        target: unescaped(target).into(),
        options: (*options).to_owned(),
        propagation: propagation.join(" "),
        file_system: file_system.to_owned(),
        source: unescaped(source),
        super_options: back.next().unwrap_or_default().to_owned(),
    })
}

/// `\040` is a blank, and so on.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal =
            (first == b'\\').then(|| after.get(..3)).flatten().and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where the directory `root` of a device's file system is to be found in a mount namespace with these mounts: the last
/// mount of it that shows it, since that one is not covered by the others.
pub fn path_of(device: &str, root: &Path, mounts: &[Entry]) -> Option<PathBuf> {
    let shown = |mount: &Entry| {
        let below = root.strip_prefix(&mount.root).ok()?;
        Some(if below.as_os_str().is_empty() { mount.target.clone() } else { mount.target.join(below) })
    };
    // The widest mount is the one that people know it by: /home rather than a bind of a part of it.
    mounts
        .iter()
        .filter(|mount| mount.device == device)
        .filter_map(|mount| Some((mount.root.components().count(), shown(mount)?)))
        .min_by_key(|(depth, path)| (*depth, path.components().count()))
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"22 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,errors=remount-ro\n\
        nonsense\n\
        40 22 0:44 / /mnt/with\\040blank\\134 ro - tmpfs none rw,size=4k\n\
        41 22 254:0 /home/ana/x /data rw - ext4 /dev/vda rw\n";

    #[test]
    fn lines_are_read() {
        let all = parse(TEXT);
        assert_eq!(all.len(), 3);
        assert_eq!(
            (all[0].id, all[0].propagation.as_str(), all[0].source.as_str()),
            (22, "shared:1 master:2", "/dev/vda")
        );
        assert_eq!(all[1].target, Path::new("/mnt/with blank\\"));
        assert_eq!((all[1].options.as_str(), all[1].file_system.as_str()), ("ro", "tmpfs"));
    }

    #[test]
    fn a_part_of_a_file_system_is_found_on_the_host() {
        let all = parse(TEXT);
        let found = |device: &str, root: &str| path_of(device, Path::new(root), &all);
        assert_eq!(found("254:0", "/home/ana/x/y"), Some("/home/ana/x/y".into()));
        assert_eq!(found("0:44", "/a"), Some("/mnt/with blank\\/a".into()));
        assert_eq!(found("0:99", "/"), None);
    }

    proptest! {
        #[test]
        fn no_text_ends_it(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_escaped_comes_back(text in "[a-z \\\\\\t]{0,20}") {
            let escaped: String = text.chars().map(|letter| match letter {
                'a'..='z' => letter.to_string(),
                other => format!("\\{:03o}", other as u32),
            }).collect();
            prop_assert_eq!(unescaped(&escaped), text);
        }
    }
}
