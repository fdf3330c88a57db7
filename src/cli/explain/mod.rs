//! `rr explain`

mod document;
mod id;
mod page;
mod path;
mod steps;
mod text;

use super::verbs::Verb;
use super::{output, store, tree};
use crate::container::explain::Picture;
use crate::container::plan::RunPlan;
use crate::container::record;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::store::Store;
use document::Part;
use rustix::termios::{isatty, tcgetwinsize};
use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use text::{Color, Look};

/// Show a container from the host and from inside beside each other
///
/// Host and container stand side by side. Every number is read from the kernel at that moment; what cannot be read is
/// said in its place. Of a container that does not run, as much is shown as its plan tells.
#[derive(Debug, clap::Parser)]
#[command(
    override_usage = "rr explain [OPTIONS] CONTAINER\n       rr explain --path FILE [--as USER] CONTAINER\n       \
                            rr explain --id NUMBER [--userns MODE]\n       rr explain [--json] --run [RUN-OPTIONS] IMAGE [COMMAND]"
)]
pub struct Explain {
    /// Show these parts only
    #[arg(long, value_name = "PART,…", value_delimiter = ',', conflicts_with_all = ["path", "id"])]
    only: Vec<Part>,
    /// Follow one file: where it lies on the host, whose it is, who may read and write it
    #[arg(long, value_name = "FILE", conflicts_with = "id")]
    path: Option<PathBuf>,
    /// Who wants to read or write the file, as in `run --user` [default: whoever the container runs as]
    #[arg(long = "as", value_name = "USER", requires = "path")]
    user: Option<String>,
    /// Tell what an id of a container will be on the host, and the other way round
    #[arg(long, value_name = "NUMBER", conflicts_with = "container")]
    id: Option<u32>,
    /// How ids are mapped, as in `run`
    #[arg(long, value_name = "MODE", requires = "id")]
    userns: Option<String>,
    /// Ids that are mapped, as in `run`
    #[arg(long, value_name = "CONTAINER:HOST[:SIZE]", requires = "id")]
    uidmap: Vec<String>,
    /// Group ids that are mapped, as in `run`
    #[arg(long, value_name = "CONTAINER:HOST[:SIZE]", requires = "id")]
    gidmap: Vec<String>,
    /// Tell each step of the run that the rest of the line describes as for `rr run`, and start nothing
    #[arg(
        long,
        value_name = "RUN-ARGUMENT",
        num_args = 1..,
        allow_hyphen_values = true,
        conflicts_with_all = ["only", "path", "id", "html", "container"]
    )]
    run: Option<Vec<OsString>>,
    /// Write one page with drawings into this file instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["path", "id", "json"])]
    html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Name or id
    #[arg(value_name = "CONTAINER", required_unless_present_any = ["id", "run"])]
    container: Option<String>,
}

impl Verb for Explain {
    fn run(self) -> Result<i32> {
        if let Some(number) = self.id {
            let answers = id::ask(number, self.userns.as_deref(), &self.uidmap, &self.gidmap)?;
            return self.answer(&answers, || id::text(&answers, look()));
        }
        if let Some(words) = &self.run {
            return match steps::of_words(words)? {
                Some((plan, steps)) => self.answer(&steps, || steps::text(&plan, &steps, look())),
                None => output::text(&tree::help_of(<super::run::Run as clap::CommandFactory>::command(), "run"))
                    .map(|()| 0),
            };
        }
        let store = store()?;
        let container = record::find(&store, self.container.as_deref().unwrap_or_default())?;
        if let Some(file) = &self.path {
            let answer = crate::container::explain::path::follow(&store, &container, file, self.user.as_deref())?;
            return self.answer(&answer, || path::text(&answer, look()));
        }
        let picture = Picture::of(&store, &container)?;
        if let Some(file) = &self.html {
            let sections = document::sections(&picture, &self.only);
            let page = page::render(&picture, &document::headline(&picture), &sections);
            std::fs::write(file, page).doing(|| format!("cannot write {}", file.display()))?;
            return Ok(0);
        }
        if self.json {
            let mut value = serde_json::to_value(&picture).doing(|| "cannot encode the picture")?;
            if let (false, Some(object)) = (self.only.is_empty(), value.as_object_mut()) {
                object.retain(|key, _| document::is_of(key, &self.only));
            }
            return output::line(&value.to_string()).map(|()| 0);
        }
        let sections = document::sections(&picture, &self.only);
        output::text(&text::render(&picture.name, &document::headline(&picture), &sections, look())).map(|()| 0)
    }
}

impl Explain {
    fn answer<T: serde::Serialize>(&self, answer: &T, text: impl FnOnce() -> String) -> Result<i32> {
        let text = match self.json {
            true => serde_json::to_string(answer).doing(|| "cannot encode the answer")? + "\n",
            false => text(),
        };
        output::text(&text).map(|()| 0)
    }
}

/// What a page or a pipe is as wide as.
const USUAL_WIDTH: usize = 100;

/// For standard output.
fn look() -> Look {
    look_of(rustix::stdio::stdout())
}

/// Has each step of a start told on standard error.
///
/// # Errors
/// The steps cannot be told.
pub fn listen(store: &Store, plan: &RunPlan) -> Result<()> {
    steps::listen(store, plan, look_of(rustix::stdio::stderr()))
}

/// As the terminal is, if it is one; COLUMNS goes before what it says.
fn look_of(stream: BorrowedFd<'_>) -> Look {
    let is_terminal = isatty(stream);
    let asked = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|&columns| columns > 0);
    let of_terminal = || tcgetwinsize(stream).ok().filter(|_| is_terminal).map(|size| usize::from(size.ws_col));
    let width = asked.or_else(of_terminal).filter(|&columns: &usize| columns > 0).unwrap_or(USUAL_WIDTH);
    // no-color.org; a terminal without the sequences says so.
    let plain = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty())
        || std::env::var("TERM").is_ok_and(|term| term == "dumb");
    Look { width, color: if is_terminal && !plain { Color::Always } else { Color::Never } }
}

/// An id that no container can have is no number to ask about.
fn no_such_id(number: u32) -> Failure {
    Failure::new(format!("cannot tell about id {number}"), "ids go from 0 to 4294967294 (user_namespaces(7))")
        .code(ExitCode::General)
}
