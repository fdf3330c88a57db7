//! `rr completion` and `rr man`: what is generated from the command tree.
//!
//! The results are kept in docs/man and docs/completions for packagers; a test compares them with
//! what this program generates, and `RR_UPDATE_DOCS=1 cargo test --lib docs_are_up_to_date` writes them.

use super::verbs::Verb;
use super::{output, tree, verbs};
use crate::error::{Doing, ExitCode, Failure, Result};
use clap_complete::Shell;
use std::path::{Path, PathBuf};

/// Print a completion script for a shell
#[derive(Debug, clap::Parser)]
pub struct Completion {
    /// bash, zsh, fish or elvish
    shell: String,
}

/// Write the man pages into a directory
#[derive(Debug, clap::Parser)]
#[command(hide = true)]
pub struct ManPages {
    /// Where to
    directory: PathBuf,
}

/// The shells there are scripts for, and the scripts' usual names.
const SHELLS: [(&str, Shell, &str); 4] = [
    ("bash", Shell::Bash, "rr.bash"),
    ("zsh", Shell::Zsh, "_rr"),
    ("fish", Shell::Fish, "rr.fish"),
    ("elvish", Shell::Elvish, "rr.elv"),
];

impl Verb for Completion {
    fn run(self) -> Result<i32> {
        match SHELLS.iter().find(|(name, ..)| *name == self.shell) {
            Some((_, shell, _)) => output::text(&script(*shell)).map(|()| 0),
            None => {
                let doing = format!("cannot complete for the shell {}", self.shell.escape_debug());
                Err(Failure::new(doing, "it is none of bash, zsh, fish and elvish").code(ExitCode::General))
            }
        }
    }
}

impl Verb for ManPages {
    fn run(self) -> Result<i32> {
        for (name, text) in pages()? {
            write(&self.directory.join(name), &text)?;
        }
        Ok(0)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).doing(|| format!("cannot write {}", path.display()))
}

fn script(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut tree::full(), "rr", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A page for rr and for each command under its usual name.
fn pages() -> Result<Vec<(String, String)>> {
    let tree = tree::full();
    let mut pages = vec![("rr.1".to_owned(), page(&tree)?)];
    for entry in verbs::VERBS {
        let words: Vec<&str> = entry.paths[0].split(' ').collect();
        let found = words.iter().try_fold(&tree, |command, word| command.find_subcommand(word));
        if let Some(command) = found.filter(|command| !command.is_hide_set()) {
            pages.push((format!("rr-{}.1", words.join("-")), page(command)?));
        }
    }
    Ok(pages)
}

fn page(command: &clap::Command) -> Result<String> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut bytes).doing(|| "cannot make a man page")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_are_up_to_date() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        files.extend(pages().unwrap().into_iter().map(|(name, text)| (docs.join("man").join(name), text)));
        files.extend(SHELLS.map(|(_, shell, name)| (docs.join("completions").join(name), script(shell))));
        if std::env::var_os("RR_UPDATE_DOCS").is_some() {
            for (path, text) in &files {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                write(path, text).unwrap();
            }
        }
        for (path, text) in &files {
            let kept = std::fs::read_to_string(path).unwrap_or_default();
            assert!(kept == *text, "{} is out of date: see the top of this file", path.display());
        }
        let pages = std::fs::read_dir(docs.join("man")).unwrap().count();
        assert_eq!(pages + SHELLS.len(), files.len(), "docs/man has a page of a command that is gone");
    }
}
