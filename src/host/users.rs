//! Names of users, without libc's name service.
//!
//! A static glibc must never call getpwnam(3): it would dlopen(3) the host's NSS modules, built for
//! another libc, and can crash. So `/etc/passwd` is read here (passwd(5)), and where it does not
//! know the user (LDAP, systemd-homed, sssd) the host's own `getent passwd` is asked.

use super::helpers;
use crate::error::{Doing, Failure, Result};
use std::process::{Command, Stdio};

/// One entry of passwd(5), as far as rr needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Home directory; may be empty.
    pub home: String,
}

/// What a [`User`] is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// By login name.
    Name(&'a str),
    /// By user id.
    Uid(u32),
}

/// The name of `uid`; None where neither `/etc/passwd` nor `getent` knows it.
///
/// # Errors
/// `/etc/passwd` exists but cannot be read, or `getent` cannot be executed.
pub fn name_of(uid: u32) -> Result<Option<String>> {
    Ok(look_up(Key::Uid(uid))?.map(|user| user.name))
}

/// The user id of `name`; None where neither `/etc/passwd` nor `getent` knows it.
///
/// # Errors
/// As [`name_of`].
pub fn uid_of(name: &str) -> Result<Option<u32>> {
    Ok(look_up(Key::Name(name))?.map(|user| user.uid))
}

/// The host's entry for `key`: `/etc/passwd`, then `getent passwd`.
///
/// # Errors
/// As [`name_of`].
pub fn look_up(key: Key<'_>) -> Result<Option<User>> {
    const PASSWD: &str = "/etc/passwd";
    match std::fs::read(PASSWD) {
        Ok(text) => {
            if let Some(user) = find(&text, key) {
                return Ok(Some(user));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).doing(|| format!("cannot read {PASSWD}")),
    }
    ask_getent(key)
}

/// Searches text in passwd(5)'s format; lines that are not entries are passed over, as libc does.
pub fn find(passwd: &[u8], key: Key<'_>) -> Option<User> {
    passwd.split(|&byte| byte == b'\n').filter_map(parse_line).find(|user| match key {
        Key::Name(name) => user.name == name,
        Key::Uid(uid) => user.uid == uid,
    })
}

fn parse_line(line: &[u8]) -> Option<User> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.split(':');
    let name = fields.next()?;
    let _password = fields.next()?;
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let _comment = fields.next();
    let home = fields.next().unwrap_or_default().to_owned();
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    Some(User { name: name.to_owned(), uid, gid, home })
}

fn ask_getent(key: Key<'_>) -> Result<Option<User>> {
    // A system without getent (busybox, distroless) has nothing but its /etc/passwd.
    let Some(getent) = helpers::find("getent") else { return Ok(None) };
    let argument = match key {
        // getent would read a name of digits as an id, and one with a dash as an option.
        Key::Name(name) if name.starts_with('-') || name.parse::<u32>().is_ok() => return Ok(None),
        Key::Name(name) => name.to_owned(),
        Key::Uid(uid) => uid.to_string(),
    };
    let output = Command::new(&getent)
        .args(["passwd", &argument])
        .stdin(Stdio::null())
        .output()
        .doing(|| format!("cannot run {}", getent.display()))?;
    match output.status.code() {
        Some(0) => Ok(find(&output.stdout, key)),
        // getent(1): 2 is "one or more supplied keys could not be found".
        Some(2) => Ok(None),
        _ => Err(Failure::new(
            "cannot look up a user",
            format!(
                "`{} passwd {argument}` ended with {}: {}",
                getent.display(),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n#old:x:7:7::/:\nbad:x:seven:7::/:\nshort:x:8\n\
        \xff\xfe:x:9:9::/:\nana:x:1000:100:Ana,,,:/home/ana:/bin/bash\n";

    #[test]
    fn users_are_found_by_name_and_by_id() {
        assert_eq!(find(PASSWD, Key::Name("ana")).map(|user| user.uid), Some(1000));
        let root = find(PASSWD, Key::Uid(0)).unwrap();
        assert_eq!((root.name.as_str(), root.gid, root.home.as_str()), ("root", 0, "/root"));
        assert_eq!(find(PASSWD, Key::Uid(1000)).map(|user| user.gid), Some(100));
    }

    #[test]
    fn lines_that_are_no_entries_are_passed_over() {
        for key in [Key::Name("#old"), Key::Name("bad"), Key::Name("short"), Key::Uid(7), Key::Uid(8), Key::Uid(9)] {
            assert_eq!(find(PASSWD, key), None);
        }
    }

    #[test]
    fn this_machine_has_root() {
        assert_eq!(name_of(0).unwrap().as_deref(), Some("root"));
        assert_eq!(uid_of("root").unwrap(), Some(0));
        assert_eq!(uid_of("no such user").unwrap(), None);
        assert_eq!(uid_of("--help").unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(text in proptest::collection::vec(any::<u8>(), 0..200), uid: u32) {
            let _ = find(&text, Key::Uid(uid));
        }
    }
}
