//! `--restart`: whether and when a container is started again after its payload has ended.
//!
//! The rules are Docker's (moby, `daemon/internal/restartmanager`). They are carried out by the container's monitor,
//! so they hold as long as that lives: after a reboot nothing is started by itself.

use super::plan::RestartPolicy;
use super::values::Parsed;
use crate::launch::protocol::Exit;
use std::time::Duration;

/// The first pause; each further one is twice the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A run of this length puts the pause back to the first.
const LONG_RUN: Duration = Duration::from_secs(10);

/// Counts the restarts of one start by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restarts {
    /// How often the container was started again.
    pub count: u32,
    pause: Option<Duration>,
}

impl Restarts {
    /// Another start that the policy has no say in: at once.
    pub fn asked_for(&mut self) -> Duration {
        self.count += 1;
        Duration::ZERO
    }

    /// The payload has ended after `ran`: how long to wait before it is started again, or None where it is not.
    pub fn after(&mut self, policy: RestartPolicy, exit: Exit, ran: Duration) -> Option<Duration> {
        let again = match policy {
            RestartPolicy::No => false,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure { most } => exit.code() != 0 && most.is_none_or(|most| self.count < most),
        };
        if !again {
            return None;
        }
        let pause = match self.pause {
            Some(last) if ran < LONG_RUN => (last * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.pause = Some(pause);
        self.count += 1;
        Some(pause)
    }
}

/// `no`, `on-failure[:n]`, `always`, `unless-stopped`, with Docker's complaints; Podman's `never` means `no`.
///
/// # Errors
/// None of these.
pub fn parse(text: &str) -> Parsed<RestartPolicy> {
    let (name, count) = match text.split_once(':') {
        Some((name, count)) => (name, Some(count)),
        None => (text, None),
    };
    let most = match count {
        None => None,
        Some(count) => match count.parse::<i64>() {
            Ok(..0) => return Err("invalid restart policy: maximum retry count cannot be negative".into()),
            // Docker: no bound.
            Ok(0) => None,
            Ok(count) => Some(u32::try_from(count).map_err(|_| "the maximum retry count is too large".to_owned())?),
            Err(_) => return Err("invalid restart policy format: maximum retry count must be an integer".into()),
        },
    };
    let policy = match name {
        "on-failure" => return Ok(RestartPolicy::OnFailure { most }),
        "" if count.is_some() => return Err("invalid restart policy format: no policy provided before colon".into()),
        "" | "no" | "never" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        _ => {
            return Err(format!(
                "invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or \
                 'unless-stopped'"
            ));
        }
    };
    match count {
        Some(_) => Err("invalid restart policy: maximum retry count can only be used with 'on-failure'".into()),
        None => Ok(policy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    #[test]
    fn the_pause_doubles_up_to_a_minute_and_a_long_run_resets_it() {
        let mut restarts = Restarts::default();
        let mut next = |ran| restarts.after(RestartPolicy::Always, Exit::Status(0), ran).unwrap().as_millis();
        let pauses: Vec<u128> = (0..12).map(|_| next(SHORT)).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
        assert_eq!((next(LONG_RUN), next(SHORT)), (100, 200));
        assert_eq!(restarts.count, 14);
    }

    #[test]
    fn on_failure_counts_failures() {
        let mut restarts = Restarts::default();
        let policy = RestartPolicy::OnFailure { most: Some(2) };
        assert!(restarts.after(policy, Exit::Status(0), SHORT).is_none());
        assert!(restarts.after(policy, Exit::Signal(11), SHORT).is_some());
        assert!(restarts.after(policy, Exit::Status(1), SHORT).is_some());
        assert!(restarts.after(policy, Exit::Status(1), SHORT).is_none());
        assert!(restarts.after(RestartPolicy::OnFailure { most: None }, Exit::Status(1), SHORT).is_some());
        assert!(Restarts::default().after(RestartPolicy::No, Exit::Status(1), SHORT).is_none());
    }

    #[test]
    fn policies_are_dockers() {
        for (text, policy) in [
            ("no", RestartPolicy::No),
            ("", RestartPolicy::No),
            ("always", RestartPolicy::Always),
            ("unless-stopped", RestartPolicy::UnlessStopped),
            ("on-failure", RestartPolicy::OnFailure { most: None }),
            ("on-failure:0", RestartPolicy::OnFailure { most: None }),
            ("on-failure:3", RestartPolicy::OnFailure { most: Some(3) }),
        ] {
            assert_eq!(parse(text), Ok(policy), "{text}");
        }
        for (text, cause) in [
            ("nope", "unknown policy 'nope'"),
            ("always:3", "only be used with 'on-failure'"),
            ("on-failure:-1", "cannot be negative"),
            ("on-failure:x", "must be an integer"),
            ("on-failure:", "must be an integer"),
            (":3", "no policy provided"),
        ] {
            assert!(parse(text).unwrap_err().contains(cause), "{text}");
        }
    }
}
