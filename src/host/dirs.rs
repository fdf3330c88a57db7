//! Where rr keeps things: the XDG base directories of the user who runs it.
//!
//! Data (images, containers, volumes) lies in `$XDG_DATA_HOME/rr`, sockets and pid files in
//! `$XDG_RUNTIME_DIR/rr`. The runtime directory is lost in many ways (su, cron, ssh without
//! systemd), so it has a fallback, which is trusted only after it was looked at: another user could
//! have made `/tmp/rr-1000` first.

use crate::error::{Doing, Failure, Result};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Stat};
use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// rr's directories. Those of data and configuration need not exist; that of runtime does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// The user's home; None where there is none and `XDG_DATA_HOME` says enough.
    pub home: Option<PathBuf>,
    /// `$XDG_DATA_HOME/rr`, by default `~/.local/share/rr`: the store.
    pub data: PathBuf,
    /// `$XDG_CONFIG_HOME`, by default `~/.config`. Not rr's own: it holds `containers/registries.conf`.
    pub config: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR/rr`, else `/tmp/rr-UID`, else `run` in the data; exists, is the user's, mode 0700.
    pub runtime: PathBuf,
    /// The user's `$XDG_RUNTIME_DIR` itself where there is a usable one: others keep things there too
    /// (`containers/auth.json`, `bus`).
    pub session: Option<PathBuf>,
}

/// What [`Dirs::resolve`] looks at, apart from the file system.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `$HOME`
    pub home: Option<OsString>,
    /// `$XDG_DATA_HOME`
    pub data: Option<OsString>,
    /// `$XDG_CONFIG_HOME`
    pub config: Option<OsString>,
    /// `$XDG_RUNTIME_DIR`
    pub runtime: Option<OsString>,
}

impl Dirs {
    /// The directories of this process' user. Makes the runtime directory.
    ///
    /// # Errors
    /// No home can be found, or the runtime directory cannot be made or is not the user's own.
    pub fn from_environment() -> Result<Dirs> {
        let environment = Environment {
            home: std::env::var_os("HOME"),
            data: std::env::var_os("XDG_DATA_HOME"),
            config: std::env::var_os("XDG_CONFIG_HOME"),
            runtime: std::env::var_os("XDG_RUNTIME_DIR"),
        };
        Dirs::resolve(&environment, rustix::process::geteuid().as_raw())
    }

    /// As [`Dirs::from_environment`], for the user `uid` with `environment`.
    ///
    /// # Errors
    /// As there.
    pub fn resolve(environment: &Environment, uid: u32) -> Result<Dirs> {
        // "All paths set in these environment variables must be absolute. If an implementation
        // encounters a relative path […] it should […] ignore it." (XDG Base Directory 0.8)
        let absolute = |value: &Option<OsString>| value.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute(&environment.home).or_else(|| home_in_passwd(uid));
        let below_home = |below: &str| home.as_ref().map(|home| home.join(below));
        let Some(data) = absolute(&environment.data).or_else(|| below_home(".local/share")) else {
            return Err(Failure::new(
                "cannot find your home directory",
                format!("HOME is not set to an absolute path, and /etc/passwd has no home for user id {uid}"),
            )
            .hint("set HOME, or XDG_DATA_HOME for where rr keeps its data"));
        };
        let session = session_directory(absolute(&environment.runtime), uid);
        let data = data.join("rr");
        let runtime = match &session {
            Some(session) => session.join("rr"),
            None => PathBuf::from(format!("/tmp/rr-{uid}")),
        };
        let runtime = match make_private_directory(&runtime, uid) {
            Ok(()) => runtime,
            // No /tmp, or none to write to: as in an image made from scratch.
            Err(_) if session.is_none() && !runtime.exists() => make_runtime_below(&data, uid)?,
            Err(failure) => return Err(failure),
        };
        Ok(Dirs {
            data,
            config: absolute(&environment.config).or_else(|| below_home(".config")),
            home,
            runtime,
            session,
        })
    }
}

/// The user's runtime directory: the one the environment names, else the one systemd makes, so that
/// a shell without the variable finds the containers of one with it. Neither is taken where it is
/// missing or another user's (left over by `su`).
fn session_directory(named: Option<PathBuf>, uid: u32) -> Option<PathBuf> {
    let systemd = || PathBuf::from(format!("/run/user/{uid}"));
    let candidate = named.unwrap_or_else(systemd);
    let stat = rustix::fs::stat(&candidate).ok()?;
    is_private_directory(&stat, uid, 0o022).then_some(candidate)
}

/// The last resort: among the data, which outlives a start of the machine.
fn make_runtime_below(data: &Path, uid: u32) -> Result<PathBuf> {
    let runtime = data.join("run");
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.doing(|| format!("cannot make {}", data.display()))
        .and_then(|()| make_private_directory(&runtime, uid))
        .map_err(|failure| failure.hint("set XDG_DATA_HOME to a directory that you can write"))?;
    Ok(runtime)
}

/// Makes `path` with mode 0700, or checks that what is there is a directory of `uid` that no one
/// else may enter.
fn make_private_directory(path: &Path, uid: u32) -> Result<()> {
    let doing = || format!("cannot make the runtime directory {}", path.display());
    match rustix::fs::mkdirat(CWD, path, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error).doing(doing),
    }
    // lstat: a symbolic link in /tmp is not followed.
    let stat = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).doing(doing)?;
    if is_private_directory(&stat, uid, 0o077) {
        return Ok(());
    }
    let kind = FileType::from_raw_mode(stat.st_mode);
    Err(Failure::new(
        format!("cannot use the runtime directory {}", path.display()),
        format!(
            "it is a {} of user id {} with mode {:03o}, not a directory of user id {uid} with mode 700",
            if kind == FileType::Directory { "directory".to_owned() } else { format!("{kind:?}").to_lowercase() },
            stat.st_uid,
            stat.st_mode & 0o7777,
        ),
    )
    .hint("remove it, or set XDG_RUNTIME_DIR to a directory of your own"))
}

/// Whether `stat` is of a directory of `uid` without any of the permissions `forbidden`.
fn is_private_directory(stat: &Stat, uid: u32, forbidden: u32) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_uid == uid && stat.st_mode & forbidden == 0
}

/// The home of `uid` by /etc/passwd. The C library is not asked: a static one would load the host's
/// name service modules.
fn home_in_passwd(uid: u32) -> Option<PathBuf> {
    // Absent or unreadable is the same to the caller: no home is known.
    parse_home(&std::fs::read_to_string("/etc/passwd").ok()?, uid)
}

/// The absolute home of `uid` in the text of a passwd(5) file.
fn parse_home(passwd: &str, uid: u32) -> Option<PathBuf> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        let found = fields.next()?.parse() == Ok(uid);
        let home = PathBuf::from(fields.nth(2)?);
        (found && home.is_absolute()).then_some(home)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn private(path: &Path) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn the_variables_win_over_the_home() {
        let runtime = tempfile::tempdir().unwrap();
        private(runtime.path());
        let environment = Environment {
            home: Some("/home/ana".into()),
            data: Some("/data".into()),
            config: Some("relative/is/ignored".into()),
            runtime: Some(runtime.path().into()),
        };
        let dirs = Dirs::resolve(&environment, me()).unwrap();
        assert_eq!(dirs.data, Path::new("/data/rr"));
        assert_eq!(dirs.config.as_deref(), Some(Path::new("/home/ana/.config")));
        assert_eq!(dirs.runtime, runtime.path().join("rr"));
        let mode = std::fs::metadata(&dirs.runtime).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
    }

    #[test]
    fn no_home_is_said_with_what_to_set() {
        // No such user: 4294967293 is not a login id.
        let error = Dirs::resolve(&Environment::default(), u32::MAX - 2).unwrap_err();
        assert!(error.to_string().contains("HOME is not set"), "{error}");
        assert!(error.hints[0].contains("XDG_DATA_HOME"));
    }

    #[test]
    fn a_runtime_directory_of_others_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let open = parent.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = make_private_directory(&open, me()).unwrap_err();
        assert!(error.to_string().contains("mode 755"), "{error}");

        let link = parent.path().join("link");
        std::os::unix::fs::symlink(parent.path(), &link).unwrap();
        let error = make_private_directory(&link, me()).unwrap_err();
        assert!(error.to_string().contains("it is a symlink"), "{error}");

        let mine = parent.path().join("mine");
        make_private_directory(&mine, me()).unwrap();
        make_private_directory(&mine, me()).unwrap();
        assert!(make_private_directory(&mine, me() + 1).is_err());
    }

    #[test]
    fn a_session_directory_of_others_is_not_taken() {
        let parent = tempfile::tempdir().unwrap();
        private(parent.path());
        assert_eq!(session_directory(Some(parent.path().into()), me()).as_deref(), Some(parent.path()));
        assert_eq!(session_directory(Some(parent.path().into()), me() + 1), None);
        assert_eq!(session_directory(Some("/nowhere/at/all".into()), me()), None);
    }

    #[test]
    fn homes_are_found_in_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbroken\nana:x:1000:1000::/home/ana:/bin/sh\nrel:x:7:7::home:\n";
        assert_eq!(parse_home(passwd, 1000).as_deref(), Some(Path::new("/home/ana")));
        assert_eq!(parse_home(passwd, 7), None);
        assert_eq!(parse_home(passwd, 5), None);
    }
}
