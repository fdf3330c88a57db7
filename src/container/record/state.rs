//! What changes in a container's life, as `state.json` has it.

use crate::container::health::Health;
use crate::host::process::ProcessName;
use crate::launch::protocol::Exit;
use crate::net::Endpoint;
use crate::net::ports::Bound;
use serde::{Deserialize, Serialize};

/// Where in its life a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Never started, or being started.
    #[default]
    Created,
    /// The payload runs.
    Running,
    /// The payload runs and stands still: never written, but told by `paused.json` beside the state.
    Paused,
    /// The payload has ended, and its restart policy is about to start it again.
    Restarting,
    /// The payload has ended.
    Exited,
}

impl Status {
    /// The word Docker's `State.Status` has.
    pub fn word(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Restarting => "restarting",
            Status::Exited => "exited",
        }
    }

    /// Whether a monitor is with the container.
    pub fn is_alive(self) -> bool {
        matches!(self, Status::Running | Status::Paused | Status::Restarting)
    }
}

/// What changes in a container's life; `state.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Where it is.
    pub status: Status,
    /// The payload, while it runs.
    pub init: Option<ProcessName>,
    /// The monitor, while it runs.
    pub monitor: Option<ProcessName>,
    /// Status of the last run, by the shell's convention.
    pub exit_code: Option<i32>,
    /// When the payload was started last.
    pub started_at: Option<jiff::Timestamp>,
    /// When it ended last.
    pub finished_at: Option<jiff::Timestamp>,
    /// How often the restart policy has started it since the user did.
    pub restart_count: u32,
    /// The user has asked for its end, which a policy of `unless-stopped` minds.
    pub stopped_by_user: bool,
    /// The host's ports that lead into it, while it runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Bound>,
    /// Its ends of its networks, in their order, while it runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// How it is, where that is checked; after its end how it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// The kernel has killed in it for want of memory, in the last run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oom_killed: bool,
    /// Why the last start failed or how the run was cut short, if it was.
    pub error: Option<String>,
}

impl State {
    /// What is left to say where the state was lost with the machine's power.
    pub(super) fn torn() -> State {
        State {
            status: Status::Exited,
            exit_code: Some(Exit::Signal(libc::SIGKILL).code()),
            error: Some("the machine lost power while the container's state was written".into()),
            ..State::default()
        }
    }

    /// The state at the start of a run.
    pub fn running(init: Option<ProcessName>, monitor: Option<ProcessName>) -> State {
        State { status: Status::Running, init, monitor, started_at: Some(jiff::Timestamp::now()), ..State::default() }
    }

    /// This state after the payload has ended.
    #[must_use]
    pub fn ended(self, exit: Exit) -> State {
        State {
            status: Status::Exited,
            init: None,
            monitor: None,
            ports: Vec::new(),
            endpoints: Vec::new(),
            exit_code: Some(exit.code()),
            finished_at: Some(jiff::Timestamp::now()),
            ..self
        }
    }
}
