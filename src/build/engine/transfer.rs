//! `COPY` and `ADD`: what the words of the instruction mean, and the key that says whether it has been done before.

use super::{Building, Engine, Key};
use crate::build::files::{self, Origin, Transfer};
use crate::build::mode::Mode;
use crate::build::scratch::Scratch;
use crate::build::select::{self, Excluded, Selection};
use crate::container::values::clean_path;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::image::dockerfile::{Expander, Files, Step};
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
    /// The here-documents' contents.
    documents: Vec<(String, String)>,
}

impl Engine<'_> {
    /// Copies files of the context, of another stage or image, or of the Dockerfile itself.
    pub(super) fn copy(&mut self, building: &mut Building, files: &Files, step: &Step, stage: usize) -> Result<()> {
        let words = self.words(building, files)?;
        self.tell_begin(building, &step.text);
        let created_by = format!("{} # buildkit", step.text);
        let mut key = Key::new("copy", &building.snapshot).text(&words.target);
        key = key.text(&format!("{:?} {:?}", words.chown, words.chmod));
        let documents = self.documents(&words)?;
        let mut origins = Vec::new();
        let other = words.from.as_deref().map(|from| self.origin(from, stage)).transpose()?;
        match &other {
            Some((chain, layers)) => {
                key = key.text(chain);
                key = words.sources.iter().fold(key, |key, source| key.text(source));
                let scratch = Scratch::new(self.ground.store, layers.clone())?;
                origins.push(Origin::Layers(scratch, &words.sources, None));
            }
            None => {
                let ignore = &self.request.ignore;
                let excluded = |path: &Path, is_directory| ignore.verdict(path, is_directory);
                let excluded = (!ignore.is_empty()).then_some(&excluded as Excluded<'_>);
                let selection = select::select(self.request.context, &words.sources, excluded);
                let selection = selection.map_err(|failure| failure.code(ExitCode::General))?;
                key = key.digest(&selection.digest);
                origins.push(Origin::Directory(self.request.context, selection));
            }
        }
        if let Some((directory, selection)) =
            documents.as_ref().map(|(directory, selection)| (directory.path(), selection))
        {
            key = key.digest(&selection.digest);
            origins.push(Origin::Directory(directory, selection.clone()));
        }
        let transfer =
            Transfer { origins, target: &words.target, chown: words.chown.as_deref(), chmod: words.chmod.clone() };
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
        let selection = select::select(directory.path(), &names, None)?;
        Ok(Some((directory, selection)))
    }

    /// `--from`: what says which files there are, and the layers.
    fn origin(&self, from: &str, stage: usize) -> Result<(String, Vec<PathBuf>)> {
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
