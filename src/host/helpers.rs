//! The few outside programs rr can use: where they are, whether they can do their work, and how to
//! get them.
//!
//! A program is searched in `$PATH`, then in the usual directories: cron jobs and service managers
//! give a `$PATH` without `/usr/sbin` or with nothing at all. `RR_HELPER_PATH`, a list of directories
//! separated by colons, replaces both; an empty one means "use no outside program".

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Directories searched after `$PATH`.
const USUAL: [&str; 5] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];

/// The environment variable that replaces the whole search.
pub const HELPER_PATH: &str = "RR_HELPER_PATH";

/// The absolute path of the program `name`, if an executable file of that name is found.
pub fn find(name: &str) -> Option<PathBuf> {
    directories(std::env::var_os(HELPER_PATH), std::env::var_os("PATH"))
        .into_iter()
        .map(|directory| directory.join(name))
        .find(|path| is_executable(path))
}

fn directories(instead: Option<OsString>, path: Option<OsString>) -> Vec<PathBuf> {
    let split = |list: &OsStr| -> Vec<PathBuf> {
        // An empty or relative entry means the current directory, from which rr executes nothing.
        std::env::split_paths(list).filter(|directory| directory.is_absolute()).collect()
    };
    match instead {
        Some(list) => split(&list),
        None => {
            let mut all = path.as_deref().map(split).unwrap_or_default();
            all.extend(USUAL.map(PathBuf::from));
            all
        }
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file()) && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// One of the two programs that write id maps for unprivileged users (newuidmap(1), newgidmap(1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapHelper {
    /// newuidmap(1), which needs CAP_SETUID.
    Users,
    /// newgidmap(1), which needs CAP_SETGID.
    Groups,
}

impl MapHelper {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            MapHelper::Users => "newuidmap",
            MapHelper::Groups => "newgidmap",
        }
    }

    /// The capability's name, as setcap(8) takes it, and its number (capabilities(7)).
    fn capability(self) -> (&'static str, u32) {
        match self {
            MapHelper::Users => ("cap_setuid", 7),
            MapHelper::Groups => ("cap_setgid", 6),
        }
    }
}

/// Finds a map helper that will be able to do its work.
///
/// # Errors
/// A sentence without a full stop that says what is wrong, and a command or an advice that helps.
pub fn find_map_helper(helper: MapHelper) -> std::result::Result<PathBuf, Unusable> {
    // Each start asks twice: when the maps are planned, and when they are written.
    static FOUND: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
    let found = &FOUND[helper as usize];
    match found.get() {
        Some(path) => Ok(path.clone()),
        None => look_for_map_helper(helper).map(|path| found.get_or_init(|| path).clone()),
    }
}

fn look_for_map_helper(helper: MapHelper) -> std::result::Result<PathBuf, Unusable> {
    let name = helper.name();
    let Some(path) = find(name) else {
        return Err(Unusable { why: format!("{name} is not installed"), remedy: Package::Uidmap.remedy() });
    };
    if let Some(why) = rustix::thread::no_new_privs().ok().filter(|&set| set).map(|_| {
        format!("rr was started with no_new_privs (PR_SET_NO_NEW_PRIVS(2)), under which {name} has no privilege")
    }) {
        return Err(Unusable { why, remedy: "start rr outside of that sandbox".into() });
    }
    if on_nosuid_mount(&path) {
        let why = format!("{} is on a file system mounted nosuid", path.display());
        return Err(Unusable { why, remedy: format!("install {name} on a file system mounted without nosuid") });
    }
    let (capability, number) = helper.capability();
    if is_setuid_root(&path) || file_capability(&path, number) {
        return Ok(path);
    }
    Err(Unusable {
        why: format!("{} is neither setuid root nor has the file capability {capability}", path.display()),
        remedy: format!("ask an administrator to run: chmod u+s {}", path.display()),
    })
}

/// Why a helper is of no use, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// A sentence without a full stop.
    pub why: String,
    /// What to do, a command where there is one.
    pub remedy: String,
}

fn is_setuid_root(path: &Path) -> bool {
    const S_ISUID: u32 = 0o4000;
    // An owner outside of this user namespace reads as the overflow id (65534), and execve(2)
    // then ignores the bit, so the comparison with 0 is right in nested namespaces, too.
    path.metadata().is_ok_and(|meta| meta.uid() == 0 && meta.mode() & S_ISUID != 0)
}

fn on_nosuid_mount(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|fs| fs.f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID))
}

fn file_capability(path: &Path, number: u32) -> bool {
    let mut value = [0u8; 24];
    match rustix::fs::getxattr(path, c"security.capability", &mut value[..]) {
        Ok(length) => grants(&value[..length.min(value.len())], number),
        Err(_) => false,
    }
}

/// Whether a `security.capability` value permits capability `number` (below 32) and makes it
/// effective at execve(2) (`struct vfs_cap_data` in linux/capability.h, little endian).
fn grants(value: &[u8], number: u32) -> bool {
    const VFS_CAP_FLAGS_EFFECTIVE: u32 = 1;
    let word = |at: usize| value.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    match (word(0), word(4)) {
        (Some(magic), Some(permitted)) => magic & VFS_CAP_FLAGS_EFFECTIVE != 0 && permitted & (1 << number) != 0,
        _ => false,
    }
}

/// What has to be installed for a helper, under its name in each family of distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Package {
    /// newuidmap and newgidmap.
    Uidmap,
    /// pasta.
    Passt,
    /// slirp4netns.
    Slirp4netns,
    /// fuse-overlayfs.
    FuseOverlayfs,
}

impl Package {
    /// One sentence with the command that installs this on the host: `ask an administrator to run: …`.
    pub fn remedy(self) -> String {
        let os_release = std::fs::read_to_string("/etc/os-release")
            .or_else(|_| std::fs::read_to_string("/usr/lib/os-release"))
            .unwrap_or_default();
        match self.install_command(&os_release) {
            Some(command) => format!("ask an administrator to run: {command}"),
            None => format!("ask an administrator to install the package {}", self.generic_name()),
        }
    }

    /// The command for the distribution that `os_release` (os-release(5)) describes.
    fn install_command(self, os_release: &str) -> Option<String> {
        let (install, family) = families(os_release).find_map(|id| match id {
            "debian" | "ubuntu" => Some(("apt-get install", Family::Debian)),
            "fedora" | "rhel" | "centos" => Some(("dnf install", Family::RedHat)),
            "alpine" => Some(("apk add", Family::Alpine)),
            "arch" => Some(("pacman -S", Family::Other)),
            "suse" | "opensuse" | "sles" => Some(("zypper install", Family::Other)),
            _ => None,
        })?;
        let name = match (self, family) {
            (Package::Uidmap, Family::Debian) => "uidmap",
            (Package::Uidmap, Family::Alpine) => "shadow-uidmap",
            (Package::Uidmap, Family::RedHat) => "shadow-utils",
            (Package::Uidmap, Family::Other) => "shadow",
            _ => self.generic_name(),
        };
        Some(format!("{install} {name}"))
    }

    fn generic_name(self) -> &'static str {
        match self {
            Package::Uidmap => "uidmap",
            Package::Passt => "passt",
            Package::Slirp4netns => "slirp4netns",
            Package::FuseOverlayfs => "fuse-overlayfs",
        }
    }
}

/// How packages are named.
#[derive(Clone, Copy)]
enum Family {
    Debian,
    RedHat,
    Alpine,
    Other,
}

/// The values of ID, then of ID_LIKE (closest first).
fn families(os_release: &str) -> impl Iterator<Item = &str> {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\''])
    };
    value("ID").split_whitespace().chain(value("ID_LIKE").split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_directories_follow_the_path() {
        let all = directories(None, Some("/opt/bin:relative::/usr/bin".into()));
        assert_eq!(all[..2], [PathBuf::from("/opt/bin"), PathBuf::from("/usr/bin")]);
        assert_eq!(all.len(), 2 + USUAL.len());
        assert_eq!(directories(None, None).len(), USUAL.len());
    }

    #[test]
    fn the_helper_path_replaces_everything() {
        assert_eq!(directories(Some("/opt/x".into()), Some("/bin".into())), [PathBuf::from("/opt/x")]);
        assert!(directories(Some("".into()), Some("/bin".into())).is_empty());
    }

    #[test]
    fn a_program_is_found_and_a_missing_one_is_not() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-for-rr"), None);
        // A directory of that name is no program.
        assert!(!is_executable(Path::new("/usr/bin")));
    }

    #[test]
    fn file_capabilities_are_read() {
        // setcap cap_setuid=ep: revision 2, effective; permitted bit 7.
        let value = [1, 0, 0, 2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(grants(&value, 7));
        assert!(!grants(&value, 6));
        // cap_setuid=p without the effective flag.
        assert!(!grants(&[0, 0, 0, 2, 0x80, 0, 0, 0], 7));
        assert!(!grants(&value[..3], 7));
    }

    #[test]
    fn install_commands_follow_the_distribution() {
        let command = |text: &str, package: Package| package.install_command(text);
        assert_eq!(command("ID=debian\n", Package::Uidmap).as_deref(), Some("apt-get install uidmap"));
        assert_eq!(
            command("NAME=x\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Package::Uidmap).as_deref(),
            Some("dnf install shadow-utils")
        );
        assert_eq!(command("ID=linuxmint\nID_LIKE=ubuntu\n", Package::Passt).as_deref(), Some("apt-get install passt"));
        assert_eq!(command("ID=alpine", Package::Uidmap).as_deref(), Some("apk add shadow-uidmap"));
        assert_eq!(command("ID=plan9", Package::Uidmap), None);
        assert_eq!(command("", Package::Uidmap), None);
    }
}
