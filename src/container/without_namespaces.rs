//! What becomes of a container's options where there are no namespaces ([`Means::Chroot`]): what the container cannot have
//! is an error, and what it shares with this machine is said.

use super::options::CreateOptions;
use super::plan::{Ipc, Means, NetworkMode, Sharing};
use crate::error::{Failure, Notice, Result};
use crate::host::means;
use crate::host::userns::UsernsRequest;

/// Makes `options` those of a container without namespaces. The notice says what that means.
///
/// # Errors
/// Something was asked for that takes a namespace or a mount.
pub fn adapt(options: &mut CreateOptions) -> Result<Notice> {
    if let Some((option, what)) = impossible(options) {
        let why = match means::why() {
            Some(why) => format!("{what} takes namespaces, which are refused here ({why})"),
            None => format!("{what} takes namespaces, and --isolation chroot goes without"),
        };
        return Err(Failure::new(format!("cannot use {option}"), why));
    }
    options.means = Means::Chroot;
    options.network.mode = NetworkMode::Host;
    let isolation = &mut options.isolation;
    (isolation.ipc, isolation.uts, isolation.cgroup) = (Ipc::Host, Sharing::Host, Sharing::Host);
    // The monitor inherits and ends orphans, whether or not.
    options.init = false;
    let why = match means::why() {
        Some(why) => format!("namespaces are refused here ({why})"),
        None => "without namespaces".to_owned(),
    };
    Ok(Notice(format!(
        "{why}: the container is not isolated but for its root directory, which its root can leave; processes, network, host \
         name and IPC are this machine's, and it has no /proc, /sys and volumes"
    )))
}

/// The first thing asked for that there is not, and why: what it is.
fn impossible(options: &CreateOptions) -> Option<(&'static str, &'static str)> {
    let isolation = &options.isolation;
    let network = &options.network;
    let asked = [
        (options.userns != UsernsRequest::Auto, "--userns", "a map of ids"),
        (!options.mounts.is_empty(), "--volume, --mount and --tmpfs", "a mount"),
        (!options.volumes_from.is_empty(), "--volumes-from", "a mount"),
        (options.read_only, "--read-only", "a read-only mount"),
        (options.shm_size.is_some(), "--shm-size", "a /dev/shm of a size of its own"),
        (!isolation.devices.is_empty(), "--device", "a mount"),
        (!matches!(network.mode, NetworkMode::Private | NetworkMode::Host), "--network", "a network of its own"),
        (!network.ports.is_empty(), "--publish", "a network of its own"),
        (options.hostname.is_some(), "--hostname", "a host name of its own"),
        (isolation.domain.is_some(), "--domainname", "a domain name of its own"),
        (isolation.ipc == Ipc::WithoutShm, "--ipc none", "an IPC namespace"),
        (isolation.container.is_some(), "another container's namespaces", "sharing them"),
        (!isolation.sysctls.is_empty(), "--sysctl", "a setting of its own"),
        (!isolation.masks.more.is_empty(), "--security-opt mask", "a mount"),
    ];
    asked.into_iter().find(|(is_asked, ..)| *is_asked).map(|(_, option, what)| (option, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::options::Source;

    #[test]
    fn what_takes_a_namespace_is_refused_and_the_rest_is_shared() {
        let asked = |change: fn(&mut CreateOptions)| {
            let mut options = CreateOptions::new(Source::Image("alpine".into()));
            change(&mut options);
            adapt(&mut options).map(|_| options)
        };
        let plain = asked(|options| options.init = true).unwrap();
        assert_eq!((plain.means, plain.network.mode, plain.init), (Means::Chroot, NetworkMode::Host, false));
        assert_eq!((plain.isolation.ipc, plain.isolation.uts), (Ipc::Host, Sharing::Host));
        for (change, option) in [
            ((|options| options.read_only = true) as fn(&mut CreateOptions), "--read-only"),
            (|options| options.network.mode = NetworkMode::None, "--network"),
            (|options| options.hostname = Some("x".into()), "--hostname"),
            (|options| options.userns = UsernsRequest::NoMap, "--userns"),
        ] {
            let failure = asked(change).unwrap_err();
            assert_eq!(failure.doing, format!("cannot use {option}"));
            assert!(failure.cause.contains("--isolation chroot goes without"), "{failure}");
        }
    }
}
