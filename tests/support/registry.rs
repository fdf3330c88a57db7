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

/// Whom a registry serves, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access<'a> {
    /// Everybody.
    Public,
    /// Only the user `ana` with the password `secret` (HTTP basic).
    Basic,
    /// Everybody, by TLS, as `registry.localhost` and `registry.test`.
    Tls(&'a Certificates),
    /// The same for those who show a certificate of this authority.
    ClientTls(&'a Certificates),
    /// Whoever brings a token that this authority's key has signed, from this address.
    Token {
        /// Whose key.
        authority: &'a Certificates,
        /// `http://127.0.0.1:PORT/token`
        realm: &'a str,
    },
}

/// A certificate authority of the test's own, and a registry's and a client's certificate from it.
#[derive(PartialEq, Eq)]
pub struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// Makes them with openssl(1) in a directory of the test's.
    pub fn new(directory: PathBuf) -> Result<Certificates, String> {
        const SCRIPT: &str = r#"set -e
            key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
            openssl req -x509 $key -keyout ca.key -out ca.crt -days 2 -subj "/CN=rr test authority"
            openssl pkcs8 -topk8 -nocrypt -in ca.key -outform DER -out ca.key.der
            openssl x509 -in ca.crt -outform DER -out ca.crt.der
            openssl req $key -keyout own.key -out own.csr -subj /CN=registry \
                -addext subjectAltName=DNS:registry.localhost,DNS:registry.test
            openssl x509 -req -in own.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copy -out own.crt
            openssl req $key -keyout client.key -out client.csr -subj /CN=ana -addext extendedKeyUsage=clientAuth
            openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copy -out client.crt"#;
        std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let output = Command::new("sh").args(["-c", SCRIPT]).current_dir(&directory).stdin(Stdio::null()).output();
        let output = output.map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(Certificates { directory }),
            false => Err(format!("openssl: {}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// One of the files: `ca.crt`, `ca.crt.der`, `ca.key.der`, `own.crt`, `own.key`, `client.crt`, `client.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
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
    pub fn start(access: Access<'_>) -> Result<Registry, String> {
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

    fn write_config(&self, access: Access<'_>) -> Result<(), String> {
        let storage = self.storage.display();
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    \
             rootdirectory: {storage}\n  delete:\n    enabled: true\nhttp:\n  addr: {}\n",
            self.address
        );
        match access {
            Access::Public => {}
            Access::Basic => {
                config += &format!("auth:\n  htpasswd:\n    realm: test\n    path: {storage}/htpasswd\n");
                // bcrypt of `secret`, the only form the registry takes.
                let line = "ana:$2b$05$Aa/hRW63UQQqg84htmBABuSK2LfzXFF9RJyADYDlit3IwsBN5IbRO\n";
                std::fs::write(self.storage.join("htpasswd"), line).map_err(|error| error.to_string())?;
            }
            Access::Tls(certificates) | Access::ClientTls(certificates) => {
                let file = |name: &str| certificates.file(name).display().to_string();
                config += &format!("  tls:\n    certificate: {}\n    key: {}\n", file("own.crt"), file("own.key"));
                if matches!(access, Access::ClientTls(_)) {
                    config += &format!("    clientcas:\n      - {}\n", file("ca.crt"));
                }
            }
            Access::Token { authority, realm } => {
                let bundle = authority.file("ca.crt");
                config += &format!(
                    "auth:\n  token:\n    realm: {realm}\n    service: test\n    issuer: tests\n    rootcertbundle: {}\n",
                    bundle.display()
                );
            }
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
