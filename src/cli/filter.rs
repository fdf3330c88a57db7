//! `--filter name=value`: values of one name are alternatives, names must all be met.

use crate::error::{ExitCode, Failure, Known, Result};
use jiff::Timestamp;
use regex_lite::Regex;
use std::collections::BTreeMap;

/// What was asked for, by name.
#[derive(Debug, Clone, Default)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Understands `texts`; only names of `known` are taken.
    ///
    /// # Errors
    /// No `=` (exit status 125), or an unknown name (1), as Docker's.
    pub fn parse(texts: &[String], known: &[&str]) -> Result<Filters> {
        let mut filters = Filters::default();
        for text in texts {
            let (name, value) = text.split_once('=').ok_or_else(|| bad_format(text))?;
            let name = name.trim().to_lowercase();
            if !known.contains(&name.as_str()) {
                let cause = format!("invalid filter '{name}'");
                let names = format!("there is {}", known.join(", "));
                return Err(Failure::new(doing(text), cause)
                    .hint(names)
                    .code(ExitCode::General)
                    .known(Known::NoSuchFilter(name)));
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

    /// True where each `label=key` and `label=key=value` is met, and no `label!=` is.
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        let met = |wanted: &String| match wanted.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|is| is == value),
            None => labels.contains_key(wanted),
        };
        self.values("label").iter().all(met) && !self.values("label!").iter().any(met)
    }

    /// The values of `name` as regular expressions, for Docker's way of matching names and ids.
    ///
    /// # Errors
    /// One of them is none; exit status 1.
    pub fn patterns(&self, name: &str) -> Result<Patterns> {
        let compile = |value: &String| {
            let pattern = Regex::new(value);
            let cause = |error: regex_lite::Error| format!("it is no regular expression: {error}");
            Ok(Pattern { text: value.clone(), regex: pattern.map_err(|error| refuse(name, value, cause(error)))? })
        };
        self.values(name).iter().map(compile).collect::<Result<_>>().map(Patterns)
    }

    /// The last value of `name` as a moment: RFC 3339, seconds since the epoch, or so long ago.
    ///
    /// # Errors
    /// It is none; exit status 1.
    pub fn moment(&self, name: &str, now: Timestamp) -> Result<Option<Timestamp>> {
        let parse = |value: &String| super::logs::moment(value, now).map_err(|why| refuse(name, value, why));
        self.values(name).last().map(parse).transpose()
    }

    /// A value that is true or false, if the name was given.
    ///
    /// # Errors
    /// It is neither; exit status 1.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>> {
        let parse = |value: &String| crate::container::values::boolean(value).map_err(|why| refuse(name, value, why));
        self.values(name).last().map(parse).transpose()
    }
}

/// The values of one filter that are regular expressions.
pub struct Patterns(Vec<Pattern>);

struct Pattern {
    text: String,
    regex: Regex,
}

impl Patterns {
    /// True where nothing was asked for, or one of the patterns is found in one of `texts`.
    pub fn any(&self, texts: &[&str]) -> bool {
        let met = |pattern: &Pattern| texts.iter().any(|text| pattern.text == *text || pattern.regex.is_match(text));
        self.0.is_empty() || self.0.iter().any(met)
    }
}

fn bad_format(text: &str) -> Failure {
    Failure::new(doing(text), "bad format of filter (expected name=value)").known(Known::Usage)
}

fn doing(text: &str) -> String {
    format!("cannot use --filter {}", text.escape_debug())
}

/// The failure for a value that a filter cannot have; exit status 1, as Docker's.
pub fn refuse(name: &str, value: &str, cause: String) -> Failure {
    Failure::new(doing(&format!("{name}={value}")), cause).code(ExitCode::General)
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
        Filters::parse(&texts, &["label", "label!", "status", "dangling", "name", "until"])
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
        let filters = parse(&["label!=a", "label!=b=1"]).unwrap();
        assert!(filters.labels(&labels(&[("b", "2")])) && filters.labels(&labels(&[])));
        assert!(!filters.labels(&labels(&[("a", "")])) && !filters.labels(&labels(&[("b", "1")])));
        assert_eq!(parse(&["status"]).unwrap_err().code.number(), 125);
        let failure = parse(&["nope=1"]).unwrap_err();
        assert_eq!((failure.code.number(), failure.cause.as_str()), (1, "invalid filter 'nope'"));
    }

    #[test]
    fn names_match_as_regular_expressions() {
        let matches = |wanted: &str, name: &str| {
            let filters = parse(&[&format!("name={wanted}")]).unwrap();
            filters.patterns("name").unwrap().any(&[name, &format!("/{name}")])
        };
        for (wanted, name, met) in [
            ("web", "my-web-1", true),
            ("^web", "my-web-1", false),
            ("^/web$", "web", true),
            ("web$", "web-1", false),
            ("/web", "web", true),
            ("^(web|db)_[0-9]+$", "db_12", true),
            ("^(web|db)_[0-9]+$", "cache_1", false),
            ("w.b", "wib", true),
            ("x*", "web", true),
            ("^proj-.*-svc$", "proj-a-svc", true),
        ] {
            assert_eq!(matches(wanted, name), met, "{wanted} {name}");
        }
        let failure = parse(&["name=["]).unwrap().patterns("name").err().unwrap();
        assert!(
            failure.to_string().starts_with("cannot use --filter name=[: it is no regular expression"),
            "{failure}"
        );
    }

    #[test]
    fn moments_are_those_of_logs() {
        let now: Timestamp = "2024-09-06T12:00:00Z".parse().unwrap();
        let until = |text: &str| parse(&[&format!("until={text}")]).unwrap().moment("until", now);
        assert_eq!(until("1h30m").unwrap().unwrap().to_string(), "2024-09-06T10:30:00Z");
        assert_eq!(until("soon").unwrap_err().code.number(), 1);
        assert_eq!(parse(&[]).unwrap().moment("until", now).unwrap(), None);
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
