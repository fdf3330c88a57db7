//! `rr demo`: a guided tour of what a container is made of, by real commands in real containers.

mod chapters;
mod page;
mod screen;
mod stage;

use super::attach::RawMode;
use super::pull::{Fetch, known_as};
use super::verbs::Verb;
use super::{output, progress};
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::host::dirs::Dirs;
use crate::host::userns::{UsernsRequest, plan_maps};
use crate::image::reference::ImageName;
use crate::image::unpack::UnmappedIds;
use crate::image::{Access, PullPolicy};
use crate::store::Store;
use chapters::{CHAPTERS, Chapter, OnFailure, Side, Step};
use rustix::stdio::stdin;
use rustix::termios::{QueueSelector, tcflush};
use screen::{Pane, Screen};
use stage::{Ending, Signals, Stage};
use std::io::IsTerminal;

/// Show what a container is made of: a guided tour of real commands
///
/// Every command is shown with what it prints. Any key goes on, q ends; nothing is left behind.
#[derive(Debug, clap::Parser)]
#[command(override_usage = "rr demo [OPTIONS] [CHAPTER...]")]
pub struct Demo {
    /// List the chapters
    #[arg(long)]
    list: bool,
    /// Wait for no key, as for a recording
    #[arg(long)]
    no_pause: bool,
    /// The image of the containers; it needs a shell
    #[arg(long, value_name = "IMAGE", default_value = "alpine")]
    image: String,
    /// Print the chapters as pages in Markdown
    #[arg(long)]
    markdown: bool,
    /// Only these [default: all]
    #[arg(value_name = "CHAPTER")]
    chapters: Vec<String>,
}

impl Verb for Demo {
    fn run(self) -> Result<i32> {
        if self.list {
            let widest = CHAPTERS.iter().map(|chapter| chapter.name.len()).max().unwrap_or(0);
            let lines = CHAPTERS.iter().map(|chapter| format!("{:widest$}   {}\n", chapter.name, chapter.title));
            return output::text(&lines.collect::<String>()).map(|()| 0);
        }
        let chapters = chosen(&self.chapters)?;
        let store = Store::open(&Dirs::from_environment()?)?;
        let image = image(&store, &self.image)?;
        // What is stopped goes through here, so that every `drop` on the way has done its work.
        match self.show(&store, &image, &chapters) {
            Ok(()) => Ok(0),
            Err(Ending::Stopped(status)) => Ok(status),
            Err(Ending::Failed(failure)) => Err(failure),
        }
    }
}

/// The chapters of these names, in the given order; all, where none is named.
fn chosen(names: &[String]) -> Result<Vec<&'static Chapter>> {
    let find = |name: &String| {
        CHAPTERS.iter().find(|chapter| chapter.name == name).ok_or_else(|| {
            let doing = format!("cannot show chapter {}", name.escape_debug());
            let failure = Failure::new(doing, "there is no such chapter").code(ExitCode::General);
            failure.hint("`rr demo --list` lists them")
        })
    };
    match names {
        [] => Ok(CHAPTERS.iter().collect()),
        names => names.iter().map(find).collect(),
    }
}

/// Makes sure that the image is there; returns what it is called.
fn image(store: &Store, text: &str) -> Result<String> {
    let fetch = || {
        let dirs = Dirs::from_environment()?;
        let name = ImageName::parse(text).doing(|| format!("cannot use {}", text.escape_debug()))?;
        let (maps, _) = plan_maps(&UsernsRequest::Auto)?;
        let fetch = Fetch {
            store,
            dirs: &dirs,
            maps: &maps,
            policy: PullPolicy::Missing,
            platform: None,
            unmapped: UnmappedIds::Squash,
            verbosity: progress::Verbosity::Usual,
            access: &Access::default(),
        };
        let image = fetch.get(&name)?;
        Ok(match name {
            // The tour's commands run in another directory, where its path may lead nowhere.
            ImageName::Archive { .. } => known_as(&image, &name),
            _ => text.to_owned(),
        })
    };
    fetch().map_err(|failure: Failure| {
        let failure = failure.while_doing("cannot begin the tour").code(ExitCode::General);
        failure.hint("`rr images` lists what is here already; `rr demo --image IMAGE` takes any of it that has a shell")
    })
}

/// Whether a key is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Keys,
    Unattended,
}

/// What the tour is shown on.
struct Show<'a> {
    signals: &'a Signals,
    screen: Screen,
    pace: Pace,
    markdown: bool,
}

impl Demo {
    fn show(&self, store: &Store, image: &str, chapters: &[&Chapter]) -> std::result::Result<(), Ending> {
        let signals = Signals::hold()?;
        let seen = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        let pace = if seen && !self.no_pause && !self.markdown { Pace::Keys } else { Pace::Unattended };
        let show = Show { signals: &signals, screen: Screen::of_stdout(), pace, markdown: self.markdown };
        if !self.markdown {
            let text = "What follows `$` runs on this machine, what follows `/ #` in the container of the chapter (by `rr \
                        exec`). Each command is real, and so is what it prints.";
            output::text(&show.screen.paragraph(text))?;
        }
        for chapter in chapters {
            show.chapter(store, image, chapter)?;
        }
        signals.look()
    }
}

impl Show<'_> {
    fn chapter(&self, store: &Store, image: &str, chapter: &Chapter) -> std::result::Result<(), Ending> {
        let mut stage = Stage::new(store, image, self.signals)?;
        if self.markdown {
            output::text(&page::opening(chapter))?;
        } else {
            let number = 1 + CHAPTERS.iter().position(|other| other.name == chapter.name).unwrap_or(0);
            output::text(&self.screen.heading(number, CHAPTERS.len(), chapter.title))?;
            chapter.text.iter().try_for_each(|paragraph| output::text(&self.screen.paragraph(paragraph)))?;
            self.pause()?;
        }
        for step in chapter.steps {
            self.step(&mut stage, step)?;
        }
        if self.markdown {
            output::text(&page::closing(chapter))?;
        } else {
            output::text(&self.screen.paragraph(&format!("To read on: {}.", chapter.manual)))?;
        }
        Ok(())
    }

    fn step(&self, stage: &mut Stage<'_>, step: &Step) -> std::result::Result<(), Ending> {
        if !step.why.is_empty() {
            self.paragraph(step.why)?;
        } else if !self.markdown {
            output::text("\n")?;
        }
        if let Some((side, program)) = step.needs
            && !stage.has(side, program)?
        {
            let place = match side {
                Side::Host => "this machine",
                Side::Inside => "the image",
            };
            return Ok(self.paragraph(&format!("(Left out: {place} has no `{program}`.)"))?);
        }
        let sides = [(Side::Host, step.host), (Side::Inside, step.inside)];
        let mut ran = Vec::new();
        for (side, command) in sides.into_iter().filter_map(|(side, command)| Some((side, command?))) {
            let command = stage.fill(command);
            let result = stage.run(side, &command)?;
            if step.failure == OnFailure::Ends && result.status != 0 {
                let cause = format!("`{command}` ended with status {}: {}", result.status, result.output.trim_end());
                let failure = Failure::new("cannot go on with the tour", cause).code(ExitCode::General);
                let hint =
                    "the image has to have a shell and the usual commands; `rr demo --image IMAGE` takes another one";
                return Err(failure.hint(hint).into());
            }
            if let (Side::Host, Some(name)) = (side, step.keep) {
                stage.keep(name, result.output.lines().last().unwrap_or_default());
            }
            ran.push((side, command, result.output));
        }
        let panes: Vec<Pane<'_>> =
            ran.iter().map(|(side, command, output)| Pane { side: *side, command, output }).collect();
        output::text(&if self.markdown { page::panes(&panes) } else { self.screen.panes(&panes) })?;
        if !step.notice.is_empty() {
            output::text(&if self.markdown { page::paragraph(step.notice) } else { self.screen.notice(step.notice) })?;
        }
        self.pause()
    }

    fn paragraph(&self, text: &str) -> Result<()> {
        output::text(&if self.markdown { page::paragraph(text) } else { self.screen.paragraph(text) })
    }

    /// Waits for a key.
    fn pause(&self) -> std::result::Result<(), Ending> {
        /// What Ctrl-C, Ctrl-D and Ctrl-\ send where the terminal makes no signal of them (ascii(7)).
        const INTERRUPT: u8 = 3;
        const END: u8 = 4;
        const QUIT: u8 = 28;
        if self.pace == Pace::Unattended {
            return self.signals.look();
        }
        let raw = RawMode::enter()?;
        // A key that was pressed while a command ran was meant for none of this.
        tcflush(stdin(), QueueSelector::IFlush).doing(|| "cannot read from the terminal")?;
        output::text(&self.screen.painted("2", "any key goes on, q ends "))?;
        self.signals.wait_for(stdin())?;
        // All that one key sends: an arrow is three bytes.
        let mut keys = [0; 64];
        let count = rustix::io::read(stdin(), &mut keys).doing(|| "cannot read from the terminal")?;
        drop(raw);
        output::text("\r\x1b[K")?;
        match keys[..count].first() {
            None | Some(&(b'q' | b'Q' | END)) => Err(Ending::Stopped(0)),
            Some(&INTERRUPT) => Err(Ending::Stopped(130)),
            Some(&QUIT) => Err(Ending::Stopped(131)),
            Some(_) => Ok(()),
        }
    }
}
