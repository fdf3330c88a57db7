//! Deadlines of thousands of flows, most of which are put off again and again: a flow writes its new deadline to itself,
//! and stays queued at the old one, where it is queued again. Each is queued once at most, so that the queue is never
//! longer than there are flows.

use super::Source;
use std::collections::BTreeSet;

/// Milliseconds since the stack began.
pub type Moment = u64;

/// The queue.
#[derive(Debug, Default)]
pub struct Timers(BTreeSet<(Moment, Source)>);

/// A flow's own part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deadline {
    /// When something is to happen.
    due: Moment,
    /// When the flow comes up in the queue; 0: it is not in it.
    queued: Moment,
}

impl Timers {
    /// Sets a flow's deadline.
    pub fn set(&mut self, deadline: &mut Deadline, due: Moment, source: Source) {
        deadline.due = due;
        if deadline.queued == 0 || deadline.queued > due {
            self.0.remove(&(deadline.queued, source));
            deadline.queued = due;
            self.0.insert((due, source));
        }
    }

    /// Forgets a flow's deadline: the flow is gone.
    pub fn cancel(&mut self, deadline: Deadline, source: Source) {
        self.0.remove(&(deadline.queued, source));
    }

    /// How many deadlines are queued.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// When something comes up next.
    pub fn next(&self) -> Option<Moment> {
        self.0.first().map(|(moment, _)| *moment)
    }

    /// What has come up by `now`, to be given to [`Timers::is_due`].
    pub fn pop(&mut self, now: Moment) -> Option<(Moment, Source)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first()
    }

    /// Whether the flow that has come up is due; else it is queued again.
    pub fn is_due(&mut self, deadline: &mut Deadline, (_, source): (Moment, Source), now: Moment) -> bool {
        deadline.queued = 0;
        if deadline.due <= now {
            return true;
        }
        self.set(deadline, deadline.due, source);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stack::table::Table;

    #[test]
    fn a_deadline_put_off_comes_up_late_and_once() {
        let source = Source::Tcp(Table::default().insert(()));
        let (mut timers, mut deadline) = (Timers::default(), Deadline::default());
        timers.set(&mut deadline, 100, source);
        timers.set(&mut deadline, 500, source);
        timers.set(&mut deadline, 300, source);
        assert_eq!(timers.pop(99), None);
        let entry = timers.pop(100).unwrap();
        assert!(!timers.is_due(&mut deadline, entry, 100));
        assert_eq!(timers.next(), Some(300));
        let entry = timers.pop(300).unwrap();
        assert!(timers.is_due(&mut deadline, entry, 300));
        assert_eq!(timers.next(), None);
        // Earlier than queued: it comes up then, and then alone.
        timers.set(&mut deadline, 900, source);
        timers.set(&mut deadline, 400, source);
        let entry = timers.pop(400).unwrap();
        assert!(timers.is_due(&mut deadline, entry, 400));
        assert_eq!(timers.pop(2000), None);
    }

    #[test]
    fn no_flow_is_queued_twice() {
        let source = Source::Tcp(Table::default().insert(()));
        let (mut timers, mut deadline) = (Timers::default(), Deadline::default());
        // As of a connection that is idle, and used now and then.
        for now in (0..100_000).step_by(1000) {
            timers.set(&mut deadline, now + 7_200_000, source);
            timers.set(&mut deadline, now + 1000, source);
            timers.set(&mut deadline, now + 7_200_000, source);
            while let Some(entry) = timers.pop(now + 1000) {
                assert!(!timers.is_due(&mut deadline, entry, now + 1000));
            }
            assert_eq!(timers.len(), 1);
        }
        timers.cancel(deadline, source);
        assert_eq!(timers.len(), 0);
    }
}
