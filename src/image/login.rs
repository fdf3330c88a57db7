//! Credentials are kept: `login` and `logout`.
//!
//! Files stay what they were but for the one entry: other clients keep settings of their own in them. Where the file
//! names a credential helper for the registry, or one for all, that gets the secret and the file an empty entry.

use super::auth::run_helper;
use super::reference::DEFAULT_DOMAIN;
use crate::error::{Doing, Failure, Result};
use crate::host::dirs::Dirs;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Docker Hub's key in Docker's own file, and with its helpers: the address of its first API.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// A file of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is Docker's config.json, whose keys differ for Docker Hub.
    pub dockers: bool,
}

/// Whose default file is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// `~/.docker/config.json`
    Docker,
    /// `$XDG_RUNTIME_DIR/containers/auth.json`, as containers-auth.json(5) has it.
    Podman,
}

/// Where credentials were put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Into the file, where whoever reads it reads them.
    InFile,
    /// With this helper.
    ByHelper(String),
}

/// The file that `login` writes: `asked`, else `$REGISTRY_AUTH_FILE`, else config.json in `$DOCKER_CONFIG` (`--config`),
/// else the convention's.
///
/// # Errors
/// There is no home to have one in.
pub fn file_to_write(dirs: &Dirs, asked: Option<&Path>, convention: Convention) -> Result<CredentialFile> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = asked.map(Path::to_owned).or_else(|| variable("REGISTRY_AUTH_FILE")) {
        return Ok(CredentialFile { path, dockers: false });
    }
    if let Some(directory) = variable("DOCKER_CONFIG") {
        return Ok(CredentialFile { path: directory.join("config.json"), dockers: true });
    }
    let homeless = || Failure::new("cannot keep credentials", "there is no home directory").hint("use --authfile");
    match convention {
        Convention::Docker => {
            let home = dirs.home.as_ref().ok_or_else(homeless)?;
            Ok(CredentialFile { path: home.join(".docker/config.json"), dockers: true })
        }
        Convention::Podman => {
            let base = dirs.session.as_ref().or(dirs.config.as_ref()).ok_or_else(homeless)?;
            Ok(CredentialFile { path: base.join("containers/auth.json"), dockers: false })
        }
    }
}

impl CredentialFile {
    /// Keeps credentials for `registry` (`host[:port]`, perhaps with a path).
    ///
    /// # Errors
    /// The file is malformed or cannot be written; the helper fails.
    pub fn keep(&self, registry: &str, user: &str, password: &str) -> Result<Kept> {
        let mut content = self.read()?;
        let key = self.key(registry);
        let helper = helper_for(&content, registry);
        let auths = object(&mut content, "auths").doing(|| self.doing())?;
        let kept = match helper {
            Some(helper) => {
                let secret = json!({ "ServerURL": key, "Username": user, "Secret": password }).to_string();
                run_helper(&helper, "store", &secret)?;
                auths.insert(key, json!({}));
                Kept::ByHelper(helper)
            }
            None => {
                auths.insert(key, json!({ "auth": STANDARD.encode(format!("{user}:{password}")) }));
                Kept::InFile
            }
        };
        self.write(&content)?;
        Ok(kept)
    }

    /// Forgets the credentials for `registry`; false where there were none.
    ///
    /// # Errors
    /// As for [`CredentialFile::keep`].
    pub fn forget(&self, registry: &str) -> Result<bool> {
        let mut content = self.read()?;
        let key = self.key(registry);
        let helper = helper_for(&content, registry);
        let mut found = false;
        if let Some(auths) = content.get_mut("auths").and_then(Value::as_object_mut) {
            for name in [key.as_str(), registry, &format!("https://{registry}"), &format!("https://{registry}/v1/")] {
                found |= auths.remove(name).is_some();
            }
        }
        if let Some(helper) = helper {
            found |= run_helper(&helper, "erase", &key).is_ok();
        }
        if found {
            self.write(&content)?;
        }
        Ok(found)
    }

    /// The registries the file has credentials for.
    ///
    /// # Errors
    /// The file is malformed.
    pub fn registries(&self) -> Result<Vec<String>> {
        let content = self.read()?;
        let auths = content.get("auths").and_then(Value::as_object);
        Ok(auths.map(|auths| auths.keys().cloned().collect()).unwrap_or_default())
    }

    fn key(&self, registry: &str) -> String {
        match registry {
            DEFAULT_DOMAIN | "index.docker.io" | "registry-1.docker.io" if self.dockers => HUB_KEY.to_owned(),
            other => other.to_owned(),
        }
    }

    fn doing(&self) -> String {
        format!("cannot use {}", self.path.display())
    }

    fn read(&self) -> Result<Map<String, Value>> {
        let text = match std::fs::read(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
            text => text.doing(|| format!("cannot read {}", self.path.display()))?,
        };
        if text.trim_ascii().is_empty() {
            return Ok(Map::new());
        }
        // The parser's error may quote a secret.
        serde_json::from_slice(&text).map_err(|_| Failure::new(self.doing(), "it is not a JSON object"))
    }

    /// Replaces the file in one step; nobody else may read it.
    fn write(&self, content: &Map<String, Value>) -> Result<()> {
        let doing = || format!("cannot write {}", self.path.display());
        // A link stays a link.
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).doing(doing)?;
        let new =
            folder.join(format!(".{}.{}", path.file_name().unwrap_or_default().to_string_lossy(), std::process::id()));
        let text = serde_json::to_vec_pretty(content).doing(doing)?;
        let written = std::fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&new, &path));
        if written.is_err() {
            // The failure that is told is the first one.
            let _ = std::fs::remove_file(&new);
        }
        written.doing(doing)
    }
}

/// The helper that keeps the registry's credentials.
fn helper_for(content: &Map<String, Value>, registry: &str) -> Option<String> {
    let host = registry.split('/').next().unwrap_or(registry);
    let own = content.get("credHelpers").and_then(|helpers| helpers.get(host));
    let helper = own.or_else(|| content.get("credsStore")).and_then(Value::as_str);
    helper.filter(|helper| !helper.is_empty()).map(str::to_owned)
}

/// The object in a field, made where there is none. The error is a sentence.
fn object<'a>(
    content: &'a mut Map<String, Value>,
    field: &str,
) -> std::result::Result<&'a mut Map<String, Value>, String> {
    let value = content.entry(field).or_insert(Value::Null);
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut().ok_or_else(|| format!("its `{field}` is no object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, dockers: bool) -> (tempfile::TempDir, CredentialFile) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.json");
        if !text.is_empty() {
            std::fs::write(&path, text).unwrap();
        }
        (home, CredentialFile { path, dockers })
    }

    fn content(file: &CredentialFile) -> Value {
        serde_json::from_slice(&std::fs::read(&file.path).unwrap()).unwrap()
    }

    #[test]
    fn one_entry_changes_and_the_rest_stays() {
        let (_home, file) = file(r#"{"auths":{"a.io":{"auth":"eA=="}},"HttpHeaders":{"X":"y"}}"#, true);
        assert_eq!(file.keep("docker.io", "ana", "se:cret").unwrap(), Kept::InFile);
        let kept = content(&file);
        assert_eq!(kept["auths"][HUB_KEY]["auth"], STANDARD.encode("ana:se:cret"));
        assert_eq!((&kept["auths"]["a.io"]["auth"], &kept["HttpHeaders"]["X"]), (&"eA==".into(), &"y".into()));
        assert!(file.forget("docker.io").unwrap() && !file.forget("docker.io").unwrap());
        assert_eq!(file.registries().unwrap(), ["a.io"]);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_missing_is_made_and_a_damaged_one_stays() {
        let (home, file) = file("", false);
        file.keep("docker.io", "u", "p").unwrap();
        assert!(content(&file)["auths"]["docker.io"].is_object());
        let damaged = CredentialFile { path: home.path().join("x"), dockers: false };
        std::fs::write(&damaged.path, "{secret").unwrap();
        let error = damaged.keep("a.io", "u", "p").unwrap_err().to_string();
        assert!(error.contains("not a JSON object") && !error.contains("secret"), "{error}");
        assert_eq!(std::fs::read(&damaged.path).unwrap(), b"{secret");
    }
}
