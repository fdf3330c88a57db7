//! The options that `run` and `create` share, and how they become [`CreateOptions`].
//!
//! clap keeps only what was typed; every value is parsed here, so that each bad one gets the same
//! error: `rr: cannot use --shm-size foo: …`. The files of `--env-file` and `--label-file` and rr's
//! own environment are read here and nowhere later.

use super::access_flags::AccessFlags;
use super::attach::{Attachment, SignalProxy};
use super::health_flags::HealthFlags;
use super::isolation_flags::IsolationFlags;
use super::limit_flags::{FirstLimitFlags, LimitFlags};
use super::network_flags::NetworkFlags;
use super::personality;
use super::progress::Verbosity;
use super::pull;
use crate::confine::seccomp::Profile;
use crate::container::isolation_options;
use crate::container::limit_options;
use crate::container::mount_options;
use crate::container::options::{CreateOptions, EnvChange, Privileges, Source};
use crate::container::plan::{KernelPaths, LogPlan, Mount, RestartPolicy, SeccompWish};
use crate::container::restart;
use crate::container::values::{self, Parsed};
use crate::error::{Doing, Failure, IntoCause, Known, Notice, Result};
use crate::host::means::{self, MeansWish};
use crate::host::userns::UsernsRequest;
use crate::image::platform::Platform;
use crate::image::unpack::UnmappedIds;
use crate::image::{Access, PullPolicy};
use clap::Args;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Keys that detach from a terminal unless `--detach-keys` says otherwise (Docker's).
const DEFAULT_DETACH_KEYS: &str = "ctrl-p,ctrl-q";

/// As typed.
#[derive(Debug, Args)]
pub struct RunFlags {
    #[command(flatten)]
    access: AccessFlags,
    /// Attach only these of STDIN, STDOUT and STDERR
    #[arg(short, long, value_name = "STREAM")]
    attach: Vec<String>,
    /// Add a capability (ALL for every one)
    #[arg(long, value_name = "CAP")]
    cap_add: Vec<String>,
    /// Drop a capability (ALL for every one)
    #[arg(long, value_name = "CAP")]
    cap_drop: Vec<String>,
    /// Write the container's id into a new file
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// Keys that detach from the terminal [default: ctrl-p,ctrl-q]
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Replace the image's entrypoint; an empty one resets it
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,
    /// Set a variable; a name alone takes its value from rr's environment
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Map group ids (see --uidmap)
    #[arg(long, value_name = "CONTAINER:HOST[:SIZE]")]
    gidmap: Vec<String>,
    /// Add a supplementary group; keep-groups keeps the user's own
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    #[command(flatten)]
    health: HealthFlags,
    #[command(flatten)]
    isolation: IsolationFlags,
    /// Set the container's host name
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
    /// Run rr as process 1, to forward signals and reap orphans
    #[arg(long)]
    init: bool,
    /// Keep standard input open
    #[arg(short, long)]
    interactive: bool,
    /// Set a label
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    first_limits: FirstLimitFlags,
    /// json-file or k8s-file (rr's own file), or none [default: json-file]
    #[arg(long, value_name = "DRIVER")]
    log_driver: Option<String>,
    /// Set max-size (bytes after which a new log file is begun) or max-file (how many are kept)
    #[arg(long, value_name = "NAME=VALUE")]
    log_opt: Vec<String>,
    /// Mount something (type=bind|volume|tmpfs,source=…,target=…)
    #[arg(long, value_name = "OPTIONS")]
    mount: Vec<String>,
    /// Name the container
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    network: NetworkFlags,
    /// Choose the platform of a multi-platform image
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Give every capability of the user namespace, no system-call filter, no masked paths
    #[arg(long)]
    privileged: bool,
    /// Pull the image: always, missing, never or newer [default: missing]
    #[arg(long, value_name = "WHEN")]
    pull: Option<String>,
    /// Print no progress of a pull
    #[arg(short, long)]
    quiet: bool,
    /// Mount the root file system read-only
    #[arg(long)]
    read_only: bool,
    /// With --read-only, mount tmpfs on /run, /tmp and /var/tmp [default: as `podman` true, else false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = values::boolean)]
    read_only_tmpfs: Option<bool>,
    /// Remove a container that has the name, whatever it does
    #[arg(long)]
    replace: bool,
    /// no, on-failure[:COUNT], always or unless-stopped [default: no]
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Remove the container when it ends
    #[arg(long)]
    rm: bool,
    /// Use a directory instead of an image; with `:O`, below an overlay that is thrown away
    #[arg(long, value_name = "DIR[:O]")]
    rootfs: Option<PathBuf>,
    /// no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, mask=PATHS, unmask=PATHS|ALL, label=…, apparmor=…
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    /// Size of /dev/shm [default: 64m]
    #[arg(long, value_name = "BYTES")]
    shm_size: Option<String>,
    /// Forward signals to the container [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = values::boolean)]
    sig_proxy: Option<bool>,
    /// Signal that asks the container to stop
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// Seconds between that signal and SIGKILL [default: 10]
    #[arg(long, value_name = "SECONDS")]
    stop_timeout: Option<String>,
    /// Fail where a file of the image belongs to an id that is not mapped, instead of giving it to root
    #[arg(long)]
    strict_ids: bool,
    /// Mount a tmpfs
    #[arg(long, value_name = "DIR[:OPTIONS]")]
    tmpfs: Vec<String>,
    /// Give the container a terminal
    #[arg(short, long)]
    tty: bool,
    /// Map user ids: 0 of the host's side is the user, 1 the first subordinate id
    #[arg(long, value_name = "CONTAINER:HOST[:SIZE]")]
    uidmap: Vec<String>,
    /// Set a resource limit
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    ulimit: Vec<String>,
    /// User inside
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// auto, host, keep-id[:uid=N,gid=N] or nomap [default: auto]
    #[arg(long, value_name = "MODE")]
    userns: Option<String>,
    /// Mount a directory of the host or a volume
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    volume: Vec<String>,
    /// Mount the binds and volumes of another container as well
    #[arg(long, value_name = "CONTAINER[:ro|rw]")]
    volumes_from: Vec<String>,
    /// Directory to start in
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Image, then the command and its arguments; options end at the image
    #[arg(value_name = "IMAGE", trailing_var_arg = true, required_unless_present = "rootfs")]
    words: Vec<OsString>,
}

/// Standard streams by `--attach`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttachedStreams {
    /// Input.
    pub stdin: bool,
    /// Output.
    pub stdout: bool,
    /// Errors.
    pub stderr: bool,
}

impl AttachedStreams {
    fn parse(words: &[String]) -> Result<Option<AttachedStreams>> {
        let mut attached = AttachedStreams::default();
        for word in words {
            match word.to_ascii_lowercase().as_str() {
                "stdin" => attached.stdin = true,
                "stdout" => attached.stdout = true,
                "stderr" => attached.stderr = true,
                _ => {
                    let cause = "valid streams are STDIN, STDOUT and STDERR";
                    return Err(Failure::new(format!("cannot use --attach {}", word.escape_debug()), cause));
                }
            }
        }
        Ok((!words.is_empty()).then_some(attached))
    }
}

/// What only the client needs: nothing of it is part of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// `--cidfile`
    pub cidfile: Option<PathBuf>,
    /// `--sig-proxy`
    pub sig_proxy: bool,
    /// `--detach-keys` as a terminal sends them; empty: no keys detach.
    pub detach_keys: Vec<u8>,
    /// `--attach`: which of the streams are this client's; all of them without it.
    pub attach: Option<AttachedStreams>,
    /// `--pull`
    pub pull: PullPolicy,
    /// `--platform`
    pub platform: Option<Platform>,
    /// What the user gets otherwise than asked for.
    pub notices: Vec<Notice>,
    /// `--replace`: the name of a container to be removed first.
    pub replace: Option<String>,
    /// `--strict-ids`
    pub unmapped: UnmappedIds,
    /// `--quiet`: no progress of a pull.
    pub verbosity: Verbosity,
    /// `--authfile`, `--tls-verify`
    pub access: Access,
    /// `--isolation`, or what `RR_ISOLATION` says.
    pub isolation: MeansWish,
}

impl ClientOptions {
    /// How this client attaches.
    pub fn attachment(&self) -> Attachment {
        let signals = if self.sig_proxy { SignalProxy::On } else { SignalProxy::Off };
        Attachment { signals, detach_keys: self.detach_keys.clone() }
    }
}

impl RunFlags {
    /// Whether there is an `--attach`.
    pub fn names_streams(&self) -> bool {
        !self.attach.is_empty()
    }

    /// Parses everything.
    pub fn into_options(self) -> Result<(CreateOptions, ClientOptions)> {
        // Docker's daemon looks at these, and its client at the rest.
        let name = opt("--name", &self.name, values::container_name);
        let restart = self.restart_policy();
        let (mut options, client) = self.parse().map_err(|failure| match failure.known {
            None => failure.known(Known::Usage),
            Some(_) => failure,
        })?;
        (options.name, options.restart) = (name?, restart?);
        Ok((options, client))
    }

    fn parse(self) -> Result<(CreateOptions, ClientOptions)> {
        let mut client = self.client_options()?;
        let (source, command) = self.source_and_command()?;
        let (groups, keep_groups) = split_keep_groups(&self.group_add)?;
        let privileges = self.privileges()?;
        let options = CreateOptions {
            entrypoint: self.entrypoint.as_deref().map(entrypoint),
            env: environment(&self.env_file, &self.env)?,
            workdir: self.workdir.clone(),
            groups,
            keep_groups,
            hostname: opt("--hostname", &self.hostname, values::hostname)?,
            userns: UsernsRequest::parse(self.userns.as_deref(), &self.uidmap, &self.gidmap)?,
            network: self.network.plan()?,
            mounts: self.mounts()?,
            volumes_from: all("--volumes-from", &self.volumes_from, mount_options::volumes_from)?,
            shm_size: opt("--shm-size", &self.shm_size, values::size)?,
            read_only: self.read_only,
            init: self.init,
            remove: self.rm,
            health: self.health.plan()?,
            stop_signal: opt("--stop-signal", &self.stop_signal, values::signal)?,
            stop_timeout: opt("--stop-timeout", &self.stop_timeout, seconds)?,
            labels: self.labels()?,
            expose: self.network.exposed()?,
            rlimits: self.ulimit.iter().map(|text| text.parse()).collect::<Result<_>>()?,
            isolation: self.isolation.plan(privileges.masks.clone())?,
            limits: self.first_limits.add_to(self.limits.plan()?)?,
            privileges,
            tty: self.tty,
            interactive: self.interactive,
            log: self.log()?.0,
            command,
            user: self.user,
            ..CreateOptions::new(source)
        };
        let notices = isolation_options::check(&options.isolation, &options.network.mode, options.hostname.as_deref())?;
        client.notices.extend(notices);
        client.notices.extend(limit_options::check(&options.limits)?);
        Ok((options, client))
    }

    fn client_options(&self) -> Result<ClientOptions> {
        Ok(ClientOptions {
            cidfile: self.cidfile.clone(),
            sig_proxy: self.sig_proxy.unwrap_or(true),
            detach_keys: detach_keys(self.detach_keys.as_deref())?,
            attach: AttachedStreams::parse(&self.attach)?,
            notices: self.log()?.1.into_iter().chain(self.first_limits.discarded()?).collect(),
            pull: opt("--pull", &self.pull, pull_policy)?.unwrap_or(PullPolicy::Missing),
            platform: pull::parse_platform(self.platform.as_deref())?,
            replace: self.replaced()?,
            unmapped: if self.strict_ids { UnmappedIds::Refuse } else { UnmappedIds::Squash },
            verbosity: if self.quiet { Verbosity::Quiet } else { Verbosity::Usual },
            access: self.access.access()?,
            isolation: match &self.isolation.means {
                Some(_) => opt("--isolation", &self.isolation.means, |text| text.parse())?.unwrap_or_default(),
                None => means::wish_of_environment()?,
            },
        })
    }

    fn replaced(&self) -> Result<Option<String>> {
        match (self.replace, &self.name) {
            (true, None) => {
                Err(Failure::new("cannot use --replace", "cannot replace container without --name being set"))
            }
            (true, Some(name)) => Ok(Some(name.clone())),
            (false, _) => Ok(None),
        }
    }

    fn restart_policy(&self) -> Result<RestartPolicy> {
        let policy = opt("--restart", &self.restart, restart::parse)?.unwrap_or_default();
        match self.rm && policy != RestartPolicy::No {
            true => Err(Failure::new("cannot create the container", "conflicting options: --restart and --rm")),
            false => Ok(policy),
        }
    }

    /// The first word is the image unless `--rootfs` is given.
    fn source_and_command(&self) -> Result<(Source, Vec<String>)> {
        let mut words = Vec::with_capacity(self.words.len());
        for word in &self.words {
            words.push(values::utf8_word(word.clone()).doing(|| "cannot use the command")?);
        }
        let Some(rootfs) = &self.rootfs else {
            let mut words = words.into_iter();
            return match words.next() {
                Some(image) if !image.is_empty() => Ok((Source::Image(image), words.collect())),
                _ => Err(Failure::new("cannot use the image's name", "it is empty")),
            };
        };
        let (path, overlaid) = match rootfs.to_str().and_then(|text| text.strip_suffix(":O")) {
            Some(path) => (Path::new(path), true),
            None => (rootfs.as_path(), false),
        };
        let path = std::fs::canonicalize(path).doing(|| format!("cannot use --rootfs {}", path.display()))?;
        let source = if overlaid { Source::OverlaidDirectory(path) } else { Source::Directory(path) };
        Ok((source, words))
    }

    /// How the log is kept, and what the user gets instead of what was asked for.
    fn log(&self) -> Result<(Option<LogPlan>, Option<Notice>)> {
        let mut plan = LogPlan::default();
        for option in &self.log_opt {
            let doing = || format!("cannot use --log-opt {}", option.escape_debug());
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "max-size" if value == "-1" => plan.max_size = None,
                "max-size" => plan.max_size = Some(values::size(value).doing(doing)?),
                "max-file" => match value.parse() {
                    Ok(count @ 1..=1000) => plan.max_files = count,
                    _ => return Err(Failure::new(doing(), "it is a number from 1 to 1000")),
                },
                _ => return Err(Failure::new(doing(), "there is max-size and max-file")),
            }
        }
        match self.log_driver.as_deref() {
            None | Some("json-file" | "k8s-file" | "local" | "file") => Ok((Some(plan), None)),
            Some("none") => Ok((None, None)),
            Some("journald") => {
                let notice = "the log is kept in a file, not in the journal: read it with `rr logs`";
                Ok((Some(plan), Some(Notice(notice.into()))))
            }
            Some(driver) => Err(Failure::new(
                format!("cannot use --log-driver {}", driver.escape_debug()),
                "it is one of json-file, k8s-file and none",
            )),
        }
    }

    fn mounts(&self) -> Result<Vec<Mount>> {
        let mut mounts = self.typed_mounts()?;
        if self.read_only && self.read_only_tmpfs.unwrap_or_else(personality::is_podman) {
            for target in ["/run", "/tmp", "/var/tmp"] {
                if !mounts.iter().any(|mount| mount.target == target) {
                    mounts.push(one("--read-only-tmpfs", target, scratch)?);
                }
            }
        }
        Ok(mounts)
    }

    fn typed_mounts(&self) -> Result<Vec<Mount>> {
        if self.volume.is_empty() && self.mount.is_empty() {
            return all("--tmpfs", &self.tmpfs, mount_options::tmpfs);
        }
        let here = std::env::current_dir().doing(|| "cannot tell the current directory")?;
        let mut mounts = all("--volume", &self.volume, |text| mount_options::volume(text, &here))?;
        mounts.extend(all("--mount", &self.mount, |text| mount_options::mount(text, &here))?);
        mounts.extend(all("--tmpfs", &self.tmpfs, mount_options::tmpfs)?);
        Ok(mounts)
    }

    fn labels(&self) -> Result<BTreeMap<String, String>> {
        let mut labels = BTreeMap::new();
        for path in &self.label_file {
            let lines = read_key_file("--label-file", path)?.into_iter();
            labels.extend(lines.map(|line| (line.name, line.value.unwrap_or_default())));
        }
        let lines = all("--label", &self.label, values::key_value)?.into_iter();
        labels.extend(lines.map(|line| (line.name, line.value.unwrap_or_default())));
        Ok(labels)
    }

    fn privileges(&self) -> Result<Privileges> {
        let mut privileges = Privileges {
            cap_add: self.cap_add.clone(),
            cap_drop: self.cap_drop.clone(),
            privileged: self.privileged,
            security_options: self.security_opt.clone(),
            ..Privileges::default()
        };
        for option in &self.security_opt {
            apply_security_option(option, &mut privileges)
                .map_err(|why| Failure::new(format!("cannot use --security-opt {option}"), why))?;
        }
        Ok(privileges)
    }
}

/// The keys of `--detach-keys`, or Docker's.
///
/// # Errors
/// They are none.
pub fn detach_keys(typed: Option<&str>) -> Result<Vec<u8>> {
    one("--detach-keys", typed.unwrap_or(DEFAULT_DETACH_KEYS), values::detach_keys)
}

/// One value of one option, or the error that names both.
pub fn one<T>(option: &str, text: &str, parse: impl Fn(&str) -> Parsed<T>) -> Result<T> {
    parse(text).map_err(|why| Failure::new(format!("cannot use {option} {}", text.escape_debug()), why))
}

/// [`one`], where the option is given.
pub fn opt<T>(option: &str, text: &Option<String>, parse: impl Fn(&str) -> Parsed<T>) -> Result<Option<T>> {
    text.as_deref().map(|text| one(option, text, parse)).transpose()
}

/// [`one`] of each of an option's values.
pub fn all<T>(option: &str, texts: &[String], parse: impl Fn(&str) -> Parsed<T>) -> Result<Vec<T>> {
    texts.iter().map(|text| one(option, text, &parse)).collect()
}

/// A tmpfs as Podman mounts it below a root that is read-only: programs in it may be executed.
fn scratch(target: &str) -> Parsed<Mount> {
    mount_options::tmpfs(&format!("{target}:exec"))
}

/// A word, or a list of words in JSON as Podman takes it; an empty text is no word at all. What is no
/// such list is a word, as with Podman: `[` is a program.
fn entrypoint(text: &str) -> Vec<String> {
    match text {
        "" => Vec::new(),
        _ => serde_json::from_str(text).unwrap_or_else(|_| vec![text.to_owned()]),
    }
}

fn split_keep_groups(groups: &[String]) -> Result<(Vec<String>, bool)> {
    let named: Vec<String> = groups.iter().filter(|group| *group != "keep-groups").cloned().collect();
    let keep = named.len() < groups.len();
    if keep && !named.is_empty() {
        // The kept groups have no ids inside, so a setgroups(2) that adds one would lose them.
        let cause = format!("keep-groups cannot be joined with other groups ({})", named.join(", "));
        return Err(Failure::new("cannot use --group-add", cause));
    }
    match named.iter().find(|group| group.is_empty()) {
        Some(_) => Err(Failure::new("cannot use --group-add", "a group's name is empty")),
        None => Ok((named, keep)),
    }
}

fn pull_policy(text: &str) -> Parsed<PullPolicy> {
    match text {
        "always" => Ok(PullPolicy::Always),
        "missing" => Ok(PullPolicy::Missing),
        "never" => Ok(PullPolicy::Never),
        "newer" => Ok(PullPolicy::Newer),
        _ => Err("it is one of always, missing, never and newer".into()),
    }
}

fn seconds(text: &str) -> Parsed<u32> {
    match text {
        // Docker: wait for ever.
        "-1" => Ok(u32::MAX),
        _ => text.parse().map_err(|_| "it is no number of seconds".to_owned()),
    }
}

fn apply_security_option(option: &str, privileges: &mut Privileges) -> Parsed<()> {
    // Docker's old spelling has a colon.
    let (name, value) = option.split_once('=').or_else(|| option.split_once(':')).unwrap_or((option, ""));
    match (name, value) {
        ("no-new-privileges", "") => privileges.no_new_privileges = true,
        ("no-new-privileges", value) => privileges.no_new_privileges = values::boolean(value)?,
        ("seccomp", "unconfined") => privileges.seccomp = SeccompWish::Unconfined,
        ("seccomp", "builtin") => privileges.seccomp = SeccompWish::Default,
        ("seccomp", file) => privileges.seccomp = SeccompWish::Profile(seccomp_profile(Path::new(file))?),
        ("mask", paths) => privileges.masks.more.extend(isolation_options::paths(paths)?),
        ("unmask", "ALL" | "all") => privileges.kernel_paths = KernelPaths::Unmasked,
        ("unmask", paths) => privileges.masks.fewer.extend(isolation_options::paths(paths)?),
        ("systempaths", "unconfined") => privileges.kernel_paths = KernelPaths::Unmasked,
        // Without root no profile of either can be entered: unconfined is what a container gets.
        ("label", _) | ("apparmor", "unconfined") => {}
        ("apparmor", _) => return Err("without root, only unconfined can be had".into()),
        _ => return Err("there is no such security option".into()),
    }
    Ok(())
}

/// Far more than any profile has: Docker's is 15 kB.
const LARGEST_PROFILE: u64 = 1 << 20;

fn seccomp_profile(path: &Path) -> Parsed<Profile> {
    use std::io::Read;
    let told = |error: std::io::Error| error.into_cause();
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(told)?;
    file.take(LARGEST_PROFILE + 1).read_to_end(&mut text).map_err(told)?;
    match text.len() as u64 > LARGEST_PROFILE {
        true => Err("it is larger than any profile".into()),
        false => Profile::read(&text),
    }
}

/// The files first, then `-e`, each in order. A name without a value takes rr's own; without
/// one there, a line of a file means nothing and an option takes the image's variable away.
pub fn environment(files: &[PathBuf], variables: &[String]) -> Result<Vec<EnvChange>> {
    let mut changes = Vec::new();
    for path in files {
        for line in read_key_file("--env-file", path)? {
            match line.value {
                Some(value) => changes.push(EnvChange::Set(line.name, value)),
                None => {
                    if let Some(value) = own_variable(&line.name)? {
                        changes.push(EnvChange::Set(line.name, value));
                    }
                }
            }
        }
    }
    for line in all("--env", variables, values::key_value)? {
        changes.push(match line.value {
            Some(value) => EnvChange::Set(line.name, value),
            None => match own_variable(&line.name)? {
                Some(value) => EnvChange::Set(line.name, value),
                None => EnvChange::Unset(line.name),
            },
        });
    }
    Ok(changes)
}

fn read_key_file(option: &str, path: &Path) -> Result<Vec<values::KeyLine>> {
    let doing = || format!("cannot use {option} {}", path.display());
    let content = std::fs::read(path).doing(doing)?;
    values::key_file(&content).doing(doing)
}

/// A variable of rr's own environment.
fn own_variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::new(format!("cannot pass on the variable {name}"), "its value is not UTF-8"))
        }
    }
}

/// Options that Docker's `run` has and rr's will have, so that they are not called unknown.
const PLANNED: &[&str] = &["--annotation", "--gpus", "--runtime", "--storage-opt", "--volume-driver"];

/// The option, if it is one of Docker's that is still to come.
pub fn planned(typed: &str) -> Option<&'static str> {
    PLANNED.iter().find(|option| typed == **option).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::plan::{MountKind, NetworkMode};
    use clap::Parser;

    /// As `rr run` declares them.
    #[derive(Debug, Parser)]
    struct Run {
        #[command(flatten)]
        flags: RunFlags,
    }

    fn parse(line: &[&str]) -> Result<(CreateOptions, ClientOptions)> {
        use clap::CommandFactory;
        let words: Vec<OsString> = line.iter().map(OsString::from).collect();
        let command = super::super::tree::parser(Run::command());
        let run: Option<Run> = super::super::usage::parse(command, "rr run", &words, crate::error::ExitCode::Runner)?;
        run.expect("help was not asked for").flags.into_options()
    }

    fn options(line: &[&str]) -> CreateOptions {
        match parse(line) {
            Ok((options, _)) => options,
            Err(failure) => panic!("{line:?}: {failure}"),
        }
    }

    fn alpine() -> CreateOptions {
        CreateOptions::new(Source::Image("alpine".into()))
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    /// One line, and what it changes in the options of `rr run alpine`.
    type Case = (&'static [&'static str], fn(&mut CreateOptions));

    #[test]
    fn options_mean_what_dockers_mean() {
        let table: &[Case] = &[
            (&["alpine"], |_| {}),
            (&["-it", "alpine"], |o| (o.interactive, o.tty) = (true, true)),
            (&["-ti", "--rm", "alpine"], |o| (o.interactive, o.tty, o.remove) = (true, true, true)),
            (&["-i=false", "-t=true", "alpine"], |o| o.tty = true),
            (&["--rm", "--rm=false", "alpine"], |_| {}),
            (&["--rm=1", "--init=T", "--read-only", "alpine"], |o| {
                (o.remove, o.init, o.read_only) = (true, true, true);
            }),
            (&["--name", "web", "alpine"], |o| o.name = Some("web".into())),
            (&["--name=a1", "--name=b2", "alpine"], |o| o.name = Some("b2".into())),
            (&["-e", "A=1", "-eB=2", "--env=C==", "-e=D=4", "alpine"], |o| {
                let set = |name: &str, value: &str| EnvChange::Set(name.into(), value.into());
                o.env = vec![set("A", "1"), set("B", "2"), set("C", "="), set("D", "4")];
            }),
            (&["-e", "RR_TEST_SURELY_NOT_SET", "alpine"], |o| {
                o.env = vec![EnvChange::Unset("RR_TEST_SURELY_NOT_SET".into())];
            }),
            (&["-w", "/srv", "-u", "1000:100", "alpine"], |o| {
                (o.workdir, o.user) = (Some("/srv".into()), Some("1000:100".into()));
            }),
            (&["-h", "box", "alpine"], |o| o.hostname = Some("box".into())),
            (&["-hbox", "alpine"], |o| o.hostname = Some("box".into())),
            (&["--entrypoint", "", "alpine"], |o| o.entrypoint = Some(vec![])),
            (&["--entrypoint=sh", "alpine"], |o| o.entrypoint = Some(texts(&["sh"]))),
            (&["--entrypoint", "[\"sh\", \"-c\"]", "alpine"], |o| o.entrypoint = Some(texts(&["sh", "-c"]))),
            (&["--entrypoint", "[", "alpine"], |o| o.entrypoint = Some(texts(&["["]))),
            (&["alpine", "ls", "-l", "--rm", "-it"], |o| o.command = texts(&["ls", "-l", "--rm", "-it"])),
            (&["alpine", "--", "x"], |o| o.command = texts(&["--", "x"])),
            (&["--", "alpine", "--name"], |o| o.command = texts(&["--name"])),
            (&["alpine", "", "--help"], |o| o.command = texts(&["", "--help"])),
            (&["--net", "none", "alpine"], |o| o.network.mode = NetworkMode::None),
            (&["--network=bridge", "alpine"], |o| o.network.mode = NetworkMode::Private),
            (&["--group-add", "audio", "--group-add=44", "alpine"], |o| o.groups = texts(&["audio", "44"])),
            (&["--group-add", "keep-groups", "alpine"], |o| o.keep_groups = true),
            (&["--add-host", "db:10.0.0.1", "--add-host=gw=host-gateway", "alpine"], |o| {
                o.network.add_hosts = vec![("db".into(), "10.0.0.1".into()), ("gw".into(), "host-gateway".into())];
            }),
            (&["--dns", "9.9.9.9", "--dns-opt=ndots:2", "--dns-search", "lan", "alpine"], |o| {
                (o.network.dns, o.network.dns_options, o.network.dns_search) =
                    (texts(&["9.9.9.9"]), texts(&["ndots:2"]), texts(&["lan"]));
            }),
            (&["--shm-size", "1g", "alpine"], |o| o.shm_size = Some(1 << 30)),
            (&["--stop-signal", "SIGQUIT", "--stop-timeout=3", "alpine"], |o| {
                (o.stop_signal, o.stop_timeout) = (Some(3), Some(3));
            }),
            (&["--stop-timeout", "-1", "alpine"], |o| o.stop_timeout = Some(u32::MAX)),
            (&["-l", "a=1", "--label", "b", "-l", "a=2", "alpine"], |o| {
                o.labels = BTreeMap::from([("a".into(), "2".into()), ("b".into(), String::new())]);
            }),
            (&["--expose", "80", "--expose=53-54/udp", "alpine"], |o| {
                o.expose = texts(&["80/tcp", "53/udp", "54/udp"])
            }),
            (&["--cap-drop=ALL", "--cap-add", "CHOWN", "alpine"], |o| {
                (o.privileges.cap_drop, o.privileges.cap_add) = (texts(&["ALL"]), texts(&["CHOWN"]));
            }),
            (&["--privileged", "alpine"], |o| o.privileges.privileged = true),
            (&["--security-opt", "no-new-privileges", "--security-opt=seccomp=unconfined", "alpine"], |o| {
                o.privileges.no_new_privileges = true;
                o.privileges.seccomp = SeccompWish::Unconfined;
                o.privileges.security_options = texts(&["no-new-privileges", "seccomp=unconfined"]);
            }),
            (&["--log-driver", "none", "alpine"], |o| o.log = None),
            (&["--log-opt", "max-size=10m", "--log-opt=max-file=3", "alpine"], |o| {
                o.log = Some(LogPlan { max_size: Some(10 << 20), max_files: 3 });
            }),
            (&["--userns", "keep-id:uid=5", "alpine"], |o| {
                o.userns = UsernsRequest::KeepId { uid: Some(5), gid: None };
            }),
        ];
        for (line, change) in table {
            let mut expected = alpine();
            change(&mut expected);
            assert_eq!(options(line), expected, "{line:?}");
        }
    }

    #[test]
    fn client_options_have_dockers_defaults() {
        let (_, client) = parse(&["alpine"]).unwrap();
        let expected = ClientOptions {
            attach: None,
            cidfile: None,
            sig_proxy: true,
            detach_keys: vec![16, 17],
            pull: PullPolicy::Missing,
            platform: None,
            notices: vec![],
            replace: None,
            unmapped: UnmappedIds::Squash,
            verbosity: Verbosity::Usual,
            access: Access::default(),
            isolation: MeansWish::Auto,
        };
        assert_eq!(client, expected);
        let line = [
            "--cidfile=/c",
            "--sig-proxy=false",
            "--detach-keys",
            "ctrl-a",
            "--pull=newer",
            "--platform",
            "linux/arm64",
            "--strict-ids",
            "-q",
            "--tls-verify=false",
            "--authfile=/dev/null",
            "--isolation=namespaces",
            "x",
        ];
        let (_, client) = parse(&line).unwrap();
        let expected = ClientOptions {
            attach: None,
            cidfile: Some("/c".into()),
            sig_proxy: false,
            detach_keys: vec![1],
            pull: PullPolicy::Newer,
            platform: Some(Platform::new("linux", "arm64", None)),
            replace: None,
            unmapped: UnmappedIds::Refuse,
            verbosity: Verbosity::Quiet,
            access: Access { verify: Some(false), credentials: None, auth_file: Some("/dev/null".into()) },
            isolation: MeansWish::Namespaces,
            notices: vec![],
        };
        assert_eq!(client, expected);
    }

    #[test]
    fn a_root_directory_takes_the_images_place() {
        let options = options(&["--rootfs", "/", "--rm", "ls", "-l"]);
        assert_eq!((options.source, options.command), (Source::Directory("/".into()), texts(&["ls", "-l"])));
        assert_eq!(self::options(&["--rootfs=/:O", "ls"]).source, Source::OverlaidDirectory("/".into()));
        let failure = parse(&["--rootfs", "/surely/not/there", "ls"]).unwrap_err();
        assert_eq!(failure.to_string(), "cannot use --rootfs /surely/not/there: no such file or directory (ENOENT)");
    }

    #[test]
    fn mounts_of_all_three_spellings_are_kept() {
        let options =
            options(&["-v", "/tmp:/a:ro", "--mount", "type=tmpfs,dst=/b", "--tmpfs", "/c:size=1m", "-v/d", "alpine"]);
        let targets: Vec<&str> = options.mounts.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(targets, ["/a", "/d", "/b", "/c"]);
        assert!(matches!(options.mounts[1].kind, MountKind::Volume { anonymous: true, .. }));
        assert_eq!(options.rlimits, []);
        assert_eq!(self::options(&["--ulimit", "nofile=1:2", "alpine"]).rlimits.len(), 1);
    }

    #[test]
    fn files_of_variables_and_labels_come_first() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("env");
        std::fs::write(&file, "A=file\nB=file\nRR_TEST_SURELY_NOT_SET\n").unwrap();
        let file = file.to_str().unwrap();
        let made = options(&["-e", "B=typed", "--env-file", file, "-l", "B=typed", "alpine"]);
        let set = |name: &str, value: &str| EnvChange::Set(name.into(), value.into());
        assert_eq!(made.env, [set("A", "file"), set("B", "file"), set("B", "typed")]);
        let made = options(&["-l", "B=typed", "--label-file", file, "alpine"]);
        let labels = [("A", "file"), ("B", "typed"), ("RR_TEST_SURELY_NOT_SET", "")];
        assert_eq!(made.labels, labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn bad_values_name_option_and_cause() {
        for (line, doing, cause) in [
            (&["--name", "-a b", "x"][..], "cannot use --name -a b", "invalid container name"),
            (&["--shm-size", "lots", "x"], "cannot use --shm-size lots", "invalid size"),
            (&["--stop-signal=SIGFOO", "x"], "cannot use --stop-signal SIGFOO", "invalid signal: SIGFOO"),
            (&["--stop-timeout=x", "x"], "cannot use --stop-timeout x", "seconds"),
            (&["--network", "a/b", "x"], "cannot use --network a/b", "names must match"),
            (&["--network", "none", "--network=a", "x"], "cannot use --network a", "conflicting options"),
            (&["--network", "name=", "x"], "cannot use --network name=", "no name"),
            (&["--network", "a:ip=x", "x"], "cannot use --network a:ip=x", "invalid IP"),
            (&["--network", "a:nope=x", "x"], "cannot use --network a:nope=x", "there is no option nope"),
            (&["--network", "container:", "x"], "cannot use --network container:", "no container"),
            (&["--network-alias", "db", "x"], "cannot use --network-alias db", "user-defined networks"),
            (&["--network", "a", "--network-alias", "a b", "x"], "cannot use --network-alias a b", "host name"),
            (&["--add-host", "a", "x"], "cannot use --add-host a", "name:address"),
            (&["--dns", "a", "x"], "cannot use --dns a", "IP address"),
            (&["--pull", "maybe", "x"], "cannot use --pull maybe", "always"),
            (&["-e", "=1", "x"], "cannot use --env =1", "no name"),
            (&["--label", "=1", "x"], "cannot use --label =1", "no name"),
            (&["--env-file", "/surely/not", "x"], "cannot use --env-file /surely/not", "ENOENT"),
            (&["--expose", "0", "x"], "cannot use --expose 0", "invalid range format for --expose"),
            (&["--expose", "9-1", "x"], "cannot use --expose 9-1", "invalid range format for --expose"),
            (&["--ulimit", "nope=1", "x"], "cannot use --ulimit nope=1", "nope"),
            (&["--detach-keys", "ctrl-1", "x"], "cannot use --detach-keys ctrl-1", "ctrl-"),
            (&["--security-opt", "nope", "x"], "cannot use --security-opt nope", "no such"),
            (&["--security-opt", "seccomp=/f", "x"], "cannot use --security-opt seccomp=/f", "ENOENT"),
            (&["--group-add", "keep-groups", "--group-add=1", "x"], "cannot use --group-add", "joined"),
            (&["-v", "a:b:c:d", "x"], "cannot use --volume a:b:c:d", ""),
            (&["--userns", "nope", "x"], "cannot use --userns nope", ""),
            (&["--isolation", "nope", "x"], "cannot use --isolation nope", "none of auto, namespaces and chroot"),
            (&["--rm=maybe", "x"], "cannot understand the arguments of `rr run`", "neither true nor false"),
            (&["--nope", "x"], "cannot understand the arguments of `rr run`", "there is no option --nope"),
            (&["-p", "80:http", "x"], "cannot use --publish 80:http", "invalid containerPort: http"),
            (&["--network=container:a", "-p80", "x"], "cannot use --publish", "conflicting options: port publishing"),
            (&["-p", "80:80", "-p127.0.0.1:80:81", "x"], "cannot use --publish", "port is already allocated"),
            (&["--log-opt", "max-size=x", "x"], "cannot use --log-opt max-size=x", "invalid size"),
            (&["--log-opt", "max-file=0", "x"], "cannot use --log-opt max-file=0", "1 to 1000"),
            (&["--log-opt", "tag=x", "x"], "cannot use --log-opt tag=x", "max-size"),
            (&["--log-driver", "syslog", "x"], "cannot use --log-driver syslog", "json-file"),
            (&["--gpus=all", "x"], "cannot understand the arguments of `rr run`", "--gpus is an option of Docker's"),
            (&["--name"], "cannot understand the arguments of `rr run`", "--name needs a value"),
            (&[], "cannot understand the arguments of `rr run`", "IMAGE is missing"),
            (&[""], "cannot use the image's name", "empty"),
        ] {
            let failure = parse(line).expect_err(&format!("{line:?}"));
            assert_eq!(failure.doing, doing, "{line:?}: {failure}");
            assert!(failure.cause.contains(cause), "{line:?}: {failure}");
            assert_eq!(failure.code.number(), 125, "{line:?}");
        }
    }
}
