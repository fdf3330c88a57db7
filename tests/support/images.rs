//! Real images, as OCI archives on this machine.

use super::skip::command_exists;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The real alpine:3.20.3 for this machine as an OCI archive, or why there is none.
pub fn alpine() -> Result<&'static Path, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(|| find("alpine-3.20.3", "docker.io/library/alpine:3.20.3")).as_deref().map_err(Clone::clone)
}

/// A real busybox as an OCI archive, or why there is none.
pub fn busybox() -> Result<&'static Path, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(|| find("busybox-", "docker.io/library/busybox:1.37.0-musl")).as_deref().map_err(Clone::clone)
}

/// The archive whose name starts so in the images' directory; else fetched once from the public registry.
fn find(prefix: &str, public: &str) -> Result<PathBuf, String> {
    let directory = std::env::var_os("RR_TEST_IMAGES").map_or_else(beside_the_checkout, PathBuf::from);
    let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
    let mut here: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .filter(|path| path.to_string_lossy().ends_with(".oci.tar"))
        .collect();
    here.sort();
    match here.pop() {
        Some(path) => Ok(path),
        None => {
            fetch(public).map_err(|reason| format!("no {prefix}*.oci.tar in {}, and {reason}", directory.display()))
        }
    }
}

/// `shared/images` in the nearest directory above the checkout that has one.
fn beside_the_checkout() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let candidates = checkout.ancestors().skip(1).map(|directory| directory.join("shared/images"));
    candidates.into_iter().find(|path| path.is_dir()).unwrap_or_else(|| checkout.join("../shared/images"))
}

/// Fetches a public image into the temporary directory, where later runs find it.
fn fetch(public: &str) -> Result<PathBuf, String> {
    if !command_exists("skopeo") {
        return Err("skopeo is not installed".to_owned());
    }
    let user = rustix::process::geteuid().as_raw();
    let name = public.replace(['/', ':'], "-");
    let file = std::env::temp_dir().join(format!("rr-test-{user}-{name}.oci.tar"));
    if file.exists() {
        return Ok(file);
    }
    let half = file.with_extension(format!("{}", std::process::id()));
    let output = Command::new("timeout")
        .args(["120", "skopeo", "--insecure-policy", "copy", "--quiet"])
        .arg(format!("docker://{public}"))
        .arg(format!("oci-archive:{}", half.display()))
        .env("REGISTRY_AUTH_FILE", half.with_extension("no-auth"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("skopeo cannot be started: {error}"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!("skopeo cannot fetch {public}: {}", reason.lines().last().unwrap_or_default()));
    }
    std::fs::rename(&half, &file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}
