//! Options, image and machine become one [`RunPlan`], by the merging rules of Docker.
//!
//! Nothing here touches the file system: [`resolve_plan`] is given what it needs to know. What only
//! the container's own files can answer (the numbers behind a user's name, HOME) is left to
//! `launch::init`.

use super::health;
use super::isolation_options;
use super::names;
use super::options::{CreateOptions, EnvChange, Privileges, Source};
use super::plan::{
    Asked, ImageUse, KernelPaths, Mount, MountFlags, MountKind, NetworkMode, Process, Relabel, RootSource, RunPlan,
    SeccompChoice, Sharing, StdioPlan, UserEntry,
};
use super::port_options;
use super::values;
use crate::confine::capabilities::{self, Granted, Privilege};
use crate::error::{Doing, Failure, Result};
use crate::host::ids::IdMaps;
use crate::host::users::User;
use crate::image::config::ContainerConfig;
use std::collections::BTreeMap;
use std::path::Path;

/// PATH where neither image nor options have one: Docker's default.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// /dev/shm by default, bytes (Docker: 64 MiB).
const DEFAULT_SHM_SIZE: u64 = 64 << 20;
/// Seconds between stop signal and SIGKILL (Docker).
const DEFAULT_STOP_TIMEOUT: u32 = 10;

/// The image of a container: found, complete, chosen for the platform.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageFacts {
    /// Its names.
    pub used: ImageUse,
    /// Diff ids of its layers, bottom first.
    pub diff_ids: Vec<String>,
    /// What it says about its containers.
    pub defaults: ContainerConfig,
}

/// What the machine says.
#[derive(Debug, Clone, PartialEq)]
pub struct HostFacts {
    /// Host name (uname(2)), for `--network host`.
    pub hostname: String,
    /// What [`crate::host::userns::plan_maps`] made of the options' `userns`.
    pub ids: IdMaps,
    /// The user's own entry in the host's /etc/passwd; needed with `--userns keep-id` only.
    pub user: Option<User>,
}

/// Merges what was asked for with the image's defaults (None with `--rootfs`) and the machine's
/// facts. The plan's name is a suggestion unless `options.name` is set: see [`names::suggest`].
///
/// # Errors
/// Where the parts contradict each other or nothing is left to execute; exit status 125.
pub fn resolve_plan(options: CreateOptions, image: Option<ImageFacts>, host: HostFacts) -> Result<RunPlan> {
    const DOING: &str = "cannot create the container";
    let id = new_id()?;
    let (root, used, defaults) = root_of(&options.source, image)?;
    let hostname = match &options.hostname {
        Some(name) => name.clone(),
        None if options.network.mode == NetworkMode::Host || options.isolation.uts == Sharing::Host => host.hostname,
        None => values::short_id(&id).to_owned(),
    };
    let (args, entrypoint_words) = command_line(&options, &defaults).doing(|| DOING)?;
    let stop_signal = match (options.stop_signal, &defaults.stop_signal) {
        (Some(number), _) => number,
        (None, Some(text)) => values::signal(text).doing(|| "cannot use the image's StopSignal")?,
        (None, None) => libc::SIGTERM,
    };
    let env = environment(&defaults.env, &options.env, &hostname, options.tty);
    let asked = asked(&options);
    let cwd = working_dir(options.workdir.as_deref(), &defaults.working_dir).doing(|| DOING)?;
    // Without mounts, the image's volumes are directories of its copy.
    let volumes = if options.means.is_chroot() { &[][..] } else { &defaults.volumes };
    let mounts = mounts(options.mounts, volumes)?;
    let user_entry = match (options.userns.kept_ids(), host.user) {
        (Some(ids), Some(user)) => Some(user_entry(user, ids, &mounts, &cwd)),
        _ => None,
    };
    let health = health::plan(options.health, defaults.healthcheck, &defaults.shell).doing(|| DOING)?;
    let mut labels = defaults.labels;
    labels.extend(options.labels);
    let mut exposed_ports = defaults.exposed_ports;
    exposed_ports.extend(options.expose);
    let mut network = options.network;
    if network.ports.publish_all {
        network.ports.by_exposure =
            port_options::of_exposed(&exposed_ports, &network.ports.published).doing(|| "cannot use --publish-all")?;
    }
    let published = network.ports.published.iter();
    exposed_ports.extend(published.map(|port| format!("{}/{}", port.container, port.protocol)));
    exposed_ports.sort_unstable();
    exposed_ports.dedup();
    let capabilities = granted(&options.privileges)?;
    isolation_options::keeps_apart(&options.isolation, capabilities.bounding)?;
    let seccomp = match options.privileges.privileged {
        true => SeccompChoice::Unconfined,
        false => options.privileges.seccomp.choose(capabilities.bounding)?,
    };
    Ok(RunPlan {
        name: match options.name {
            Some(name) => name,
            None => names::suggest(random_number()?, 0),
        },
        created: jiff::Timestamp::now(),
        root,
        image: used,
        process: Process {
            args,
            entrypoint_words,
            env,
            cwd,
            user: options
                .user
                .or(Some(defaults.user).filter(|user| !user.is_empty()))
                .or_else(|| options.userns.kept_user())
                .unwrap_or_default(),
            additional_groups: options.groups,
            keep_groups: options.keep_groups,
            capabilities,
            no_new_privileges: options.privileges.no_new_privileges,
            seccomp,
            rlimits: options.rlimits,
        },
        kernel_paths: if options.privileges.privileged {
            KernelPaths::Unmasked
        } else {
            options.privileges.kernel_paths
        },
        isolation: options.isolation,
        limits: options.limits,
        ids: host.ids,
        means: options.means,
        user_entry,
        mounts,
        hostname,
        network,
        shm_size: options.shm_size.unwrap_or(DEFAULT_SHM_SIZE),
        read_only: options.read_only,
        init: options.init,
        remove: options.remove,
        restart: options.restart,
        health,
        stop_signal,
        stop_timeout: options.stop_timeout.unwrap_or(DEFAULT_STOP_TIMEOUT),
        labels,
        exposed_ports,
        stdio: StdioPlan { tty: options.tty, interactive: options.interactive, foreground: options.foreground },
        log: options.log,
        asked,
        id,
    })
}

/// A new container id: 64 random hexadecimal digits, the first twelve not all decimal, because they
/// become a host name and a number is not one to every program (Docker does the same).
pub fn new_id() -> Result<String> {
    loop {
        let id = values::hex(&random_bytes::<32>()?);
        if !values::short_id(&id).bytes().all(|digit| digit.is_ascii_digit()) {
            return Ok(id);
        }
    }
}

/// Random bits for [`names::suggest`].
pub fn random_number() -> Result<u64> {
    random_bytes::<8>().map(u64::from_ne_bytes)
}

pub(super) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    // getrandom(2) answers up to 256 bytes whole once the kernel's pool is ready.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .doing(|| "cannot get random bytes from the kernel")?;
    Ok(bytes)
}

fn root_of(source: &Source, image: Option<ImageFacts>) -> Result<(RootSource, Option<ImageUse>, ContainerConfig)> {
    match (source, image) {
        (Source::Image(_), Some(image)) => {
            Ok((RootSource::Layers { diff_ids: image.diff_ids }, Some(image.used), image.defaults))
        }
        (Source::Image(name), None) => {
            Err(Failure::new("cannot create the container", format!("the image {name} was not resolved")))
        }
        (Source::Directory(path), _) => {
            Ok((RootSource::Directory { path: path.clone() }, None, ContainerConfig::default()))
        }
        (Source::OverlaidDirectory(path), _) => {
            Ok((RootSource::OverlaidDirectory { path: path.clone() }, None, ContainerConfig::default()))
        }
    }
}

/// Entrypoint and command, and how many of the words are the entrypoint's.
///
/// A new entrypoint drops the image's Cmd, a new command does not drop the image's Entrypoint.
fn command_line(options: &CreateOptions, defaults: &ContainerConfig) -> values::Parsed<(Vec<String>, usize)> {
    let (entrypoint, default_command): (&[String], &[String]) = match &options.entrypoint {
        Some(entrypoint) => (entrypoint, &[]),
        None => (&defaults.entrypoint, &defaults.cmd),
    };
    let command = if options.command.is_empty() { default_command } else { &options.command };
    let args: Vec<String> = entrypoint.iter().chain(command).cloned().collect();
    match args.first() {
        None => Err("no command was given and the image has none".into()),
        Some(word) if word.is_empty() => Err("the command is an empty word".into()),
        Some(_) => Ok((args, entrypoint.len())),
    }
}

/// The environment in the order Docker builds it: PATH, HOSTNAME and TERM, then the image's, then
/// the changes; a later setting replaces an earlier one where that stands.
fn environment(image: &[String], changes: &[EnvChange], hostname: &str, tty: bool) -> Vec<String> {
    let mut env = vec![format!("PATH={DEFAULT_PATH}"), format!("HOSTNAME={hostname}")];
    if tty {
        env.push("TERM=xterm".to_owned());
    }
    for entry in image {
        match entry.split_once('=') {
            Some((name, value)) => set(&mut env, name, value),
            // Images built by hand hold bare names: Docker ignores them.
            None => continue,
        }
    }
    change_environment(&mut env, changes);
    env
}

/// Makes the changes in their order.
pub(super) fn change_environment(env: &mut Vec<String>, changes: &[EnvChange]) {
    for change in changes {
        match change {
            EnvChange::Set(name, value) => set(env, name, value),
            EnvChange::Unset(name) => env.retain(|entry| !is_named(entry, name)),
        }
    }
}

fn set(env: &mut Vec<String>, name: &str, value: &str) {
    let entry = format!("{name}={value}");
    match env.iter_mut().find(|entry| is_named(entry, name)) {
        Some(old) => *old = entry,
        None => env.push(entry),
    }
}

fn is_named(entry: &str, name: &str) -> bool {
    entry.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
}

fn working_dir(asked: Option<&str>, image: &str) -> values::Parsed<String> {
    match asked {
        Some(path) if !path.starts_with('/') => {
            Err(format!("the working directory `{path}` is not an absolute path in the container"))
        }
        Some(path) => Ok(values::clean_path(path)),
        // An image's relative WorkingDir starts at `/`, as its builder meant it.
        None => Ok(values::clean_path(image)),
    }
}

/// The user as `keep-id` shows them: at home where their home is mounted, else where the payload starts.
fn user_entry(user: User, (uid, gid): (u32, u32), mounts: &[Mount], cwd: &str) -> UserEntry {
    let at_home = Path::new(&user.home).is_absolute()
        && mounts.iter().any(|mount| mount.target != "/" && Path::new(&user.home).starts_with(&mount.target));
    UserEntry { name: user.name, uid, gid, home: if at_home { user.home } else { cwd.to_owned() } }
}

/// The mounts asked for and an anonymous volume for each of the image's Volumes that none of them
/// covers, parents before children. Anonymous volumes get their names here.
fn mounts(asked: Vec<Mount>, volumes: &[String]) -> Result<Vec<Mount>> {
    let mut mounts = asked;
    for path in volumes {
        let target = values::clean_path(path);
        if target == "/" {
            return Err(Failure::new("cannot create the container", "the image has `/` among its Volumes"));
        }
        if !mounts.iter().any(|mount| mount.target == target) {
            mounts.push(anonymous_volume(target));
        }
    }
    // Stable: what was given in order at one depth stays in order.
    mounts.sort_by_key(|mount| mount.target.bytes().filter(|byte| *byte == b'/').count());
    let mut targets: Vec<&str> = mounts.iter().map(|mount| mount.target.as_str()).collect();
    targets.sort_unstable();
    if let Some(pair) = targets.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Failure::new("cannot create the container", format!("two mounts have the target {}", pair[0])));
    }
    for mount in &mut mounts {
        if let MountKind::Volume { name, .. } = &mut mount.kind
            && name.is_empty()
        {
            *name = values::hex(&random_bytes::<32>()?);
        }
    }
    Ok(mounts)
}

fn anonymous_volume(target: String) -> Mount {
    let kind = MountKind::Volume {
        name: String::new(),
        anonymous: true,
        no_copy: false,
        subpath: None,
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
        chown: false,
        flags: MountFlags::default(),
        relabel: Relabel::Keep,
    };
    Mount { target, kind, read_only: false }
}

fn granted(privileges: &Privileges) -> Result<Granted> {
    let privilege = if privileges.privileged { Privilege::Privileged } else { Privilege::Confined };
    capabilities::resolve(&privileges.cap_add, &privileges.cap_drop, privilege)
}

fn asked(options: &CreateOptions) -> Asked {
    Asked {
        cap_add: options.privileges.cap_add.clone(),
        cap_drop: options.privileges.cap_drop.clone(),
        security_options: options.privileges.security_options.clone(),
        privileged: options.privileges.privileged,
        volumes_from: options.volumes_from.iter().map(|from| from.typed.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ids::IdMap;
    use crate::host::userns::UsernsRequest;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn host() -> HostFacts {
        let map = IdMap::single(0, 1000);
        HostFacts { hostname: "workstation".into(), ids: IdMaps { users: map.clone(), groups: map }, user: None }
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn image(defaults: ContainerConfig) -> Option<ImageFacts> {
        let used = ImageUse { name: "alpine".into(), id: "sha256:1".into(), manifest: "sha256:2".into() };
        Some(ImageFacts { used, diff_ids: vec!["sha256:3".into()], defaults })
    }

    fn alpine() -> CreateOptions {
        CreateOptions::new(Source::Image("alpine".into()))
    }

    fn plan(options: CreateOptions, defaults: ContainerConfig) -> RunPlan {
        resolve_plan(options, image(defaults), host()).unwrap()
    }

    fn sh() -> ContainerConfig {
        ContainerConfig { cmd: words("/bin/sh"), ..ContainerConfig::default() }
    }

    #[test]
    fn entrypoint_and_command_merge_as_dockers_do() {
        // (image's entrypoint, image's cmd, --entrypoint, words after the image, what is executed)
        let table: [(&str, &str, Option<&str>, &str, &str); 9] = [
            ("", "sh", None, "", "sh"),
            ("", "sh", None, "ls -l", "ls -l"),
            ("nginx -g", "daemon", None, "", "nginx -g daemon"),
            ("nginx -g", "daemon", None, "other", "nginx -g other"),
            ("nginx", "daemon", Some("ls"), "", "ls"),
            ("nginx", "daemon", Some("ls"), "-l", "ls -l"),
            ("nginx", "daemon", Some(""), "sh -c true", "sh -c true"),
            ("nginx", "", None, "", "nginx"),
            ("", "", Some("env"), "", "env"),
        ];
        for (entrypoint, command, asked, typed, expected) in table {
            let defaults =
                ContainerConfig { entrypoint: words(entrypoint), cmd: words(command), ..ContainerConfig::default() };
            let mut options = alpine();
            options.entrypoint = asked.map(words);
            options.command = words(typed);
            let args = plan(options, defaults).process.args.join(" ");
            assert_eq!(args, expected, "{entrypoint:?} {command:?} {asked:?} {typed:?}");
        }
    }

    #[test]
    fn nothing_to_execute_is_an_error() {
        for (entrypoint, command, word) in [
            (None, vec![], "no command"),
            (Some(vec![]), vec![], "no command"),
            (None, vec![String::new()], "empty word"),
        ] {
            let mut options = alpine();
            let defaults = if entrypoint.is_some() { sh() } else { ContainerConfig::default() };
            options.entrypoint = entrypoint;
            options.command = command;
            let error = resolve_plan(options, image(defaults), host()).unwrap_err();
            assert!(error.cause.contains(word), "{error}");
            assert_eq!(error.code.number(), 125);
        }
    }

    #[test]
    fn the_environment_merges_in_order() {
        let mut options = alpine();
        options.tty = true;
        options.hostname = Some("box".into());
        options.env = vec![
            EnvChange::Set("A".into(), "new".into()),
            EnvChange::Unset("B".into()),
            EnvChange::Set("C".into(), "x=y".into()),
        ];
        let defaults = ContainerConfig { env: words("PATH=/bin A=1 AB=3 B=2 bare"), ..sh() };
        assert_eq!(
            plan(options, defaults).process.env,
            ["PATH=/bin", "HOSTNAME=box", "TERM=xterm", "A=new", "AB=3", "C=x=y"]
        );
        assert_eq!(
            plan(alpine(), sh()).process.env[0],
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        );
    }

    #[test]
    fn the_host_name_is_the_id_or_the_hosts() {
        let made = plan(alpine(), sh());
        assert_eq!(made.hostname, made.id[..12]);
        assert!(made.process.env.contains(&format!("HOSTNAME={}", made.hostname)));
        let mut options = alpine();
        options.network.mode = NetworkMode::Host;
        assert_eq!(plan(options.clone(), sh()).hostname, "workstation");
        options.hostname = Some("mine".into());
        assert_eq!(plan(options, sh()).hostname, "mine");
    }

    #[test]
    fn the_images_volumes_are_anonymous_unless_covered() {
        let mut options = alpine();
        let tmpfs = MountKind::Tmpfs { size: None, mode: None, uid: None, gid: None, flags: MountFlags::default() };
        options.mounts = vec![
            Mount { target: "/a/b/c".into(), kind: tmpfs.clone(), read_only: false },
            Mount { target: "/data".into(), kind: tmpfs, read_only: false },
        ];
        let defaults = ContainerConfig { volumes: words("/data/ /a/b /var/lib/x"), ..sh() };
        let made = plan(options, defaults);
        let targets: Vec<&str> = made.mounts.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(targets, ["/data", "/a/b", "/a/b/c", "/var/lib/x"]);
        let names: Vec<&str> = made
            .mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                MountKind::Volume { name, anonymous: true, .. } => Some(name.as_str()),
                _ => None,
            })
            .collect();
        assert!(names.len() == 2 && names[0] != names[1] && names.iter().all(|name| name.len() == 64));
    }

    #[test]
    fn two_mounts_on_one_target_are_refused() {
        let mut options = alpine();
        options.mounts = vec![anonymous_volume("/x".into()), anonymous_volume("/x".into())];
        let error = resolve_plan(options, image(sh()), host()).unwrap_err();
        assert!(error.cause.contains("two mounts have the target /x"), "{error}");
    }

    #[test]
    fn stop_signal_user_and_directory_come_from_the_image() {
        let defaults = ContainerConfig {
            stop_signal: Some("SIGQUIT".into()),
            user: "www".into(),
            working_dir: "srv/./x".into(),
            labels: BTreeMap::from([("a".into(), "1".into()), ("b".into(), "2".into())]),
            exposed_ports: words("80/tcp"),
            ..sh()
        };
        let made = plan(alpine(), defaults.clone());
        assert_eq!((made.stop_signal, made.process.user.as_str(), made.process.cwd.as_str()), (3, "www", "/srv/x"));
        let mut options = alpine();
        options.stop_signal = Some(9);
        options.user = Some("0".into());
        options.workdir = Some("/tmp/".into());
        options.labels = BTreeMap::from([("b".into(), "3".into())]);
        options.expose = words("443/tcp 80/tcp");
        let made = plan(options, defaults.clone());
        assert_eq!((made.stop_signal, made.process.user.as_str(), made.process.cwd.as_str()), (9, "0", "/tmp"));
        assert_eq!(made.labels, BTreeMap::from([("a".into(), "1".into()), ("b".into(), "3".into())]));
        assert_eq!(made.exposed_ports, ["443/tcp", "80/tcp"]);
        let bad = ContainerConfig { stop_signal: Some("SIGFOO".into()), ..defaults };
        assert!(resolve_plan(alpine(), image(bad), host()).unwrap_err().doing.contains("StopSignal"));
        let mut options = alpine();
        options.workdir = Some("tmp".into());
        assert!(resolve_plan(options, image(sh()), host()).unwrap_err().cause.contains("absolute"));
    }

    #[test]
    fn keep_id_names_the_user() {
        let ana = || User { name: "ana".into(), uid: 1000, gid: 100, home: "/home/ana".into() };
        let entry = |userns: UsernsRequest, target: Option<&str>| {
            let mut options = alpine();
            options.userns = userns;
            options.mounts = target.map(|target| anonymous_volume(target.into())).into_iter().collect();
            let host = HostFacts { user: Some(ana()), ..host() };
            resolve_plan(options, image(sh()), host).unwrap().user_entry
        };
        let kept = UsernsRequest::KeepId { uid: Some(5), gid: Some(6) };
        let expected = |home: &str| Some(UserEntry { name: "ana".into(), uid: 5, gid: 6, home: home.into() });
        assert_eq!(entry(kept.clone(), None), expected("/"));
        assert_eq!(entry(kept.clone(), Some("/home")), expected("/home/ana"));
        assert_eq!(entry(kept, Some("/home/an")), expected("/"));
        assert_eq!(entry(UsernsRequest::Auto, None), None);
    }

    #[test]
    fn privileged_lifts_filter_and_masks() {
        let mut options = alpine();
        options.privileges.privileged = true;
        let made = plan(options, sh());
        assert_eq!((made.process.seccomp, made.kernel_paths), (SeccompChoice::Unconfined, KernelPaths::Unmasked));
        let made = plan(alpine(), sh());
        assert_eq!((made.process.seccomp, made.kernel_paths), (SeccompChoice::Default, KernelPaths::Masked));
    }

    #[test]
    fn a_plan_survives_json() {
        let made = plan(alpine(), sh());
        let text = serde_json::to_string(&made).unwrap();
        assert_eq!(serde_json::from_str::<RunPlan>(&text).unwrap(), made);
    }

    proptest! {
        #[test]
        fn each_variable_appears_once(
            image in proptest::collection::vec("[AB]{1,2}=[01]?", 0..6),
            changes in proptest::collection::vec(("[AB]{1,2}", proptest::option::of("[01]?")), 0..6),
        ) {
            let changes: Vec<EnvChange> = changes.into_iter().map(|(name, value)| match value {
                Some(value) => EnvChange::Set(name, value),
                None => EnvChange::Unset(name),
            }).collect();
            let env = environment(&image, &changes, "h", false);
            let mut names: Vec<&str> = env.iter().map(|entry| entry.split_once('=').unwrap().0).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            prop_assert_eq!(names.len(), count);
            if let Some(change) = changes.last() {
                match change {
                    EnvChange::Set(name, value) => prop_assert!(env.contains(&[name.as_str(), value].join("="))),
                    EnvChange::Unset(name) => prop_assert!(!env.iter().any(|entry| is_named(entry, name))),
                }
            }
        }
    }
}
