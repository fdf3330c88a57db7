//! The container's network namespace, from inside.

use crate::host::ids::{IdMap, InsideId};

/// Allows in a new network namespace what Docker allows, ports below 1024 and ICMP echo without privilege. Runs in
/// init, as root of the user namespace, while /proc is the host's still (its sys/net shows the reader's namespace).
///
/// The two settings are only convenient: where /proc/sys is read-only, as inside another container, they are left out.
pub fn prepare_namespace(groups: &IdMap) {
    let last = last_group(groups);
    for (path, value) in [
        ("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0".to_owned()),
        // Both ends must be mapped ids, or the write is EINVAL (icmp(7)).
        ("/proc/sys/net/ipv4/ping_group_range", format!("0 {last}")),
    ] {
        if let Err(error) = std::fs::write(path, value) {
            log::debug!("cannot set {path}: {error}");
        }
    }
}

/// The last of the group ids that are mapped without a gap from 0 on; 0 where 0 itself is not.
fn last_group(groups: &IdMap) -> u32 {
    let mut next = 0;
    for extent in groups.extents() {
        if extent.inside == InsideId(next) {
            next += extent.length;
        }
    }
    // The range ends at 2^31-1 (ping_group_range in ip-sysctl.rst).
    next.saturating_sub(1).min(i32::MAX.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ids::{Extent, HostId};

    #[test]
    fn pings_are_allowed_to_the_mapped_groups() {
        let extent = |inside, outside, length| Extent { inside: InsideId(inside), outside: HostId(outside), length };
        let last = |extents| last_group(&IdMap::new(extents).unwrap());
        assert_eq!(last(vec![extent(0, 1000, 1), extent(1, 100_000, 65_536)]), 65_536);
        assert_eq!(last(vec![extent(0, 1000, 1), extent(5, 100_000, 10)]), 0);
        assert_eq!(last(vec![extent(1000, 1000, 1)]), 0);
        assert_eq!(last(vec![extent(0, 0, 1), extent(1, 1, u32::MAX - 1)]), 0x7fff_ffff);
    }
}
