//! The progress of a build: BuildKit's plain lines on standard error, or for `podman` its own steps on standard output.

use crate::build::{Event, Reporter};
use crate::cli::{output, personality, report};
use crate::image::Image;
use crate::image::reference::Reference;
use std::cell::RefCell;
use std::io::Write;
use std::time::Instant;

/// Shows what a build does.
pub struct Shown {
    how: How,
    state: RefCell<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Quiet,
    BuildKit,
    Podman,
}

struct State {
    /// Numbers the lines of a step.
    number: usize,
    began: Instant,
    title: String,
    /// Output without the end of its line.
    line: Vec<u8>,
    /// The last lines of the current step's output, for the case that it fails.
    last: Vec<String>,
    is_open: bool,
}

/// How many lines of output a failure shows again.
const LAST_LINES: usize = 10;

impl Shown {
    /// In the way of whoever rr was started as.
    pub fn new(quiet: bool) -> Shown {
        let how = match (quiet, personality::is_podman()) {
            (true, _) => How::Quiet,
            (false, true) => How::Podman,
            (false, false) => How::BuildKit,
        };
        let state = State {
            number: 0,
            began: Instant::now(),
            title: String::new(),
            line: Vec::new(),
            last: Vec::new(),
            is_open: false,
        };
        Shown { how, state: RefCell::new(state) }
    }

    /// The image is there.
    pub fn exported(&self, image: &Image, names: &[Reference]) {
        let mut state = self.state.borrow_mut();
        match self.how {
            How::Quiet => {}
            How::BuildKit => {
                state.number += 1;
                let number = state.number;
                let mut text = format!("#{number} exporting to image\n#{number} writing image {} done\n", image.id);
                for name in names {
                    text.push_str(&format!("#{number} naming to {name} done\n"));
                }
                text.push_str(&format!("#{number} DONE 0.0s"));
                report::line(&text);
            }
            How::Podman => {
                let mut text = String::new();
                if let Some(name) = names.first() {
                    text.push_str(&format!("COMMIT {}\n", name.familiar()));
                }
                text.push_str(&format!("--> {}\n", &image.id.hex()[..12]));
                for name in names {
                    text.push_str(&format!("Successfully tagged {name}\n"));
                }
                let _ = output::text(&text);
            }
        }
    }

    /// The step that was under way has failed: its last output is shown again, as BuildKit does.
    pub fn failed(&self) {
        self.flush();
        let state = self.state.borrow();
        if !state.is_open {
            return;
        }
        match self.how {
            How::Podman => {}
            How::BuildKit | How::Quiet => {
                let seconds = state.began.elapsed().as_secs_f64();
                let mut text = match self.how {
                    How::BuildKit => format!("#{} ERROR after {seconds:.1}s\n", state.number),
                    _ => String::new(),
                };
                text.push_str(&format!("------\n > {}:\n", state.title));
                state.last.iter().for_each(|line| text.push_str(&format!("{line}\n")));
                text.push_str("------");
                report::line(&text);
            }
        }
    }

    /// Shows whole lines of output, each with its step and time.
    fn output(&self, bytes: &[u8]) {
        if self.how == How::Podman {
            // As it comes; nobody is left to tell where it cannot be written.
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
            return;
        }
        let mut state = self.state.borrow_mut();
        state.line.extend_from_slice(bytes);
        while let Some(end) = state.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = state.line.drain(..=end).collect();
            self.line(&mut state, &line[..end]);
        }
    }

    fn line(&self, state: &mut State, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches('\r');
        let shown = format!("{:.3} {text}", state.began.elapsed().as_secs_f64());
        if self.how == How::BuildKit {
            report::line(&format!("#{} {shown}", state.number));
        }
        if state.last.len() == LAST_LINES {
            state.last.remove(0);
        }
        state.last.push(shown);
    }

    /// Output that ended without the end of a line.
    fn flush(&self) {
        let mut state = self.state.borrow_mut();
        let line = std::mem::take(&mut state.line);
        if !line.is_empty() {
            self.line(&mut state, &line);
        }
    }
}

impl Reporter for Shown {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Begin { title, instruction, place } => {
                let mut state = self.state.borrow_mut();
                let (number, is_open) = (state.number + 1, true);
                *state = State {
                    number,
                    began: Instant::now(),
                    title: title.to_owned(),
                    line: Vec::new(),
                    last: Vec::new(),
                    is_open,
                };
                match self.how {
                    How::Quiet => {}
                    How::BuildKit => report::line(&format!("#{number} {title}")),
                    How::Podman => _ = output::line(&format!("STEP {}/{}: {instruction}", place.0, place.1)),
                }
            }
            Event::Cached => {
                let mut state = self.state.borrow_mut();
                state.is_open = false;
                match self.how {
                    How::Quiet => {}
                    How::BuildKit => report::line(&format!("#{} CACHED\n", state.number)),
                    How::Podman => _ = output::line("--> Using cache"),
                }
            }
            Event::Done { took } => {
                self.flush();
                let mut state = self.state.borrow_mut();
                state.is_open = false;
                if self.how == How::BuildKit {
                    report::line(&format!("#{} DONE {:.1}s\n", state.number, took.as_secs_f64()));
                }
            }
            Event::Output(bytes) => self.output(bytes),
            Event::Note(text) => report::notice(text),
        }
    }
}
