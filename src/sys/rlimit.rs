//! Resource limits of the calling process (getrlimit(2)).

use rustix::process::{Resource as Number, Rlimit, getrlimit, setrlimit};

/// One of the kernel's resource limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// The constant's name, lower case without `RLIMIT_`.
    pub name: &'static str,
    number: Number,
}

impl Resource {
    /// Every limit of Linux, by name.
    pub const ALL: [Resource; 16] = [
        Resource { name: "as", number: Number::As },
        Resource { name: "core", number: Number::Core },
        Resource { name: "cpu", number: Number::Cpu },
        Resource { name: "data", number: Number::Data },
        Resource { name: "fsize", number: Number::Fsize },
        Resource { name: "locks", number: Number::Locks },
        Resource { name: "memlock", number: Number::Memlock },
        Resource { name: "msgqueue", number: Number::Msgqueue },
        Resource { name: "nice", number: Number::Nice },
        Resource { name: "nofile", number: Number::Nofile },
        Resource { name: "nproc", number: Number::Nproc },
        Resource { name: "rss", number: Number::Rss },
        Resource { name: "rtprio", number: Number::Rtprio },
        Resource { name: "rttime", number: Number::Rttime },
        Resource { name: "sigpending", number: Number::Sigpending },
        Resource { name: "stack", number: Number::Stack },
    ];

    /// The limit of that name.
    pub fn named(name: &str) -> Option<Resource> {
        Resource::ALL.into_iter().find(|resource| resource.name == name)
    }
}

/// The hard limit; `u64::MAX` is none.
pub fn hard(resource: Resource) -> u64 {
    getrlimit(resource.number).maximum.unwrap_or(u64::MAX)
}

/// Sets both limits; `u64::MAX` is none. EPERM: above the hard limit, without CAP_SYS_RESOURCE in
/// the initial user namespace; EINVAL: soft above hard.
pub fn set(resource: Resource, soft: u64, hard: u64) -> rustix::io::Result<()> {
    let value = |limit: u64| (limit != u64::MAX).then_some(limit);
    setrlimit(resource.number, Rlimit { current: value(soft), maximum: value(hard) })
}
