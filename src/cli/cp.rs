//! `rr cp`

use super::destination::Destination;
use super::format::human;
use super::verbs::Verb;
use super::{report, store};
use crate::container::copy::{self, Copying, Direction, Ownership};
use crate::container::events;
use crate::container::record;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::rootfs::copy_paths::FinalLink;
use crate::rootfs::copy_tree::Report;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Copy files between a container and the host
#[derive(Debug, clap::Parser)]
#[command(
    override_usage = "rr cp [OPTIONS] CONTAINER:SOURCE TARGET|-\n       rr cp [OPTIONS] SOURCE|- CONTAINER:TARGET"
)]
pub struct Cp {
    /// Keep owners and groups
    #[arg(short, long)]
    archive: bool,
    /// Copy what a link leads to rather than the link
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Do not say what was copied
    #[arg(short, long)]
    quiet: bool,
    /// What to copy; - is a tar archive on standard input
    #[arg(value_name = "SOURCE")]
    from: OsString,
    /// Where to; - is a tar archive on standard output
    #[arg(value_name = "TARGET")]
    to: OsString,
}

/// One of the two arguments.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Inside { container: String, path: PathBuf },
    Host(PathBuf),
    Stream,
}

impl Place {
    /// `CONTAINER:PATH`; with a `/` or `.` in front it is a path of the host, whatever follows.
    fn parse(text: &OsStr) -> Place {
        let bytes = text.as_bytes();
        let colon = bytes.iter().position(|byte| *byte == b':');
        match (bytes, colon) {
            (b"-", _) => Place::Stream,
            (bytes, Some(colon)) if colon > 0 && !bytes.starts_with(b"/") && !bytes.starts_with(b".") => {
                let path = match &bytes[colon + 1..] {
                    b"" => b"/",
                    path => path,
                };
                let container = String::from_utf8_lossy(&bytes[..colon]).into_owned();
                Place::Inside { container, path: Path::new(OsStr::from_bytes(path)).to_owned() }
            }
            _ => Place::Host(PathBuf::from(text)),
        }
    }
}

impl Verb for Cp {
    fn run(self) -> Result<i32> {
        let refuse = |cause: &str| Err(Failure::new("cannot copy", cause).code(ExitCode::General));
        let (name, direction, inside, other) = match (Place::parse(&self.from), Place::parse(&self.to)) {
            (Place::Inside { .. }, Place::Inside { .. }) => {
                return refuse("copying between containers is not supported");
            }
            (Place::Inside { container, path }, other) => (container, Direction::Out, path, other),
            (other, Place::Inside { container, path }) => (container, Direction::Into, path, other),
            _ => return refuse("must specify at least one container source"),
        };
        let store = store()?;
        let container = record::find(&store, &name)?;
        let link = if self.follow_link { FinalLink::Followed } else { FinalLink::Itself };
        let ownership = if self.archive { Ownership::Kept } else { Ownership::Taken };
        let report = match &other {
            Place::Host(host) => {
                let (from, to) = match direction {
                    Direction::Out => (&inside, host),
                    Direction::Into => (host, &inside),
                };
                copy::copy(&store, &container, &Copying { direction, from, to, link, ownership })?
            }
            _ => match direction {
                Direction::Out => copy::to_archive(&store, &container, &inside, link, Destination::open(None)?.file())?,
                Direction::Into => copy::from_archive(&store, &container, &inside, &archive_input()?)?,
            },
        };
        let action = if direction == Direction::Out { "archive-path" } else { "extract-to-dir" };
        store.tell_and_bound(&[events::event(&container.plan, action)]);
        self.tell(&report);
        Ok(0)
    }
}

/// Standard input, from which an archive comes.
///
/// # Errors
/// It is closed.
pub fn archive_input() -> Result<File> {
    Ok(File::from(std::io::stdin().as_fd().try_clone_to_owned().doing(|| "cannot use standard input")?))
}

/// Says what was left out.
pub fn tell_skipped(report: &Report) {
    let Some(first) = &report.first_skipped else { return };
    let what = if report.skipped == 1 { "device or socket was" } else { "devices and sockets were" };
    report::notice(&format!("{} {what} left out, the first of them {first}", report.skipped));
}

impl Cp {
    /// As Docker does, for a person who watches.
    fn tell(&self, report: &Report) {
        tell_skipped(report);
        if !self.quiet && std::io::stdout().is_terminal() {
            report::line(&format!("Successfully copied {} to {}", human::size(report.bytes), self.to.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_makes_a_container_unless_a_path_comes_first() {
        let inside = |container: &str, path: &str| Place::Inside { container: container.into(), path: path.into() };
        let host = |path: &str| Place::Host(path.into());
        for (text, expected) in [
            ("web:/etc", inside("web", "/etc")),
            ("web:etc/x:y", inside("web", "etc/x:y")),
            ("web:", inside("web", "/")),
            ("/web:x", host("/web:x")),
            ("./web:x", host("./web:x")),
            ("../web:x", host("../web:x")),
            (":x", host(":x")),
            ("file", host("file")),
            (".", host(".")),
            ("-", Place::Stream),
        ] {
            assert_eq!(Place::parse(OsStr::new(text)), expected, "{text}");
        }
    }
}
