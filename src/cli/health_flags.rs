//! The options of `run` and `create` that say how the container's health is checked.

use super::run_flags::one;
use crate::container::plan::{HealthPlan, OnFailure};
use crate::container::values::Parsed;
use crate::container::{health, instructions};
use crate::error::{Failure, Result};
use clap::Args;

/// As typed.
#[derive(Debug, Args)]
pub struct HealthFlags {
    /// Check the container's health by this command: of a shell, a JSON array of words, or none
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// Time between two checks [default: 30s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    health_interval: Option<String>,
    /// What to do when it is unhealthy: none, kill, restart or stop [default: none]
    #[arg(long, value_name = "ACTION")]
    health_on_failure: Option<String>,
    /// Failures in a row that make it unhealthy [default: 3]
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    health_retries: Option<String>,
    /// Time between two checks in the start period [default: 5s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    health_start_interval: Option<String>,
    /// Time from the start in which failures do not count [default: 0s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    health_start_period: Option<String>,
    /// Time that a check may take [default: 30s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    health_timeout: Option<String>,
    /// Do not check the container's health, whatever the image says
    #[arg(long)]
    no_healthcheck: bool,
}

impl HealthFlags {
    /// What they ask for; None: nothing.
    pub fn plan(&self) -> Result<Option<HealthPlan>> {
        let time = |flag: &str, typed: &Option<String>| match typed {
            Some(typed) => one(flag, typed, duration),
            None => Ok(0),
        };
        let plan = HealthPlan {
            test: match &self.health_cmd {
                Some(typed) => one("--health-cmd", typed, test)?,
                None => Vec::new(),
            },
            shell: Vec::new(),
            interval: time("--health-interval", &self.health_interval)?,
            timeout: time("--health-timeout", &self.health_timeout)?,
            start_period: time("--health-start-period", &self.health_start_period)?,
            start_interval: time("--health-start-interval", &self.health_start_interval)?,
            retries: match &self.health_retries {
                Some(typed) => one("--health-retries", typed, count)?,
                None => 0,
            },
            on_failure: match &self.health_on_failure {
                Some(typed) => one("--health-on-failure", typed, on_failure)?,
                None => OnFailure::None,
            },
        };
        let nothing = plan == HealthPlan::default();
        match (self.no_healthcheck, nothing) {
            (true, true) => Ok(Some(HealthPlan { test: vec!["NONE".to_owned()], ..plan })),
            (true, false) => {
                let cause = "--no-healthcheck conflicts with --health-* options";
                Err(Failure::new("cannot create the container", cause))
            }
            (false, true) => Ok(None),
            (false, false) => Ok(Some(plan)),
        }
    }
}

/// A command of a shell; as Podman has it, also a JSON array (with or without `CMD` or `CMD-SHELL` in front) or `none`.
fn test(typed: &str) -> Parsed<Vec<String>> {
    if typed.eq_ignore_ascii_case("none") {
        return Ok(vec!["NONE".to_owned()]);
    }
    let Ok(words) = serde_json::from_str::<Vec<String>>(typed) else {
        return match typed {
            "" => Ok(Vec::new()),
            command => Ok(vec!["CMD-SHELL".to_owned(), command.to_owned()]),
        };
    };
    match words.first().map(String::as_str) {
        Some("CMD" | "CMD-SHELL") if words.len() > 1 => Ok(words),
        None | Some("CMD" | "CMD-SHELL") => Err("no command is given".into()),
        Some(_) => Ok(std::iter::once("CMD".to_owned()).chain(words).collect()),
    }
}

/// Podman's words and complaint.
fn on_failure(typed: &str) -> Parsed<OnFailure> {
    let all = [OnFailure::None, OnFailure::Kill, OnFailure::Restart, OnFailure::Stop];
    let found = all.into_iter().find(|action| action.word() == typed);
    found.ok_or_else(|| {
        format!("invalid on-failure action \"{typed}\" for health check: supported actions are none,kill,restart,stop")
    })
}

fn duration(typed: &str) -> Parsed<u64> {
    if let Some(rest) = typed.strip_prefix('-') {
        instructions::nanoseconds(rest)?;
        return health::duration(-1);
    }
    match typed {
        "0" => Ok(0),
        typed => health::duration(instructions::nanoseconds(typed)?),
    }
}

fn count(typed: &str) -> Parsed<u32> {
    match typed.parse::<i64>() {
        Err(_) => Err("it is no whole number".into()),
        Ok(..0) => Err("cannot be negative".into()),
        Ok(count) => u32::try_from(count).map_err(|_| "it is too large".into()),
    }
}
