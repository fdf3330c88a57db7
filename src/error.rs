//! The one error type of rr: what rr was doing, what went wrong, what to do.
//!
//! Layers below `cli` return [`Result`]; only `cli::report` prints. A [`Failure`] crosses process
//! boundaries as JSON (the user-namespace worker and the monitor send theirs to the client), so it
//! holds plain text, never a live error.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a function below `cli` returns.
pub type Result<T> = std::result::Result<T, Failure>;

/// Exit status by Docker's convention, when rr itself is the one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitCode {
    /// 1: a command other than one that runs a container failed (`rr images`, `rr rmi` …).
    General,
    /// 125: rr failed before the payload could be executed.
    Runner,
    /// 126: the payload was found but could not be executed.
    NotExecutable,
    /// 127: the payload was not found.
    NotFound,
}

impl ExitCode {
    /// The number for exit(3).
    pub fn number(self) -> i32 {
        match self {
            ExitCode::General => 1,
            ExitCode::Runner => 125,
            ExitCode::NotExecutable => 126,
            ExitCode::NotFound => 127,
        }
    }
}

/// A failure as its reader sees it: `doing: cause`, then a `hint:` line for each hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What rr was doing, lower case, starting with "cannot": `cannot map user ids`.
    pub doing: String,
    /// What went wrong, innermost last, with path and errno name where there are any.
    pub cause: String,
    /// What to do, each a whole sentence or command; only where rr has verified the cause.
    pub hints: Vec<String>,
    /// The exit status rr ends with.
    pub code: ExitCode,
    /// Set where Docker or Podman have words of their own for it.
    #[serde(default)]
    pub known: Option<Box<Known>>,
}

/// Where a template has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TemplateStage {
    /// It is no template.
    Parsed,
    /// It asks for what there is not.
    Executed,
}

/// Failures that scripts tell by their words. rr's own words are in the [`Failure`]; what `docker` and
/// `podman` say instead is decided where errors are printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Known {
    /// No container has this name or id.
    NoSuchContainer(String),
    /// No image has this name or id.
    NoSuchImage(String),
    /// No volume has this name.
    NoSuchVolume(String),
    /// A volume would be removed that containers use.
    VolumeInUse {
        /// Its name.
        name: String,
        /// Their ids.
        users: Vec<String>,
    },
    /// No network has this name or id.
    NoSuchNetwork(String),
    /// A network would be removed that containers use.
    NetworkInUse {
        /// Its name.
        name: String,
        /// Its id.
        id: String,
    },
    /// A network of this name would be made, and there is one.
    NetworkExists(String),
    /// Nothing that can be inspected has this name or id.
    NoSuchObject(String),
    /// Several ids begin with this.
    Ambiguous(String),
    /// The container name is another container's.
    NameTaken {
        /// The name.
        name: String,
        /// That container's id.
        owner: String,
    },
    /// A running container would be removed.
    RemovesRunning {
        /// Its id.
        id: String,
        /// It is paused.
        is_paused: bool,
    },
    /// A paused container would be started.
    StartsPaused,
    /// Something was asked of a container that has to run for it.
    NotRunning {
        /// Its id.
        id: String,
    },
    /// Something was asked of a container that is paused, or between two runs.
    Unready,
    /// A signal for a container that does not run.
    KillsStopped {
        /// As the user named it.
        name: String,
        /// Its id.
        id: String,
    },
    /// A template of `--format` that cannot be used.
    Template(TemplateStage),
    /// A name that `--filter` does not have.
    NoSuchFilter(String),
    /// There is no such command.
    NoSuchCommand(String),
    /// An option that the command does not have, with its dashes.
    UnknownOption(String),
    /// Any other thing that is wrong with the arguments.
    Usage,
}

impl Failure {
    /// A failure with no hint, ending rr with status 125.
    pub fn new(doing: impl Into<String>, cause: impl fmt::Display) -> Failure {
        Failure {
            doing: doing.into(),
            cause: cause.to_string(),
            hints: Vec::new(),
            code: ExitCode::Runner,
            known: None,
        }
    }

    /// Adds one hint line.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// Sets the exit status.
    #[must_use]
    pub fn code(mut self, code: ExitCode) -> Failure {
        self.code = code;
        self
    }

    /// Says what it is to scripts.
    #[must_use]
    pub fn known(mut self, known: Known) -> Failure {
        self.known = Some(Box::new(known));
        self
    }

    /// Puts an outer activity before this failure: `cannot run alpine: cannot pull it: …`.
    #[must_use]
    pub fn while_doing(mut self, doing: impl Into<String>) -> Failure {
        self.cause = format!("{}: {}", self.doing, self.cause);
        self.doing = doing.into();
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cause.is_empty() { f.write_str(&self.doing) } else { write!(f, "{}: {}", self.doing, self.cause) }
    }
}

impl std::error::Error for Failure {}

/// A fallback that changes what the user gets, or a wish that could not be met: one line, lower
/// case, printed once by `cli::report`. Not a failure: the container runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Notice(pub String);

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Turns any error into a [`Failure`] by saying what was being done.
pub trait Doing<T> {
    /// `doing` is lower case and starts with "cannot". Called only on failure.
    fn doing<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: IntoCause> Doing<T> for std::result::Result<T, E> {
    fn doing<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| Failure::new(doing(), error.into_cause()))
    }
}

/// Errors that know how to describe themselves in rr's form. System errors are printed as the
/// text of strerror(3) and the errno's name: `permission denied (EACCES)`.
pub trait IntoCause {
    /// The text after the colon.
    fn into_cause(self) -> String;
}

impl IntoCause for std::io::Error {
    fn into_cause(self) -> String {
        match self.raw_os_error() {
            Some(number) => errno_text(number),
            None => self.to_string(),
        }
    }
}

impl IntoCause for rustix::io::Errno {
    fn into_cause(self) -> String {
        errno_text(self.raw_os_error())
    }
}

impl IntoCause for nix::errno::Errno {
    fn into_cause(self) -> String {
        errno_text(self as i32)
    }
}

impl IntoCause for serde_json::Error {
    fn into_cause(self) -> String {
        self.to_string()
    }
}

impl IntoCause for anyhow::Error {
    fn into_cause(self) -> String {
        format!("{self:#}")
    }
}

impl IntoCause for String {
    fn into_cause(self) -> String {
        self
    }
}

impl IntoCause for &str {
    fn into_cause(self) -> String {
        self.to_owned()
    }
}

/// `permission denied (EACCES)` for 13; errno numbers are those of errno(3).
pub fn errno_text(number: i32) -> String {
    let errno = nix::errno::Errno::from_raw(number);
    if errno == nix::errno::Errno::UnknownErrno {
        return format!("unknown error (errno {number})");
    }
    // nix's `desc` is strerror's text; lower-case its first letter as rr's messages are.
    let text = errno.desc();
    let mut letters = text.chars();
    let lower = match letters.next() {
        // Keep an abbreviation ("RPC …", "I/O error" → "I/O error") as it is.
        Some(first) if letters.clone().next().is_some_and(char::is_lowercase) || text.len() == 1 => {
            first.to_lowercase().collect::<String>() + letters.as_str()
        }
        _ => text.to_owned(),
    };
    format!("{lower} ({errno:?})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_carries_its_text_and_name() {
        assert_eq!(errno_text(13), "permission denied (EACCES)");
        assert_eq!(errno_text(5), "I/O error (EIO)");
        assert_eq!(errno_text(99_999), "unknown error (errno 99999)");
    }

    #[test]
    fn an_outer_activity_goes_first() {
        let inner = Failure::new("cannot open /x", "no such file or directory (ENOENT)");
        assert_eq!(
            inner.while_doing("cannot run alpine").to_string(),
            "cannot run alpine: cannot open /x: no such file or directory (ENOENT)"
        );
    }
}
