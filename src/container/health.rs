//! The health of a container: what is asked for and what the image says become a [`HealthPlan`]; the results of the
//! checks become a [`Health`] in the container's state. The rules are Docker's (moby, `daemon/health.go`).

use super::exec;
use super::plan::{HealthPlan, OnFailure};
use super::record::{Container, Status};
use super::values::Parsed;
use crate::error::{ExitCode, Failure, Result};
use crate::image::config::Healthcheck;
use crate::launch::health::{Checked, HealthStatus, check_now};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many results are kept (Docker's `maxLogEntries`).
const KEPT: usize = 5;

/// The shortest duration that is taken, nanoseconds (Docker's `MinimumDuration`, 1 ms).
const SHORTEST: u64 = 1_000_000;

/// How a container is, with the results that say so; `State.Health` has Docker's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Health {
    /// In a word.
    pub status: HealthStatus,
    /// Failures in a row that count.
    pub failing_streak: u32,
    /// The last results, the newest last.
    pub log: Vec<Checked>,
}

impl Health {
    /// What a container with this plan begins with; None where nothing is checked.
    pub fn at_start(plan: Option<&HealthPlan>) -> Option<Health> {
        plan.and_then(HealthPlan::command).map(|_| Health::default())
    }

    /// Takes the result of a check that began so long after the payload's start; true where the status is another then.
    pub fn take(&mut self, plan: &HealthPlan, checked: Checked, after: Duration) -> bool {
        let before = self.status;
        if checked.exit_code == 0 {
            (self.status, self.failing_streak) = (HealthStatus::Healthy, 0);
        } else if before != HealthStatus::Starting || after >= plan.start_period() {
            self.failing_streak = self.failing_streak.saturating_add(1);
            if self.failing_streak >= plan.retries() {
                self.status = HealthStatus::Unhealthy;
            }
        }
        self.log.push(checked);
        let too_many = self.log.len().saturating_sub(KEPT);
        self.log.drain(..too_many);
        self.status != before
    }
}

/// What was asked for before what the image says, field by field; `shell` is the image's.
///
/// # Errors
/// The image, whose durations nobody has looked at yet, has one that cannot be.
pub fn plan(asked: Option<HealthPlan>, image: Option<Healthcheck>, shell: &[String]) -> Parsed<Option<HealthPlan>> {
    let image = image.map(|check| of_image(&check)).transpose()?;
    let mut plan = match (asked, image) {
        (None, None) => return Ok(None),
        (Some(plan), None) | (None, Some(plan)) => plan,
        // Whoever wants none wants nothing of the image's either.
        (Some(asked), Some(_)) if asked.test.first().is_some_and(|kind| kind == "NONE") => asked,
        (Some(asked), Some(image)) => HealthPlan {
            test: if asked.test.is_empty() { image.test } else { asked.test },
            shell: Vec::new(),
            interval: first(asked.interval, image.interval),
            timeout: first(asked.timeout, image.timeout),
            start_period: first(asked.start_period, image.start_period),
            start_interval: first(asked.start_interval, image.start_interval),
            retries: if asked.retries == 0 { image.retries } else { asked.retries },
            on_failure: asked.on_failure,
        },
    };
    if plan.on_failure != OnFailure::None && matches!(plan.test.first().map(String::as_str), None | Some("NONE")) {
        return Err(format!("cannot set on-failure action to {} without a health check", plan.on_failure.word()));
    }
    if plan.test.first().is_some_and(|kind| kind == "CMD-SHELL") {
        plan.shell = shell.to_vec();
    }
    match plan.test.first().map(String::as_str) {
        None | Some("NONE") => {}
        Some(_) if plan.command().is_some() => {}
        Some(kind) => {
            return Err(format!("the health check is neither CMD, CMD-SHELL nor NONE with a command: {kind}"));
        }
    }
    Ok(Some(plan))
}

fn first(asked: u64, image: u64) -> u64 {
    if asked == 0 { image } else { asked }
}

fn of_image(check: &Healthcheck) -> Parsed<HealthPlan> {
    let time = |name: &str, nanoseconds: i64| duration(nanoseconds).map_err(|cause| format!("{name} {cause}"));
    Ok(HealthPlan {
        test: check.test.clone(),
        shell: Vec::new(),
        interval: time("Interval in Healthcheck", check.interval)?,
        timeout: time("Timeout in Healthcheck", check.timeout)?,
        start_period: time("StartPeriod in Healthcheck", check.start_period)?,
        start_interval: time("StartInterval in Healthcheck", check.start_interval)?,
        retries: u32::try_from(check.retries).map_err(|_| "Retries in Healthcheck cannot be negative")?,
        on_failure: OnFailure::None,
    })
}

/// A duration of a health check in nanoseconds; 0 stands for the image's, or Docker's default.
///
/// # Errors
/// It is negative, or shorter than a millisecond.
pub fn duration(nanoseconds: i64) -> Parsed<u64> {
    match u64::try_from(nanoseconds) {
        Err(_) => Err("cannot be negative".into()),
        Ok(1..SHORTEST) => Err("cannot be less than 1ms".into()),
        Ok(nanoseconds) => Ok(nanoseconds),
    }
}

/// As an image's config has it.
pub fn for_image(plan: &HealthPlan) -> Healthcheck {
    let nanoseconds = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Healthcheck {
        test: plan.test.clone(),
        interval: nanoseconds(plan.interval),
        timeout: nanoseconds(plan.timeout),
        start_period: nanoseconds(plan.start_period),
        start_interval: nanoseconds(plan.start_interval),
        retries: plan.retries.into(),
    }
}

/// Has the container's health checked now: whether it is good. The result counts like that of any other check.
///
/// # Errors
/// It has no check, or does not run.
pub fn run(container: &Container) -> Result<bool> {
    let doing = || format!("cannot check the health of container {}", container.plan.name);
    let refuse = |cause: String| Failure::new(doing(), cause).code(ExitCode::Runner);
    let id = &container.plan.id;
    if Health::at_start(container.plan.health.as_ref()).is_none() {
        return Err(refuse(format!("container {id} has no defined healthcheck")));
    }
    let not_running = || refuse(format!("container {id} is not running"));
    match container.state.status {
        Status::Running => {}
        Status::Restarting => return Err(refuse(format!("container {id} is restarting"))),
        Status::Paused => return Err(refuse(format!("container {id} is paused"))),
        Status::Created | Status::Exited => return Err(not_running()),
    }
    let exit = exec::by_the_monitor(container, &doing, &not_running, check_now)??;
    exit.map(|exit| exit.code() == 0).ok_or_else(not_running)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn checked(exit_code: i32) -> Checked {
        Checked { start: Timestamp::UNIX_EPOCH, end: Timestamp::UNIX_EPOCH, exit_code, output: String::new() }
    }

    fn shell(command: &str) -> HealthPlan {
        HealthPlan { test: vec!["CMD-SHELL".into(), command.into()], ..HealthPlan::default() }
    }

    #[test]
    fn the_status_follows_docker() {
        use HealthStatus::{Healthy, Starting, Unhealthy};
        let plan = HealthPlan { retries: 2, start_period: 10_000_000_000, ..shell("x") };
        let mut health = Health::default();
        let mut step = |exit, seconds, status, streak, changes| {
            assert_eq!(health.take(&plan, checked(exit), Duration::from_secs(seconds)), changes, "{exit} {seconds}");
            assert_eq!((health.status, health.failing_streak), (status, streak), "{exit} {seconds}");
            assert!(health.log.len() <= KEPT);
        };
        step(1, 1, Starting, 0, false);
        step(1, 9, Starting, 0, false);
        step(1, 10, Starting, 1, false);
        step(-1, 11, Unhealthy, 2, true);
        step(1, 12, Unhealthy, 3, false);
        step(0, 13, Healthy, 0, true);
        step(1, 14, Healthy, 1, false);
        step(0, 15, Healthy, 0, false);
        // Once it was healthy, the start period is over.
        let mut early = Health::default();
        assert!(early.take(&plan, checked(0), Duration::from_secs(1)));
        assert!(!early.take(&plan, checked(1), Duration::from_secs(2)));
        assert!(early.take(&plan, checked(1), Duration::from_secs(3)));
        assert_eq!(early.status, Unhealthy);
    }

    #[test]
    fn the_images_check_stands_where_nothing_else_was_asked_for() {
        let image =
            Healthcheck { test: vec!["CMD".into(), "true".into()], interval: 2_000_000_000, ..Default::default() };
        let merged = |asked| plan(asked, Some(image.clone()), &["/bin/ash".to_owned()]).unwrap().unwrap();
        assert_eq!(merged(None).command().unwrap(), ["true"]);
        let faster = merged(Some(HealthPlan { interval: 1_000_000, ..HealthPlan::default() }));
        assert_eq!((faster.command().unwrap(), faster.interval()), (vec!["true".to_owned()], Duration::from_millis(1)));
        let other = merged(Some(shell("a b")));
        assert_eq!(
            (other.command().unwrap(), other.interval()),
            (vec!["/bin/ash".into(), "a b".into()], Duration::from_secs(2))
        );
        let none = merged(Some(HealthPlan { test: vec!["NONE".into()], ..HealthPlan::default() }));
        assert_eq!((none.command(), Health::at_start(Some(&none))), (None, None));
        assert_eq!(plan(Some(shell("x")), None, &[]).unwrap().unwrap().command().unwrap(), ["/bin/sh", "-c", "x"]);
        assert_eq!(plan(None, None, &[]), Ok(None));
        for bad in [
            Healthcheck { interval: -1, ..image.clone() },
            Healthcheck { timeout: 999_999, ..image.clone() },
            Healthcheck { retries: -1, ..image.clone() },
            Healthcheck { test: vec!["CMD".into()], ..image.clone() },
            Healthcheck { test: vec!["RUN".into(), "x".into()], ..image.clone() },
        ] {
            assert!(plan(None, Some(bad.clone()), &[]).is_err(), "{bad:?}");
        }
    }
}
