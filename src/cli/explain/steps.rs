//! `rr explain --run`, and what `rr run --explain` prints meanwhile.

use super::text::Look;
use crate::cli::create;
use crate::cli::run::Run;
use crate::cli::start::driver;
use crate::cli::{report, tree, usage};
use crate::container::explain::steps::{Step, steps};
use crate::container::plan::RunPlan;
use crate::error::{ExitCode, Known, Result};
use crate::store::Store;
use clap::CommandFactory;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// The steps of the run that `words` describe, as `rr run` takes them; None where they ask for help.
///
/// # Errors
/// Whatever `rr run` would say before it starts anything.
pub fn of_words(words: &[OsString]) -> Result<Option<(RunPlan, Vec<Step>)>> {
    let parser = tree::parser(Run::command());
    // A wrong option is 125 wherever it stands.
    let parsed = usage::parse::<Run>(parser, "rr explain --run", words, ExitCode::General);
    let Some(run) = parsed.map_err(|failure| failure.known(Known::Usage))? else {
        return Ok(None);
    };
    let (store, plan) = create::plan(run.into_flags())?;
    let steps = steps(&store, &plan, driver()?)?;
    Ok(Some((plan, steps)))
}

/// All of them.
pub fn text(plan: &RunPlan, steps: &[Step], look: Look) -> String {
    let image = plan.image.as_ref().map_or("a directory", |image| image.name.as_str());
    let mut text = look.paragraph(&format!("What `rr run` would do with {image}. Nothing was started."), "");
    for (at, step) in steps.iter().enumerate() {
        text += &one(step, &format!("{:2}", at + 1), look);
    }
    text
}

/// One of them, `mark` in front.
fn one(step: &Step, mark: &str, look: Look) -> String {
    let mut text = format!("\n{mark}  {}  {}\n", look.title(step.name), look.dim(step.process.word()));
    text += &look.paragraph(&step.purpose, "    ");
    for call in &step.calls {
        text += &look.hanging(&format!("{} [{}]", call.text, call.manual), "      ");
    }
    text
}

/// From here on each step of the start is told on standard error, when it begins.
///
/// # Errors
/// The steps cannot be told, see [`steps`].
pub fn listen(store: &Store, plan: &RunPlan, look: Look) -> Result<()> {
    let steps = steps(store, plan, driver()?)?;
    let began = Instant::now();
    report::listen_to_steps(Box::new(move |name| {
        let step = steps.iter().find(|step| step.name == name)?;
        Some(one(step, &milliseconds(began.elapsed()), look))
    }));
    Ok(())
}

/// `+  1.32 ms`
fn milliseconds(passed: Duration) -> String {
    format!("+{:6.2} ms", passed.as_secs_f64() * 1000.0)
}
