//! poll(2) as it is wanted most often, and its times.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::time::Duration;

/// The same length of time as poll(2) and its like take it.
pub fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}

/// Whether something can be done with `fd` right now without waiting. One that was hung up or has failed counts: the next
/// call on it says so (poll(2)).
pub fn is_ready(fd: impl AsFd, what: PollFlags) -> bool {
    poll(&mut [PollFd::new(&fd, what)], Some(&timespec(Duration::ZERO))) == Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_ready_once_something_is_in_it() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        assert!(!is_ready(&reader, PollFlags::IN) && is_ready(&writer, PollFlags::OUT));
        rustix::io::write(&writer, b"x").unwrap();
        assert!(is_ready(&reader, PollFlags::IN));
        rustix::io::read(&reader, &mut [0; 1]).unwrap();
        drop(writer);
        assert!(is_ready(&reader, PollFlags::IN), "its end is something to read as well");
        assert_eq!(timespec(Duration::from_millis(1500)), Timespec { tv_sec: 1, tv_nsec: 500_000_000 });
    }
}
