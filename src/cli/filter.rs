//! `--filter name=value`: values of one name are alternatives, names must all be met.

use crate::error::{ExitCode, Failure, Result};
use std::collections::BTreeMap;

/// What was asked for, by name.
#[derive(Debug, Clone, Default)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Understands `texts`; only names of `known` are taken.
    ///
    /// # Errors
    /// No `=`, or an unknown name; exit status 1, as Docker's.
    pub fn parse(texts: &[String], known: &[&str]) -> Result<Filters> {
        let mut filters = Filters::default();
        for text in texts {
            let refuse =
                |cause: String| Failure::new(format!("cannot use --filter {text}"), cause).code(ExitCode::General);
            let (name, value) =
                text.split_once('=').ok_or_else(|| refuse("it is not of the form name=value".into()))?;
            let name = name.trim().to_lowercase();
            if !known.contains(&name.as_str()) {
                return Err(refuse(format!("there is no filter `{name}`; there is {}", known.join(", "))));
            }
            filters.0.entry(name).or_default().push(value.trim().to_owned());
        }
        Ok(filters)
    }

    /// Whether the name was given at all.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The values given for a name.
    pub fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// True where nothing was asked of `name`, or one of its values is met.
    pub fn any(&self, name: &str, met: impl Fn(&str) -> bool) -> bool {
        let values = self.values(name);
        values.is_empty() || values.iter().any(|value| met(value))
    }

    /// True where each `label=key` and `label=key=value` is met.
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").iter().all(|wanted| match wanted.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|is| is == value),
            None => labels.contains_key(wanted),
        })
    }

    /// A value that is true or false, if the name was given.
    ///
    /// # Errors
    /// It is neither; exit status 1.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>> {
        let parse = |value: &String| {
            crate::container::values::boolean(value)
                .map_err(|why| Failure::new(format!("cannot use --filter {name}={value}"), why).code(ExitCode::General))
        };
        self.values(name).last().map(parse).transpose()
    }
}

/// Whether `text` matches a shell pattern of `*`, `?`, `[a-z]` and `\x`, none of which matches `/`
/// (Go's path.Match). A pattern that is malformed matches nothing.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    matches(&pattern, &text)
}

fn matches(pattern: &[char], text: &[char]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return text.is_empty() };
    match first {
        '*' => {
            let longest = text.iter().position(|letter| *letter == '/').unwrap_or(text.len());
            // Stars in a row are one, or they would try every split of the text.
            rest.first() == Some(&'*') && matches(rest, text)
                || rest.first() != Some(&'*') && (0..=longest).any(|taken| matches(rest, &text[taken..]))
        }
        '[' => match (class(rest), text.split_first()) {
            (Some((class, rest)), Some((letter, text))) => {
                *letter != '/' && class.holds(*letter) && matches(rest, text)
            }
            _ => false,
        },
        letter => {
            let (wanted, rest) = match (letter, rest.split_first()) {
                ('?', _) => (None, rest),
                ('\\', Some((escaped, rest))) => (Some(*escaped), rest),
                ('\\', None) => return false,
                (letter, _) => (Some(*letter), rest),
            };
            text.split_first()
                .is_some_and(|(is, text)| wanted.map_or(*is != '/', |wanted| wanted == *is) && matches(rest, text))
        }
    }
}

/// `[a-z]` or `[^a-z]`.
struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn holds(&self, letter: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != self.negated
    }
}

/// The class after a `[`, and what follows its `]`.
fn class(pattern: &[char]) -> Option<(Class, &[char])> {
    let negated = pattern.first() == Some(&'^');
    let mut rest = &pattern[usize::from(negated)..];
    let mut ranges = Vec::new();
    loop {
        match rest {
            [']', rest @ ..] if !ranges.is_empty() => return Some((Class { negated, ranges }, rest)),
            [low, '-', high, after @ ..] if *high != ']' => {
                ranges.push((*low, *high));
                rest = after;
            }
            [one, after @ ..] => {
                ranges.push((*one, *one));
                rest = after;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(texts: &[&str]) -> Result<Filters> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Filters::parse(&texts, &["label", "status", "dangling"])
    }

    #[test]
    fn values_of_a_name_are_alternatives_and_labels_add_up() {
        let filters = parse(&["status=running", "STATUS=exited", "label=a", "label=b=1"]).unwrap();
        assert!(filters.any("status", |value| value == "exited") && !filters.any("status", |value| value == "created"));
        assert!(filters.any("name", |_| false));
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert!(filters.labels(&labels(&[("a", ""), ("b", "1")])));
        assert!(!filters.labels(&labels(&[("a", ""), ("b", "2")])) && !filters.labels(&labels(&[("b", "1")])));
        assert_eq!(parse(&["dangling=true"]).unwrap().boolean("dangling").unwrap(), Some(true));
        assert!(parse(&["dangling=x"]).unwrap().boolean("dangling").is_err());
        for bad in ["status", "nope=1"] {
            assert_eq!(parse(&[bad]).unwrap_err().code.number(), 1);
        }
    }

    #[test]
    fn globs_are_gos() {
        for (pattern, text) in [
            ("alpine", "alpine"),
            ("al*", "alpine"),
            ("*/x:*", "quay.io/x:1"),
            ("a?c", "abc"),
            ("[a-c]x[^0-9]", "bxy"),
            ("a\\*", "a*"),
            ("**", "abc"),
            ("*", ""),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("al*", "x/alpine"),
            ("*", "a/b"),
            ("a?", "a"),
            ("a?b", "a/b"),
            ("[a", "a"),
            ("[^a]", "/"),
            ("a\\", "a"),
            ("", "a"),
        ] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn globs_never_panic_and_names_match_themselves(pattern in "[ab*?\\[\\]^\\\\/-]{0,10}", text in "[ab/]{0,10}") {
            let _ = glob(&pattern, &text);
            prop_assert!(glob(&text, &text));
        }
    }
}
