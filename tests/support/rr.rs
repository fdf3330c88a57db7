//! The binary under test with a home of its own.

use super::command::{Outcome, RrCommand};
use super::{Registry, leftovers, small_root};
use std::ffi::OsStr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The rr binary, and private directories that it takes for the user's. Dropping it ends what
/// the test left running and removes the directories, whoever owns the files in them.
pub struct Rr {
    binary: PathBuf,
    base: PathBuf,
}

impl Rr {
    /// A user who has never run rr before.
    pub fn new() -> Rr {
        assert!(
            !rustix::process::geteuid().is_root(),
            "these tests run rr as an unprivileged user: use contrib/test, or contrib/as-test-user as Cargo's runner"
        );
        let binary = std::env::var_os("RR_TEST_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_rr").into(), PathBuf::from);
        let parent = std::env::var_os("RR_TEST_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        // The name is short because a path of a Unix socket ends at 108 bytes (unix(7)).
        let base = tempfile::Builder::new().prefix("rr-t").tempdir_in(parent).expect("a temporary directory").keep();
        let rr = Rr { binary, base };
        for directory in [rr.home(), rr.data_home(), rr.config_home(), rr.runtime_dir(), rr.path("tmp")] {
            std::fs::DirBuilder::new().mode(0o700).recursive(true).create(directory).expect("a private directory");
        }
        rr
    }

    /// The same user with a `registries.conf` that makes `registry` the mirror of docker.io, so that
    /// `alpine` comes from there.
    pub fn with_mirror(self, registry: &Registry) -> Rr {
        self.write_registries_conf(&format!(
            "unqualified-search-registries = [\"docker.io\"]\n\n\
             [[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n\n\
             [[registry.mirror]]\nlocation = \"{}\"\ninsecure = true\n",
            registry.address()
        ));
        self
    }

    /// Makes this the user's own `registries.conf` (containers-registries.conf(5)).
    pub fn write_registries_conf(&self, text: &str) {
        let directory = self.config_home().join("containers");
        std::fs::create_dir_all(&directory).expect("the config directory can be made");
        std::fs::write(directory.join("registries.conf"), text).expect("registries.conf can be written");
    }

    /// A user with the real alpine image at hand: [`Rr::sh`] and the words of [`Rr::ALPINE`] run it.
    pub fn with_alpine() -> Result<Rr, String> {
        let rr = Rr::new();
        small_root(&rr)?;
        Ok(rr)
    }

    /// The words after `run` and its options that name alpine, in the working directory commands have.
    pub const ALPINE: [&'static str; 2] = ["--rootfs", "rootfs:O"];

    /// `run --rm --network none OPTIONS alpine COMMAND`, not yet started.
    pub fn alpine(&self, options: &[&str], command: &[&str]) -> RrCommand {
        self.command([&["run", "--rm", "--network", "none"], options, &Rr::ALPINE, command].concat())
    }

    /// Runs a shell script in alpine as [`Rr::alpine`] does, to its end.
    pub fn sh(&self, options: &[&str], script: &str) -> Outcome {
        self.alpine(options, &["sh", "-c", script]).output()
    }

    /// The program file under test.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// `$HOME`
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// `$XDG_DATA_HOME`; the store is `rr` in it.
    pub fn data_home(&self) -> PathBuf {
        self.path("data")
    }

    /// `$XDG_CONFIG_HOME`, where peers that look in `$HOME` alone find the same files.
    pub fn config_home(&self) -> PathBuf {
        self.home().join(".config")
    }

    /// `$XDG_RUNTIME_DIR`
    pub fn runtime_dir(&self) -> PathBuf {
        self.path("run")
    }

    /// rr's own directory of data: `oci/`, `layers/`, `containers/`, `volumes/`.
    pub fn store(&self) -> PathBuf {
        self.data_home().join("rr")
    }

    /// A path in this user's private base directory, for files a test makes.
    pub fn path(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    /// Makes a directory there, open to everybody (0777), for bind mounts.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).expect("a directory in the test's own base");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).expect("own directory");
        path
    }

    /// One rr command, not yet started.
    pub fn command<I, S>(&self, args: I) -> RrCommand
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.any_command(&self.binary, args)
    }

    /// Any other program in this user's environment (podman, skopeo, a shell).
    pub fn any_command<I, S>(&self, program: impl AsRef<OsStr>, args: I) -> RrCommand
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = RrCommand::new(program, args);
        for name in ["PATH", "USER", "LOGNAME", "RUST_BACKTRACE", "RR_CGROUP_MANAGER"] {
            if let Some(value) = std::env::var_os(name) {
                command = command.env(name, value);
            }
        }
        command
            .env("HOME", self.home())
            .env("XDG_DATA_HOME", self.data_home())
            .env("XDG_CONFIG_HOME", self.config_home())
            .env("XDG_RUNTIME_DIR", self.runtime_dir())
            .env("TMPDIR", self.path("tmp"))
            .env("LANG", "C.UTF-8")
            .dir(&self.base)
    }

    /// rr started through a symbolic link of this name: as `docker` or `podman`.
    pub fn command_as<I, S>(&self, name: &str, args: I) -> RrCommand
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let link = self.path("links").join(name);
        std::fs::create_dir_all(self.path("links")).expect("a directory in the test's own base");
        match std::os::unix::fs::symlink(&self.binary, &link) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => panic!("{}: {error}", link.display()),
            _ => self.any_command(link, args),
        }
    }

    /// Runs rr to its end with nothing on standard input.
    pub fn run<I, S>(&self, args: I) -> Outcome
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.command(args).output()
    }

    /// Fails the test if a process, a mount or a container's directory of this user remains.
    /// Waits a moment for what ends asynchronously (a network namespace, a helper that sees
    /// end-of-file), never for what nobody ends.
    pub fn nothing_is_left(&self) {
        let complete = wait_until(Duration::from_secs(5), || leftovers::find(&self.base).is_empty());
        if !complete {
            panic!("rr left behind:\n{}", leftovers::find(&self.base).join("\n"));
        }
    }

    /// As [`Rr::nothing_is_left`], but for the directories: what must hold while containers exist.
    pub fn no_process_is_left(&self) {
        let complete = wait_until(Duration::from_secs(5), || leftovers::processes(&self.base).is_empty());
        assert!(complete, "rr left processes behind: {:#?}", leftovers::processes(&self.base));
    }

    /// What a crash of the machine leaves: no process, another boot id than the one in the containers' states, and an
    /// empty runtime directory.
    pub fn reboot(&self) {
        leftovers::end_processes(&self.base);
        let own = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("/proc is mounted");
        for container in std::fs::read_dir(self.store().join("containers")).expect("a store").flatten() {
            let state = container.path().join("state.json");
            if let Ok(text) = std::fs::read_to_string(&state) {
                let former = text.replace(own.trim_end(), "11111111-2222-3333-4444-555555555555");
                std::fs::write(&state, former).expect("a state can be written");
            }
        }
        std::fs::remove_dir_all(self.runtime_dir()).expect("the runtime directory can be removed");
    }

    /// The networks of this user's rr that a process keeps, and that process.
    pub fn keepers(&self) -> Vec<(String, i32)> {
        leftovers::keepers(&self.base)
    }

    /// The ids of processes that belong to this user's rr, whatever they execute.
    pub fn processes(&self) -> Vec<leftovers::Process> {
        leftovers::processes(&self.base)
    }
}

impl Drop for Rr {
    fn drop(&mut self) {
        leftovers::end_processes(&self.base);
        let removed = remove_tree(&self.base);
        if let Err(reason) = removed {
            // A second panic would abort the whole run; a first one is the report we want.
            assert!(std::thread::panicking(), "cannot remove {}: {reason}", self.base.display());
        }
    }
}

/// Removes a tree in which subordinate ids own files: as root of a user namespace that maps them.
fn remove_tree(tree: &Path) -> Result<(), String> {
    if std::fs::remove_dir_all(tree).is_ok() {
        return Ok(());
    }
    let output = Command::new("unshare")
        .args(["--map-root-user", "--map-auto", "--", "rm", "-rf", "--"])
        .arg(tree)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("unshare: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Asks again every few milliseconds until `condition` holds; false if it never did within `limit`.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
