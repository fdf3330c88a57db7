//! A real registry on loopback: Debian's `docker-registry` with real images in it.

use super::skip::command_exists;
use super::{images, wait_until};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// A running registry. It ends with the test process, however that ends.
pub struct Registry {
    address: String,
    storage: PathBuf,
}

/// Whom a registry serves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Only the user `ana` with the password `secret` (HTTP basic).
    Basic,
}

impl Registry {
    /// The one most tests use: `library/alpine` (`3.20.3`, `latest`) and `library/busybox` (`latest`).
    /// Tests may add repositories of their own, and never change these.
    pub fn shared() -> Result<&'static Registry, String> {
        static SHARED: OnceLock<Result<Registry, String>> = OnceLock::new();
        SHARED
            .get_or_init(|| {
                let registry = Registry::start(Access::Public)?;
                registry.push(images::alpine()?, "library/alpine:3.20.3")?;
                registry.push(images::alpine()?, "library/alpine:latest")?;
                registry.push(images::busybox()?, "library/busybox:latest")?;
                Ok(registry)
            })
            .as_ref()
            .map_err(Clone::clone)
    }

    /// An empty one.
    pub fn start(access: Access) -> Result<Registry, String> {
        for program in ["docker-registry", "skopeo", "setpriv"] {
            if !command_exists(program) {
                return Err(format!("{program} is not installed"));
            }
        }
        let directory =
            tempfile::Builder::new().prefix("rr-registry").tempdir().map_err(|error| error.to_string())?.keep();
        // Somebody may take the port between our look and the registry's bind: then try another.
        for _ in 0..5 {
            let port = free_port()?;
            let registry = Registry { address: format!("127.0.0.1:{port}"), storage: directory.clone() };
            registry.write_config(access)?;
            run_until_we_end(directory.clone());
            if wait_until(Duration::from_secs(20), || TcpStream::connect(&registry.address).is_ok()) {
                return Ok(registry);
            }
        }
        let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        Err(format!("docker-registry does not answer: {log}"))
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The registry's own files (`docker/registry/v2/…`), for tests that damage them.
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// Copies an OCI archive into it as `repository:tag`.
    pub fn push(&self, archive: &Path, name: &str) -> Result<(), String> {
        self.copy(&format!("oci-archive:{}", archive.display()), name, &[])
    }

    /// Copies any image that skopeo can name into it, with more of skopeo's options
    /// (`--format v2s2`, `--dest-creds ana:secret`).
    pub fn copy(&self, source: &str, name: &str, options: &[&str]) -> Result<(), String> {
        let output = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"])
            .args(options)
            .arg(source)
            .arg(format!("docker://{}/{name}", self.address))
            // Nobody's credentials: the default file's directory may be another user's.
            .env("REGISTRY_AUTH_FILE", self.storage.join("no-auth.json"))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("skopeo cannot be started: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("skopeo cannot copy {source} to {name}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    fn write_config(&self, access: Access) -> Result<(), String> {
        let storage = self.storage.display();
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    \
             rootdirectory: {storage}\n  delete:\n    enabled: true\nhttp:\n  addr: {}\n",
            self.address
        );
        if access == Access::Basic {
            config += &format!("auth:\n  htpasswd:\n    realm: test\n    path: {storage}/htpasswd\n");
            // bcrypt of `secret`, the only form the registry takes.
            let line = "ana:$2b$05$Aa/hRW63UQQqg84htmBABuSK2LfzXFF9RJyADYDlit3IwsBN5IbRO\n";
            std::fs::write(self.storage.join("htpasswd"), line).map_err(|error| error.to_string())?;
        }
        std::fs::write(self.storage.join("config.yml"), config).map_err(|error| error.to_string())
    }
}

/// Starts the registry configured in `directory`; when this process ends, it ends and its files go.
///
/// The parent-death signal comes when the *thread* that started a process ends (prctl(2)), and a
/// test's thread ends with the test: hence a thread of its own that outlives them all.
fn run_until_we_end(directory: PathBuf) {
    const SCRIPT: &str = r#"
        docker-registry serve "$1/config.yml" >"$1/log" 2>&1 </dev/null &
        trap 'kill $! 2>/dev/null; wait; rm -rf "$1"; exit' TERM
        wait"#;
    std::thread::Builder::new()
        .name("registry".to_owned())
        .spawn(move || {
            let status = Command::new("setpriv")
                .args(["--pdeathsig", "TERM", "sh", "-c", SCRIPT, "registry"])
                .arg(directory)
                .stdin(Stdio::null())
                .status();
            // Reached only when the registry could not start; `start` sees that nothing answers.
            drop(status);
        })
        .expect("a thread");
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no port on loopback: {error}"))?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
