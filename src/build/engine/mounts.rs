//! `RUN --mount`: what a step sees that is no part of its layer.

use super::{Building, Engine, Key};
use crate::build::files::{self, Origin, Transfer};
use crate::build::scratch::Scratch;
use crate::build::select;
use crate::container::plan::{Mount, MountFlags, MountKind, Propagation, Relabel};
use crate::container::values::{self, clean_path};
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::image::digest::Digest;
use crate::image::dockerfile::{Expander, MountFlag, Run};
use crate::store::TempDir;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The mounts of one step, and what has to stay until it has ended.
#[derive(Default)]
pub(super) struct Mounts {
    pub(super) list: Vec<Mount>,
    /// Secrets that are variables; they are no part of the step's key.
    pub(super) env: Vec<(String, String)>,
    /// Files of other stages, and of the context where some are left out.
    staged: Vec<Scratch>,
    secrets: Vec<TempDir>,
    /// Caches that one step at a time may use.
    locks: Vec<File>,
}

impl Mounts {
    /// Removes what was made for the step.
    pub(super) fn clear(&self, engine: &Engine<'_>) -> Result<()> {
        if self.staged.is_empty() {
            return Ok(());
        }
        engine.ground.namespace.run(|| self.staged.iter().try_for_each(Scratch::clear))
    }

    /// Where they are, without slashes in front: nothing there belongs to the layer.
    pub(super) fn targets(&self) -> Vec<String> {
        self.list.iter().map(|mount| mount.target.trim_start_matches('/').to_owned()).collect()
    }
}

impl Engine<'_> {
    /// Prepares the mounts of a step; the key is told what they say and hold.
    pub(super) fn mounts(&self, building: &Building, run: &Run, stage: usize, mut key: Key) -> Result<(Mounts, Key)> {
        let mut mounts = Mounts::default();
        for text in &run.mounts {
            let known = |name: &str| self.variable(building, name);
            let text = Expander { escape: self.file.escape, value: &known }.word(text).doing(|| "failed to solve")?;
            let flag = MountFlag::parse(&text).doing(|| "failed to solve")?;
            key = key.text(&text);
            let wrong =
                |cause: String| Failure::new(format!("cannot use --mount={text}"), cause).code(ExitCode::General);
            match flag.kind.as_str() {
                "tmpfs" => {
                    let size = flag.get("size").map(values::size).transpose().map_err(wrong)?;
                    let kind =
                        MountKind::Tmpfs { size, mode: None, uid: None, gid: None, flags: MountFlags::default() };
                    mounts.list.push(Mount {
                        target: self.mount_target(building, &flag).map_err(wrong)?,
                        kind,
                        read_only: false,
                    });
                }
                "cache" => self
                    .cache_mount(building, &flag, &mut mounts)
                    .map_err(|failure| failure.while_doing(format!("cannot use --mount={text}")))?,
                "secret" => self.secret_mount(building, &flag, &mut mounts)?,
                "bind" => {
                    let target = self.mount_target(building, &flag).map_err(wrong)?;
                    let writable = flag.is("rw").map_err(wrong)?.unwrap_or(false)
                        || !flag.is("readonly").map_err(wrong)?.unwrap_or(true);
                    key = self.bind_mount(&flag, target, writable, stage, &mut mounts, key)?;
                }
                _ => return Err(wrong("rr does not forward an SSH agent".to_owned())),
            }
        }
        Ok((mounts, key))
    }

    /// `target`, from the working directory on. The error is a sentence.
    fn mount_target(&self, building: &Building, flag: &MountFlag) -> std::result::Result<String, String> {
        let target = flag.get("target").ok_or("it has no target")?;
        let directory = building.snapshot.config.config.working_dir.as_str();
        let whole = if target.starts_with('/') { target.to_owned() } else { format!("/{directory}/{target}") };
        match clean_path(&whole).as_str() {
            "/" => Err("its target is /".to_owned()),
            target => Ok(target.to_owned()),
        }
    }

    /// A directory that stays from build to build, by its id.
    fn cache_mount(&self, building: &Building, flag: &MountFlag, mounts: &mut Mounts) -> Result<()> {
        let sentence = |cause| Failure::new("", cause).code(ExitCode::General);
        let target = self.mount_target(building, flag).map_err(sentence)?;
        if flag.get("from").is_some() || flag.get("source").is_some() {
            return Err(sentence("rr begins caches empty: `from` and `source` are not there yet".to_owned()));
        }
        let id = flag.get("id").unwrap_or(&target);
        let number = |key: &str| {
            flag.get(key).map(|text| text.parse::<u32>().map_err(|_| format!("invalid {key} {text}"))).transpose()
        };
        let (uid, gid) = (number("uid").map_err(sentence)?.unwrap_or(0), number("gid").map_err(sentence)?.unwrap_or(0));
        let mode = flag
            .get("mode")
            .map_or(Ok(0o755), |text| u32::from_str_radix(text, 8).map_err(|_| format!("invalid mode {text}")));
        let mode = mode.map_err(sentence)?;
        let folder = self.ground.store.build_caches();
        let path = folder.join(Digest::of(id.as_bytes()).hex());
        let doing = || format!("cannot make {}", path.display());
        if !path.exists() {
            std::fs::create_dir_all(&path).doing(doing)?;
            let owner = files::own_ids(&self.ground, (uid, gid));
            self.ground.namespace.run(|| {
                std::os::unix::fs::lchown(&path, Some(owner.0), Some(owner.1)).doing(doing)?;
                std::fs::set_permissions(&path, Permissions::from_mode(mode)).doing(doing)
            })?;
        }
        if flag.get("sharing") == Some("locked") {
            let file = File::create(path.with_extension("lock")).doing(doing)?;
            file.lock().doing(doing)?;
            mounts.locks.push(file);
        }
        let read_only = flag.is("readonly").map_err(sentence)?.unwrap_or(false);
        mounts.list.push(Mount { target, kind: bind(path), read_only });
        Ok(())
    }

    /// A file or variable that leaves no trace.
    fn secret_mount(&self, building: &Building, flag: &MountFlag, mounts: &mut Mounts) -> Result<()> {
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let id = flag.get("id").map(str::to_owned).or_else(|| flag.get("target").map(last)).unwrap_or_default();
        let sentence = |cause| Failure::new("failed to solve", cause).code(ExitCode::General);
        let Some(secret) = self.request.secrets.get(&id) else {
            return match flag.is("required").map_err(sentence)? {
                Some(true) => Err(sentence(format!("secret {id}: not found"))),
                _ => Ok(()),
            };
        };
        if let Some(name) = flag.get("env") {
            let name = if name.is_empty() { &id } else { name };
            mounts.env.push((name.to_owned(), String::from_utf8_lossy(secret).into_owned()));
            if flag.get("target").is_none() {
                return Ok(());
            }
        }
        let target = match flag.get("target") {
            Some(_) => self.mount_target(building, flag).map_err(sentence)?,
            None => format!("/run/secrets/{id}"),
        };
        let number = |key: &str| {
            flag.get(key).map_or(Ok(0), |text| text.parse::<u32>().map_err(|_| format!("invalid {key} {text}")))
        };
        let ids = (number("uid").map_err(sentence)?, number("gid").map_err(sentence)?);
        let mode = flag
            .get("mode")
            .map_or(Ok(0o400), |text| u32::from_str_radix(text, 8).map_err(|_| format!("invalid mode {text}")));
        let mode = mode.map_err(sentence)?;
        let directory = TempDir::new(self.ground.store, "secret")?;
        let path = directory.path().join("secret");
        let doing = || "cannot hand over a secret";
        std::fs::write(&path, secret).doing(doing)?;
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).doing(doing)?;
        if ids != (0, 0) {
            let owner = files::own_ids(&self.ground, ids);
            self.ground
                .namespace
                .run(|| std::os::unix::fs::lchown(&path, Some(owner.0), Some(owner.1)).doing(doing))?;
        }
        mounts.secrets.push(directory);
        mounts.list.push(Mount { target, kind: bind(path), read_only: true });
        Ok(())
    }

    /// Files of the context, of another stage or image. What is written there is lost, so that it is written to a copy.
    fn bind_mount(
        &self,
        flag: &MountFlag,
        target: String,
        writable: bool,
        stage: usize,
        mounts: &mut Mounts,
        mut key: Key,
    ) -> Result<Key> {
        let source = flag.get("source").unwrap_or("/").to_owned();
        let patterns = [source.clone()];
        let origin = match flag.get("from") {
            Some(from) => {
                let (chain, layers) = self.origin(from, stage)?;
                key = key.text(&chain);
                Origin::Layers(Scratch::new(self.ground.store, layers)?, &patterns, None)
            }
            None => {
                let selection = self.selected(self.request.context, &patterns, None)?;
                key = key.digest(&selection.digest);
                if !writable && self.request.ignore.is_empty() {
                    let path = std::path::absolute(self.request.context).doing(|| "cannot find the context")?;
                    let path = path.join(&selection.sources[0].path);
                    mounts.list.push(Mount { target, kind: bind(path), read_only: true });
                    return Ok(key);
                }
                Origin::Directory(self.request.context, selection)
            }
        };
        let transfer = Transfer { origins: vec![origin], target: "/mounted", ..Transfer::default() };
        let staged = files::stage(&self.ground, self.request.driver, &transfer)?;
        mounts.list.push(Mount { target, kind: bind(staged.files().join("mounted")), read_only: !writable });
        mounts.staged.push(staged);
        Ok(key)
    }

    /// What `patterns` mean in a directory of the user's, without what is not to be there.
    pub(super) fn selected(
        &self,
        directory: &Path,
        patterns: &[String],
        exclude: Option<&crate::build::ignore::Ignore>,
    ) -> Result<select::Selection> {
        let ignore = &self.request.ignore;
        let is_context = directory == self.request.context && !ignore.is_empty();
        let excluded = |path: &Path, is_directory| ignore.verdict(path, is_directory);
        let excluded = is_context.then_some(&excluded as select::Excluded<'_>);
        let selection = select::select(directory, patterns, excluded, exclude);
        selection.map_err(|failure| failure.code(ExitCode::General))
    }
}

fn bind(source: PathBuf) -> MountKind {
    MountKind::Bind {
        source,
        recursive: true,
        propagation: Propagation::default(),
        chown: false,
        create_source: false,
        flags: MountFlags::default(),
        relabel: Relabel::Keep,
    }
}
