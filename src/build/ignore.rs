//! `.dockerignore`: which files of a context are not there for a build (moby, `patternmatcher`).

use super::pattern::Pattern;
use super::select::{Verdict, cleaned};
use std::path::Path;

/// The patterns of a `.dockerignore`, or of `--exclude`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    /// `!`: what it fits is there after all.
    returns: bool,
}

impl Ignore {
    /// Reads the file. The error is a sentence.
    pub fn parse(text: &str) -> Result<Ignore, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ignore::new(text.lines().filter(|line| !line.starts_with('#')))
    }

    /// From patterns, of which later ones win. The error is a sentence.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Ignore, String> {
        let mut rules = Vec::new();
        for text in patterns {
            let text = text.trim();
            let (text, returns) = text.strip_prefix('!').map_or((text, false), |text| (text.trim(), true));
            if text.is_empty() {
                continue;
            }
            let pattern = Pattern::new(&cleaned(text).to_string_lossy())?;
            rules.push(Rule { pattern, returns });
        }
        Ok(Ignore { rules })
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What becomes of a path below the top. A pattern that fits a directory fits all that is in it.
    pub fn verdict(&self, path: &Path, is_directory: bool) -> Verdict {
        let parts: Vec<_> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
        let names: Vec<_> = parts.iter().map(|part| part.to_string_lossy()).collect();
        let fits = |rule: &&Rule| names.iter().any(|name| rule.pattern.matches(name));
        match self.rules.iter().rev().find(fits) {
            Some(rule) if !rule.returns => match is_directory && self.rules.iter().any(|rule| rule.returns) {
                true => Verdict::Opened,
                false => Verdict::Left,
            },
            _ => Verdict::Taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_mobys() {
        let text = "# comment\n\n*.log\n/build/\n**/tmp\n!keep.log\n  docs/*  \n!docs/README.md\n.";
        let ignore = Ignore::parse(text).unwrap();
        let verdict = |path: &str, is_directory| ignore.verdict(Path::new(path), is_directory);
        for (path, expected) in [
            ("a.log", Verdict::Left),
            ("d/a.log", Verdict::Taken),
            ("keep.log", Verdict::Taken),
            ("build/x/y", Verdict::Left),
            ("src/build", Verdict::Taken),
            ("tmp", Verdict::Left),
            ("a/b/tmp/c", Verdict::Left),
            ("docs/a", Verdict::Left),
            ("docs/README.md", Verdict::Taken),
            ("docs", Verdict::Taken),
        ] {
            assert_eq!(verdict(path, false), expected, "{path}");
        }
        // Something in it may return.
        assert_eq!(verdict("build", true), Verdict::Opened);
        let plain = Ignore::parse("build").unwrap();
        assert_eq!(plain.verdict(Path::new("build"), true), Verdict::Left);
        assert!(Ignore::parse("#x\n").unwrap().is_empty() && Ignore::parse("a[").is_err());
    }
}
