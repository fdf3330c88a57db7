//! Capabilities and identity of the calling thread (capabilities(7), credentials(7)).
//!
//! All of these are the raw system calls, which change one thread only: glibc's setuid(3) family
//! signals every thread, which is neither needed nor wanted in rr's single-threaded init.

use rustix::io::Result;
use rustix::process::{Gid, Uid};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

/// Does the running kernel have a capability of that number (below 64)? PR_CAPBSET_READ fails with
/// EINVAL where it has not (prctl(2)); /proc need not be mounted for it.
pub fn exists(number: u32) -> bool {
    thread::capability_is_in_bounding_set(CapabilitySet::from_bits_retain(1 << number)).is_ok()
}

/// PR_CAPBSET_DROP. EINVAL: the kernel has no capability of that number (below 64).
pub fn drop_from_bounding_set(number: u32) -> Result<()> {
    thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number))
}

/// capset(2): permitted and effective become `held`, inheritable becomes `inheritable`; bit n is
/// the capability of number n, and bits the kernel does not know are ignored.
pub fn set_sets(held: u64, inheritable: u64) -> Result<()> {
    let held = CapabilitySet::from_bits_retain(held);
    let inheritable = CapabilitySet::from_bits_retain(inheritable);
    thread::set_capabilities(None, CapabilitySets { effective: held, permitted: held, inheritable })
}

/// PR_CAP_AMBIENT_RAISE; the capability must be permitted and inheritable.
pub fn raise_ambient(number: u32) -> Result<()> {
    thread::configure_capability_in_ambient_set(CapabilitySet::from_bits_retain(1 << number), true)
}

/// PR_SET_KEEPCAPS: the permitted set survives the next change to a user that is not root.
pub fn keep_permitted() -> Result<()> {
    thread::set_keep_capabilities(true)
}

/// PR_SET_NO_NEW_PRIVS.
pub fn set_no_new_privileges() -> Result<()> {
    thread::set_no_new_privs(true)
}

/// setgroups(2). EPERM: not allowed in this user namespace; EINVAL: an id that is not mapped.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // 2^32-1 is "no id" and never mapped; rustix refuses to make one.
    if groups.contains(&u32::MAX) {
        return Err(rustix::io::Errno::INVAL);
    }
    let groups: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    thread::set_thread_groups(&groups)
}

/// setresgid(2), all three. EINVAL: an id that is not mapped.
pub fn set_gid(gid: u32) -> Result<()> {
    if gid == u32::MAX {
        return Err(rustix::io::Errno::INVAL);
    }
    let gid = Gid::from_raw(gid);
    thread::set_thread_res_gid(gid, gid, gid)
}

/// setresuid(2), all three. EINVAL: an id that is not mapped.
pub fn set_uid(uid: u32) -> Result<()> {
    if uid == u32::MAX {
        return Err(rustix::io::Errno::INVAL);
    }
    let uid = Uid::from_raw(uid);
    thread::set_thread_res_uid(uid, uid, uid)
}
