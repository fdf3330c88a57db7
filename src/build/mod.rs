//! `build`: a Dockerfile and a context become an image.
//!
//! ```text
//! Dockerfile ─→ stages ─→ those that the target needs ─→ each instruction upon the snapshot before it
//!                                                         RUN        a container without a record (run)
//!                                                         COPY, ADD  files into a mounted overlay (files)
//!                                                         the rest   words in the config
//! ```
//!
//! A [`snapshot::Snapshot`] is what an instruction begins with: layers and a config. Whatever changes files works in a
//! directory of `tmp/` whose `upper` becomes the next layer ([`scratch`]); it is packed once, for its digest and for
//! those who pull it, and the directory itself becomes the layer's tree. What came of a step is remembered under the
//! digest of all that went into it ([`crate::image::built`]): its text, the layers below it, and the files it was
//! given. So a step is found again whoever built it, and whatever the stages around it are called.
//!
//! The store is locked against garbage collection from the first look at an image until the new one is in the index.
//! What ends a build early leaves nothing but a directory in `tmp/` that the next collection finds, and the
//! steps that were finished before.

mod arguments;
pub mod context;
mod engine;
mod files;
pub mod ignore;
mod mode;
pub mod pattern;
mod run;
mod scratch;
pub mod select;
mod snapshot;

use crate::error::{ExitCode, Failure};
use crate::host::dirs::Dirs;
use crate::image::dockerfile::{Mistake, Span};
use crate::image::platform::Platform;
use crate::image::progress::Progress;
use crate::image::reference::Reference;
use crate::image::{Access, Format, PullPolicy};
use crate::net::NetworkPlan;
use crate::rootfs::overlay::Driver;
use crate::store::Store;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ignore::Ignore;

pub use engine::build;

/// Everything that is asked of a build.
pub struct Request<'a> {
    /// Where images and layers are.
    pub store: &'a Store,
    /// Where configuration and credentials are.
    pub dirs: &'a Dirs,
    /// The text of the Dockerfile.
    pub dockerfile: &'a str,
    /// Where COPY takes files from.
    pub context: &'a Path,
    /// Its `.dockerignore`.
    pub ignore: Ignore,
    /// `--build-arg`
    pub arguments: &'a [(String, String)],
    /// `--secret`: their contents by id.
    pub secrets: &'a BTreeMap<String, Vec<u8>>,
    /// `--build-context`: directories, and images as `docker-image://NAME`, by name.
    pub contexts: &'a BTreeMap<String, String>,
    /// `--label`
    pub labels: &'a BTreeMap<String, String>,
    /// `--target`: a stage's name or number; None is the last.
    pub target: Option<&'a str>,
    /// `--tag`
    pub names: &'a [Reference],
    /// `--platform`
    pub platform: Option<Platform>,
    /// `--pull`
    pub pull: PullPolicy,
    /// `--no-cache`
    pub cache: Cache,
    /// How registries are reached.
    pub access: &'a Access,
    /// `--network` and `--add-host`
    pub network: NetworkPlan,
    /// Which documents.
    pub format: Format,
    /// Who stacks layers.
    pub driver: Driver,
    /// Is told what happens.
    pub reporter: &'a dyn Reporter,
    /// Is told of pulls.
    pub pulling: &'a dyn Progress,
}

/// Whether what was built before is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// It is.
    Used,
    /// `--no-cache`: it is not, but what is built now is remembered.
    Ignored,
}

/// Is told what a build does. It must not fail: whoever shows it and cannot does without.
pub trait Reporter {
    /// One thing more.
    fn event(&self, event: Event<'_>);
}

/// What a build says.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A step begins; everything up to its end is about it.
    Begin {
        /// `[2/3] RUN make`
        title: &'a str,
        /// The instruction as it stands in the file.
        instruction: &'a str,
        /// Which of how many steps it is, over all stages.
        place: (usize, usize),
    },
    /// What came of the step is known from before.
    Cached,
    /// The step has been done.
    Done {
        /// In this time.
        took: Duration,
    },
    /// Output of the step's process.
    Output(&'a [u8]),
    /// One line for the user.
    Note(&'a str),
}

/// Why there is no image.
#[derive(Debug)]
pub struct Failed {
    /// What went wrong.
    pub failure: Failure,
    /// The lines of the Dockerfile that it is about.
    pub span: Option<Span>,
}

impl Failed {
    fn at(span: Span, failure: Failure) -> Failed {
        let code = if failure.code == ExitCode::Runner { ExitCode::General } else { failure.code };
        Failed { failure: failure.code(code), span: Some(span) }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Failed {
        Failed { failure, span: None }
    }
}

impl From<Mistake> for Failed {
    fn from(mistake: Mistake) -> Failed {
        let place = match mistake.span {
            Some(span) => format!("dockerfile parse error on line {}", span.first),
            None => "dockerfile parse error".to_owned(),
        };
        let failure = Failure::new("failed to solve", format!("{place}: {}", mistake.cause)).code(ExitCode::General);
        Failed { failure, span: mistake.span }
    }
}
