//! `COPY` and `ADD`: what the words of the instruction mean, and the key that says whether it has been done before.

use super::{Building, Engine, Key};
use crate::build::files::{self, Origin, Transfer};
use crate::build::ignore::Ignore;
use crate::build::mode::Mode;
use crate::build::scratch::Scratch;
use crate::build::select::{self, Selection};
use crate::container::values::clean_path;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::image;
use crate::image::dockerfile::{Expander, Files, Instruction, Step};
use crate::store::TempDir;
use std::path::{Path, PathBuf};

/// The words of the instruction, variables expanded.
struct Words {
    sources: Vec<String>,
    /// Absolute, with a slash at its end where that was typed.
    target: String,
    from: Option<String>,
    chown: Option<String>,
    chmod: Option<Mode>,
    checksum: Option<String>,
    exclude: Vec<String>,
    /// The here-documents' contents.
    documents: Vec<(String, String)>,
}

impl Engine<'_> {
    /// Copies files of the context, of another stage or image, or of the Dockerfile itself.
    pub(super) fn copy(&mut self, building: &mut Building, files: &Files, step: &Step, stage: usize) -> Result<()> {
        let words = self.words(building, files)?;
        let is_add = matches!(step.instruction, Instruction::Add(_));
        self.tell_begin(building, &step.text);
        let created_by = format!("{} # buildkit", step.text);
        let mut key = Key::new(if is_add { "add" } else { "copy" }, &building.snapshot).text(&words.target);
        key = key.text(&format!("{:?} {:?} {} {:?}", words.chown, words.chmod, files.parents, files.unpack));
        key = words.exclude.iter().fold(key, |key, pattern| key.text(pattern));
        let exclude = Ignore::new(words.exclude.iter().map(String::as_str)).doing(|| "failed to solve")?;
        let exclude = (!exclude.is_empty()).then_some(&exclude);
        let documents = self.documents(&words)?;
        let downloads = if is_add { self.downloads(&words)? } else { Vec::new() };
        let is_local = |source: &&String| !(is_add && is_remote(source));
        let local: Vec<String> = words.sources.iter().filter(is_local).cloned().collect();
        let mut origins = Vec::new();
        match words.from.as_deref().map(|from| self.place(from, stage)).transpose()? {
            Some(Place::Layers(chain, layers)) => {
                key = key.text(&chain);
                key = local.iter().fold(key, |key, source| key.text(source));
                origins.push(Origin::Layers(Scratch::new(self.ground.store, layers)?, &local, exclude));
            }
            Some(Place::Directory(directory)) => {
                let selection = self.selected(directory, &local, exclude)?;
                key = key.digest(&selection.digest);
                origins.push(Origin::Directory(directory, selection));
            }
            None => {
                let selection = self.selected(self.request.context, &local, exclude)?;
                key = key.digest(&selection.digest);
                origins.push(match is_add && files.unpack != Some(false) {
                    true => Origin::Archives(self.request.context, selection),
                    false => Origin::Directory(self.request.context, selection),
                });
            }
        }
        for (directory, selection) in &downloads {
            key = key.digest(&selection.digest);
            origins.push(match files.unpack {
                Some(true) => Origin::Archives(directory.path(), selection.clone()),
                _ => Origin::Directory(directory.path(), selection.clone()),
            });
        }
        if let Some((directory, selection)) = &documents {
            key = key.digest(&selection.digest);
            origins.push(Origin::Directory(directory.path(), selection.clone()));
        }
        let transfer = Transfer {
            origins,
            target: &words.target,
            chown: words.chown.as_deref(),
            chmod: words.chmod.clone(),
            parents: files.parents,
        };
        let layers = building.snapshot.trees(self.ground.store, &self.ground.ids.key());
        self.layer(building, &step.text, created_by, key.finish(), |engine| {
            files::copy(&engine.ground, layers, engine.request.driver, &transfer)
        })
    }

    fn words(&self, building: &Building, files: &Files) -> Result<Words> {
        let known = |name: &str| self.variable(building, name);
        let expander = Expander { escape: self.file.escape, value: &known };
        let word = |text: &String| expander.word(text).doing(|| "failed to solve");
        let target = word(&files.target)?;
        let directory = building.snapshot.config.config.working_dir.as_str();
        let whole = if target.starts_with('/') { target.clone() } else { format!("{directory}/{target}") };
        let says_directory = target.ends_with('/') || target == "." || target.ends_with("/.");
        let mut absolute = clean_path(&format!("/{whole}"));
        if says_directory && !absolute.ends_with('/') {
            absolute.push('/');
        }
        let chmod = files.chmod.as_ref().map(word).transpose()?;
        let content = |document: &crate::image::dockerfile::Heredoc| {
            let text = document.stripped();
            let text = if document.expand { expander.document(&text).doing(|| "failed to solve")? } else { text };
            Ok((document.name.clone(), text))
        };
        Ok(Words {
            sources: files.sources.iter().map(word).collect::<Result<_>>()?,
            target: absolute,
            from: files.from.as_ref().map(word).transpose()?,
            chown: files.chown.as_ref().map(word).transpose()?,
            chmod: chmod.map(|text| Mode::parse(&text).doing(|| "failed to solve")).transpose()?,
            checksum: files.checksum.as_ref().map(word).transpose()?,
            exclude: files.exclude.iter().map(word).collect::<Result<_>>()?,
            documents: files.heredocs.iter().map(content).collect::<Result<_>>()?,
        })
    }

    /// Here-documents as files of a directory of their own.
    fn documents(&self, words: &Words) -> Result<Option<(TempDir, Selection)>> {
        if words.documents.is_empty() {
            return Ok(None);
        }
        let directory = TempDir::new(self.ground.store, "documents")?;
        for (name, text) in &words.documents {
            let path = directory.path().join(select::cleaned(name));
            std::fs::write(&path, text).doing(|| format!("cannot write {}", path.display()))?;
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(&path, mode).doing(|| format!("cannot write {}", path.display()))?;
        }
        let names: Vec<String> = words.documents.iter().map(|(name, _)| name.clone()).collect();
        let selection = select::select(directory.path(), &names, None, None)?;
        Ok(Some((directory, selection)))
    }

    /// Downloads the addresses among the sources, each into a directory of its own.
    fn downloads(&self, words: &Words) -> Result<Vec<(TempDir, Selection)>> {
        let remote: Vec<&String> = words.sources.iter().filter(|source| is_remote(source)).collect();
        if words.checksum.is_some() && (remote.len() != 1 || words.sources.len() != 1) {
            let cause = "checksum can't be specified for multiple or local sources";
            return Err(Failure::new("failed to solve", cause).code(ExitCode::General));
        }
        remote.into_iter().map(|url| self.download(url, words.checksum.as_deref())).collect()
    }

    fn download(&self, url: &str, checksum: Option<&str>) -> Result<(TempDir, Selection)> {
        if is_git(url) {
            let cause = format!("{url} is a Git repository, which rr does not clone");
            let failure = Failure::new("failed to solve", cause).code(ExitCode::General);
            return Err(failure.hint("clone it into the context, and COPY it from there"));
        }
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let name = path.splitn(4, '/').nth(3).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let name = if matches!(name, "" | "." | "..") { "download" } else { name };
        let directory = TempDir::new(self.ground.store, "download")?;
        let file = directory.path().join(name);
        let doing = || format!("cannot download {url}");
        let mut reader = image::open_url(self.request.dirs, url)?;
        let mut out = std::fs::File::create(&file).doing(doing)?;
        std::io::copy(&mut reader, &mut out).doing(doing)?;
        // As BuildKit: nobody but root may read it, and it is as old as can be.
        out.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).doing(doing)?;
        out.set_modified(std::time::UNIX_EPOCH).doing(doing)?;
        if let Some(wanted) = checksum {
            let found = select::digest_of(&file).doing(doing)?.to_string();
            if found != wanted {
                let cause = format!("digest mismatch {found}: expected {wanted}");
                return Err(Failure::new("failed to solve", cause).code(ExitCode::General));
            }
        }
        let selection = select::select(directory.path(), &[name.to_owned()], None, None)?;
        Ok((directory, selection))
    }

    /// `--from`: a directory of the user's, or another snapshot.
    fn place(&self, from: &str, stage: usize) -> Result<Place<'_>> {
        match self.request.contexts.get(from) {
            Some(directory) if !directory.contains("://") => Ok(Place::Directory(Path::new(directory))),
            _ => self.origin(from, stage).map(|(chain, layers)| Place::Layers(chain, layers)),
        }
    }

    /// `--from`: what says which files there are, and the layers.
    pub(super) fn origin(&self, from: &str, stage: usize) -> Result<(String, Vec<PathBuf>)> {
        let key = self.ground.ids.key();
        if let Some(earlier) = self.find_stage(from, stage) {
            let snapshot = self.snapshots[earlier].as_ref();
            let snapshot =
                snapshot.ok_or_else(|| Failure::new("cannot build", "a stage is built before what it copies from"))?;
            return Ok((snapshot.chain().to_string(), snapshot.trees(self.ground.store, &key)));
        }
        if from.parse::<usize>().is_ok() {
            let cause = format!("invalid from flag value {from}: invalid stage index {from}");
            return Err(Failure::new("failed to solve", cause).code(ExitCode::General));
        }
        let snapshot = super::Snapshot::new(Some(self.image(from)?));
        Ok((snapshot.chain().to_string(), snapshot.trees(self.ground.store, &key)))
    }
}

/// Where `--from` leads.
enum Place<'a> {
    Directory(&'a Path),
    /// What says which files there are, and where they are, bottom first.
    Layers(String, Vec<PathBuf>),
}

fn is_remote(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://") || is_git(source)
}

fn is_git(source: &str) -> bool {
    let path = source.split(['#', '?']).next().unwrap_or(source);
    let schemes = ["git@", "git://", "ssh://"];
    schemes.iter().any(|scheme| source.starts_with(scheme)) || (source.starts_with("http") && path.ends_with(".git"))
}
