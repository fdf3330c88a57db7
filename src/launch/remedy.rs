//! `--health-on-failure`: the monitor ends a container that its checks have found unhealthy.
//!
//! The payload gets its stop signal and the time that `stop` would give it, then SIGKILL, as with Podman, which has this
//! option; what becomes of the container then is said by the [`Wish`].

use super::exec::Place;
use super::executions::Activity;
use super::plan::OnFailure;
use super::pump::signal;
use super::{Keeper, Wish};
use std::time::{Duration, Instant};

/// A container that is being ended.
pub(super) struct Remedy {
    /// When its payload is killed; None: it was, or has all the time.
    kill_at: Option<Instant>,
}

impl Remedy {
    /// Begins what is to be done; None where that is nothing.
    pub(super) fn begin(
        what: OnFailure,
        place: &Place<'_>,
        keeper: &mut dyn Keeper,
        wish: &mut Wish,
    ) -> Option<Remedy> {
        let wanted = match what {
            OnFailure::None => return None,
            OnFailure::Kill | OnFailure::Stop => Wish::StayDown,
            OnFailure::Restart => Wish::Restart,
        };
        // What a user has said comes first.
        if *wish == Wish::None {
            *wish = wanted;
        }
        let (number, kill_at) = match (what, place.plan.stop_timeout) {
            (OnFailure::Kill, _) => (libc::SIGKILL, None),
            (_, u32::MAX) => (place.plan.stop_signal, None),
            (_, seconds) => (place.plan.stop_signal, Some(Instant::now() + Duration::from_secs(seconds.into()))),
        };
        // Told first: the payload's end is told next.
        keeper.remedied(number);
        signal(place.init, number);
        Some(Remedy { kill_at })
    }

    /// How long nothing has to be done; None: for ever.
    pub(super) fn time_left(&self) -> Option<Duration> {
        Some(self.kill_at?.saturating_duration_since(Instant::now()))
    }

    /// Kills the payload when its time is over.
    pub(super) fn tend(&mut self, place: &Place<'_>, keeper: &mut dyn Keeper) -> Activity {
        if self.kill_at.is_none_or(|at| Instant::now() < at) {
            return Activity::None;
        }
        self.kill_at = None;
        keeper.remedied(libc::SIGKILL);
        signal(place.init, libc::SIGKILL);
        Activity::Some
    }
}
