//! Resource limits (`--ulimit`, getrlimit(2)).
//!
//! A rootless container cannot go above the hard limits of the user who started it: raising one
//! needs CAP_SYS_RESOURCE in the initial user namespace, which root of a container's does not have.

use crate::error::{Failure, IntoCause, Result};
use crate::sys::rlimit::{self, Resource};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One resource limit; `u64::MAX` is RLIM_INFINITY.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Name as in `RLIMIT_NOFILE`, lower case without its prefix: `nofile`.
    pub name: String,
    /// Soft limit, in the resource's unit (getrlimit(2)).
    pub soft: u64,
    /// Hard limit, at least the soft one.
    pub hard: u64,
}

/// No limit: RLIM_INFINITY.
pub const UNLIMITED: u64 = u64::MAX;

impl std::str::FromStr for Rlimit {
    type Err = Failure;

    /// `name=soft[:hard]` as Docker takes it: the hard limit defaults to the soft one, and `-1`,
    /// `unlimited` or `infinity` is no limit. `RLIMIT_NOFILE` and `NOFILE` also name `nofile`.
    fn from_str(text: &str) -> Result<Rlimit> {
        let refuse = |cause: String| Failure::new(format!("cannot use --ulimit {text}"), cause);
        let (name, values) =
            text.split_once('=').ok_or_else(|| refuse("it must have the form name=soft[:hard]".into()))?;
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("rlimit_").unwrap_or(&name);
        if Resource::named(name).is_none() {
            let known: Vec<&str> = Resource::ALL.iter().map(|resource| resource.name).collect();
            return Err(refuse(format!("there is no limit `{name}`; the limits are {}", known.join(", "))));
        }
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let soft = parse_value(soft).map_err(&refuse)?;
        let hard = parse_value(hard).map_err(&refuse)?;
        if soft > hard {
            return Err(refuse(format!("the soft limit {} is above the hard limit {}", Value(soft), Value(hard))));
        }
        Ok(Rlimit { name: name.to_owned(), soft, hard })
    }
}

/// A number, or the words for no limit.
fn parse_value(text: &str) -> std::result::Result<u64, String> {
    match text {
        "-1" | "unlimited" | "infinity" => Some(UNLIMITED),
        // u64::from_str would take a leading plus sign.
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
    .ok_or_else(|| format!("`{text}` is neither a number nor `unlimited`"))
}

/// A limit as people read it.
struct Value(u64);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == UNLIMITED { f.write_str("unlimited") } else { write!(f, "{}", self.0) }
    }
}

impl fmt::Display for Rlimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.name, Value(self.soft), Value(self.hard))
    }
}

/// Sets each limit for the calling process (prlimit(2)).
///
/// - runs in: process 1 of the container, before [`crate::confine::capabilities::set_identity`]
/// - may assume: names were checked when the limits were parsed; checked again all the same
/// - must not do: lower `nofile` below the descriptors rr still has to open; so it runs late
pub fn apply(limits: &[Rlimit]) -> Result<()> {
    for limit in limits {
        let doing = || format!("cannot set the limit {limit}");
        let resource =
            Resource::named(&limit.name).ok_or_else(|| Failure::new(doing(), "there is no limit of that name"))?;
        rlimit::set(resource, limit.soft, limit.hard).map_err(|errno| {
            let failure = Failure::new(doing(), errno.into_cause());
            let own = rlimit::hard(resource);
            if errno == rustix::io::Errno::PERM && limit.hard > own {
                failure.hint(format!(
                    "your own hard limit of {} is {}, and only root of the host can raise it",
                    limit.name,
                    Value(own)
                ))
            } else {
                failure
            }
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dockers_forms_are_taken() {
        let parse = |text: &str| text.parse::<Rlimit>().map(|limit| (limit.name, limit.soft, limit.hard)).unwrap();
        assert_eq!(parse("nofile=1024:2048"), ("nofile".into(), 1024, 2048));
        assert_eq!(parse("nproc=7"), ("nproc".into(), 7, 7));
        assert_eq!(parse("core=0:-1"), ("core".into(), 0, UNLIMITED));
        assert_eq!(parse("memlock=unlimited"), ("memlock".into(), UNLIMITED, UNLIMITED));
        assert_eq!(parse("RLIMIT_STACK=8:infinity"), ("stack".into(), 8, UNLIMITED));
    }

    #[test]
    fn bad_limits_are_refused_with_the_reason() {
        for (text, reason) in [
            ("nofile", "the form name=soft[:hard]"),
            ("files=1", "there is no limit `files`"),
            ("nofile=", "`` is neither"),
            ("nofile=1:", "`` is neither"),
            ("nofile=a", "`a` is neither"),
            ("nofile=+1", "`+1` is neither"),
            ("nofile=-2", "`-2` is neither"),
            ("nofile=1:2:3", "`2:3` is neither"),
            ("nofile=99999999999999999999", "is neither"),
            ("nofile=2:1", "the soft limit 2 is above the hard limit 1"),
            ("nofile=-1:5", "the soft limit unlimited is above the hard limit 5"),
        ] {
            let error = text.parse::<Rlimit>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(error.starts_with(&format!("cannot use --ulimit {text}: ")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_parsed_limit_prints_as_what_parses_to_it(soft: u64, more: u64, at in 0..Resource::ALL.len()) {
            let limit = Rlimit { name: Resource::ALL[at].name.into(), soft, hard: soft.saturating_add(more) };
            prop_assert_eq!(limit.to_string().parse::<Rlimit>().unwrap(), limit);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,30}") {
            let _ = text.parse::<Rlimit>();
        }
    }
}
