//! Deadlines of thousands of flows, most of which are put off again and again: a flow writes its new deadline to itself,
//! and stays queued at the old one, where it is queued again.

use super::Source;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Milliseconds since the stack began.
pub type Moment = u64;

/// The queue.
#[derive(Debug, Default)]
pub struct Timers(BinaryHeap<Reverse<(Moment, Source)>>);

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
            deadline.queued = due;
            self.0.push(Reverse((due, source)));
        }
    }

    /// When something comes up next.
    pub fn next(&self) -> Option<Moment> {
        self.0.peek().map(|Reverse((moment, _))| *moment)
    }

    /// What has come up by `now`, to be given to [`Timers::is_due`].
    pub fn pop(&mut self, now: Moment) -> Option<(Moment, Source)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }

    /// Whether the flow that has come up is due; else it is queued again.
    pub fn is_due(&mut self, deadline: &mut Deadline, (moment, source): (Moment, Source), now: Moment) -> bool {
        if deadline.queued != moment {
            // Queued once more, earlier, and this is what was left behind.
            return false;
        }
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
        // Earlier than queued: the later entry is nobody's.
        timers.set(&mut deadline, 900, source);
        timers.set(&mut deadline, 400, source);
        let entry = timers.pop(900).unwrap();
        assert!(timers.is_due(&mut deadline, entry, 900));
        let entry = timers.pop(900).unwrap();
        assert!(!timers.is_due(&mut deadline, entry, 900));
    }
}
