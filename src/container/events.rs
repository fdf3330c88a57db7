//! What is told of containers in the event log, in Docker's words.

use super::plan::RunPlan;
use crate::launch::health::HealthStatus;
use crate::store::{Event, Kind};

/// Something that happens to a container now, with what Docker always adds: labels, image and name.
pub fn event(plan: &RunPlan, action: impl Into<String>) -> Event {
    let mut event = Event::now(Kind::Container, action, &*plan.id);
    event.attributes.extend(plan.labels.iter().map(|(name, value)| (name.clone(), value.clone())));
    event
        .with("image", plan.image.as_ref().map(|image| image.name.clone()).unwrap_or_default())
        .with("name", &*plan.name)
}

/// The payload has ended with this status.
pub fn died(plan: &RunPlan, exit_code: i32) -> Event {
    event(plan, "die").with("exitCode", exit_code.to_string())
}

/// A command in a container: it is made and started, in Docker's words.
pub fn executed(plan: &RunPlan, id: &str, command: &str) -> [Event; 2] {
    ["exec_create", "exec_start"].map(|action| event(plan, format!("{action}: {command}")).with("execID", id))
}

/// It has ended with this status.
pub fn execution_died(plan: &RunPlan, id: &str, exit_code: i32) -> Event {
    event(plan, "exec_die").with("execID", id).with("exitCode", exit_code.to_string())
}

/// Its health has changed.
pub fn health_changed(plan: &RunPlan, status: HealthStatus) -> Event {
    event(plan, format!("health_status: {}", status.word()))
}

/// The payload is sent a signal.
pub fn killed(plan: &RunPlan, signal: i32) -> Event {
    event(plan, "kill").with("signal", signal.to_string())
}
