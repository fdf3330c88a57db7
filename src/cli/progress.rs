//! A pull, shown on standard error: a bar a layer on a terminal, a line a change anywhere else.
//!
//! Layers are pulled in a child process (see [`crate::image::progress`]), so nothing here is made
//! before [`Event::Layers`] has said that there is something to show, and nothing is expected to be
//! remembered by the parent afterwards.

use super::report;
use crate::image::progress::{Event, LayerLine, LayerState, Progress, Silent};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Everything.
    Usual,
    /// `--quiet`: nothing at all.
    Quiet,
}

/// The way to show a pull that fits standard error.
pub fn shown(verbosity: Verbosity) -> Box<dyn Progress> {
    let dumb = || std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    match verbosity {
        Verbosity::Quiet => Box::new(Silent),
        Verbosity::Usual if std::io::stderr().is_terminal() && !dumb() => Box::new(Bars::default()),
        Verbosity::Usual => Box::new(Lines::default()),
    }
}

/// `alpine:3.20`, then a line whenever a layer enters another state, as `docker pull` into a pipe.
#[derive(Default)]
struct Lines(Mutex<Vec<Shown>>);

/// What [`Lines`] knows of a layer.
struct Shown {
    short: String,
    state: &'static str,
}

impl Progress for Lines {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Resolving { name } => report::line(&resolving(name)),
            Event::Layers(layers) => {
                let mut shown = lock(&self.0);
                *shown = layers.iter().map(|layer| Shown { short: layer.short(), state: "" }).collect();
            }
            Event::Layer { index, state } => {
                // That nothing happens yet is no news.
                if let Some(layer) = lock(&self.0).get_mut(index)
                    && state != LayerState::Waiting
                    && layer.state != word(state)
                {
                    layer.state = word(state);
                    report::line(&format!("{}: {}", layer.short, layer.state));
                }
            }
            Event::Note(note) => report::notice(note),
            Event::Finished => {}
        }
    }
}

/// Docker's words.
fn word(state: LayerState) -> &'static str {
    match state {
        LayerState::Waiting => "Waiting",
        LayerState::Downloading { .. } => "Pulling fs layer",
        LayerState::Extracting { .. } => "Extracting",
        LayerState::Exists => "Already exists",
        LayerState::Done => "Pull complete",
    }
}

fn resolving(name: &str) -> String {
    format!("Pulling {name}")
}

/// A bar a layer.
#[derive(Default)]
struct Bars(Mutex<Option<Drawn>>);

struct Drawn {
    all: MultiProgress,
    layers: Vec<ProgressBar>,
}

impl Progress for Bars {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Resolving { name } => report::line(&resolving(name)),
            Event::Layers(layers) => *lock(&self.0) = Some(Drawn::new(layers)),
            Event::Layer { index, state } => {
                if let Some(bar) = lock(&self.0).as_ref().and_then(|drawn| drawn.layers.get(index)) {
                    update(bar, state);
                }
            }
            Event::Note(note) => match &*lock(&self.0) {
                // Above the bars, or it would be drawn over. The error is the terminal's own.
                Some(drawn) => drop(drawn.all.println(format!("rr: {note}"))),
                None => report::notice(note),
            },
            Event::Finished => {
                if let Some(drawn) = lock(&self.0).take() {
                    drawn.layers.iter().filter(|bar| !bar.is_finished()).for_each(ProgressBar::abandon);
                }
            }
        }
    }
}

impl Drawn {
    fn new(layers: &[LayerLine]) -> Drawn {
        let all = MultiProgress::new();
        let layers = layers
            .iter()
            .map(|layer| {
                let bar = all.add(ProgressBar::new(layer.size).with_style(moving()).with_prefix(layer.short()));
                bar.set_message("Waiting");
                bar
            })
            .collect();
        Drawn { all, layers }
    }
}

fn update(bar: &ProgressBar, state: LayerState) {
    match state {
        LayerState::Waiting => {}
        LayerState::Downloading { done } => {
            bar.set_message("Pulling");
            bar.set_position(done);
        }
        LayerState::Extracting { done } => {
            bar.set_message("Extracting");
            bar.set_position(done);
        }
        LayerState::Exists | LayerState::Done => {
            bar.set_style(still());
            bar.finish_with_message(word(state));
        }
    }
}

/// `a2318d6c47ec: Pulling    [=====>          ]  1.20 MB/3.41 MB`
fn moving() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}: {msg:10} [{bar:40}] {decimal_bytes}/{decimal_total_bytes}")
        // A template that is wrong would be this line's; a plain bar does as well.
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// `a2318d6c47ec: Pull complete`
fn still() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}: {msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A thread that panicked while it held the lock leaves a usable picture.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles_are_valid_templates() {
        for template in ["{prefix}: {msg:10} [{bar:40}] {decimal_bytes}/{decimal_total_bytes}", "{prefix}: {msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn events_in_any_order_do_no_harm() {
        let layer = LayerLine { digest: crate::image::digest::Digest::of(b"x"), size: 10 };
        let bars = Bars::default();
        bars.event(Event::Layer { index: 3, state: LayerState::Done });
        bars.event(Event::Finished);
        bars.event(Event::Layers(std::slice::from_ref(&layer)));
        bars.event(Event::Layer { index: 0, state: LayerState::Downloading { done: 99 } });
        bars.event(Event::Layer { index: 1, state: LayerState::Done });
        let drawn = lock(&bars.0);
        assert_eq!(drawn.as_ref().map(|drawn| drawn.layers[0].position()), Some(99));
    }
}
