//! Quotes and variables of a word: what a POSIX shell does with it, as far as Dockerfiles go.

use std::iter::Peekable;
use std::str::Chars;

/// A word, or the words that one becomes. The error is a sentence.
pub type Expanded<T> = Result<T, String>;

/// Expands words.
#[derive(Clone, Copy)]
pub struct Expander<'a> {
    /// The Dockerfile's escape character.
    pub escape: char,
    /// The value of a variable, if it is set.
    pub value: &'a dyn Fn(&str) -> Option<String>,
}

impl Expander<'_> {
    /// One word.
    pub fn word(&self, text: &str) -> Expanded<String> {
        let mut state = State { expander: self, letters: text.chars().peekable(), words: Words::default(), depth: 0 };
        state.until(None)
    }

    /// The words it becomes: blanks outside of quotes part them, also those of variables.
    pub fn words(&self, text: &str) -> Expanded<Vec<String>> {
        let mut state = State { expander: self, letters: text.chars().peekable(), words: Words::default(), depth: 0 };
        state.until(None)?;
        Ok(state.words.finish())
    }

    /// A text in which quotes are but characters: a here-document.
    pub fn document(&self, text: &str) -> Expanded<String> {
        let mut state = State { expander: self, letters: text.chars().peekable(), words: Words::default(), depth: 0 };
        let mut result = String::new();
        while let Some(letter) = state.letters.next() {
            match letter {
                '$' => result.push_str(&state.dollar()?),
                escape if escape == self.escape => match state.letters.peek() {
                    Some(&next) if next == '$' || next == escape => {
                        state.letters.next();
                        result.push(next);
                    }
                    _ => result.push(escape),
                },
                other => result.push(other),
            }
        }
        Ok(result)
    }
}

/// How deep `${a:-${b:-…}}` may go: deeper is no Dockerfile.
const MAX_DEPTH: usize = 100;

struct State<'a> {
    expander: &'a Expander<'a>,
    letters: Peekable<Chars<'a>>,
    words: Words,
    depth: usize,
}

impl State<'_> {
    /// Up to `stop`, which is taken, or to the end.
    fn until(&mut self, stop: Option<char>) -> Expanded<String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("substitutions are nested too deep".into());
        }
        let mut result = String::new();
        while let Some(letter) = self.letters.next() {
            if Some(letter) == stop {
                self.depth -= 1;
                return Ok(result);
            }
            match letter {
                '\'' => {
                    let part = self.single_quoted()?;
                    self.words.raw(&part);
                    result.push_str(&part);
                }
                '"' => {
                    let part = self.double_quoted()?;
                    self.words.raw(&part);
                    result.push_str(&part);
                }
                '$' => {
                    let part = self.dollar()?;
                    self.words.text(&part);
                    result.push_str(&part);
                }
                escape if escape == self.expander.escape => {
                    // The last character of a line escapes nothing.
                    let Some(next) = self.letters.next() else { break };
                    self.words.raw(next.encode_utf8(&mut [0; 4]));
                    result.push(next);
                }
                other => {
                    self.words.text(other.encode_utf8(&mut [0; 4]));
                    result.push(other);
                }
            }
        }
        self.depth -= 1;
        match stop {
            Some(stop) => Err(format!("unexpected end of statement while looking for matching {stop}")),
            None => Ok(result),
        }
    }

    fn single_quoted(&mut self) -> Expanded<String> {
        let mut result = String::new();
        for letter in self.letters.by_ref() {
            if letter == '\'' {
                return Ok(result);
            }
            result.push(letter);
        }
        Err("unexpected end of statement while looking for matching single-quote".into())
    }

    fn double_quoted(&mut self) -> Expanded<String> {
        let mut result = String::new();
        while let Some(letter) = self.letters.next() {
            match letter {
                '"' => return Ok(result),
                '$' => result.push_str(&self.dollar()?),
                escape if escape == self.expander.escape => match self.letters.next() {
                    Some(next) if next == '"' || next == '$' || next == escape => result.push(next),
                    Some(next) => result.extend([escape, next]),
                    None => break,
                },
                other => result.push(other),
            }
        }
        Err("unexpected end of statement while looking for matching double-quote".into())
    }

    /// What follows a `$`.
    fn dollar(&mut self) -> Expanded<String> {
        if self.letters.peek() != Some(&'{') {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.value(&name).unwrap_or_default() });
        }
        self.letters.next();
        let name = self.name();
        let Some(first) = self.letters.next() else {
            return Err("syntax error: missing '}'".into());
        };
        if name.is_empty() {
            return Err("syntax error: bad substitution".into());
        }
        match first {
            '}' => Ok(self.value(&name).unwrap_or_default()),
            ':' => {
                let operator = self.letters.next().unwrap_or(' ');
                self.choose(&name, operator, true)
            }
            '-' | '+' | '?' => self.choose(&name, first, false),
            '#' | '%' => {
                let greedy = self.letters.next_if_eq(&first).is_some();
                let pattern = self.argument('}')?;
                let value = self.value(&name).unwrap_or_default();
                Ok(if first == '#' {
                    without_start(&value, &pattern, greedy)
                } else {
                    without_end(&value, &pattern, greedy)
                })
            }
            '/' => {
                let all = self.letters.next_if_eq(&'/').is_some();
                let pattern = self.argument('/')?;
                let replacement = self.argument('}')?;
                let value = self.value(&name).unwrap_or_default();
                Ok(replaced(&value, &pattern, &replacement, all))
            }
            other => Err(format!("unsupported modifier ({other}) in substitution")),
        }
    }

    /// `${name:-word}` and its like; `empty_is_unset` with a colon.
    fn choose(&mut self, name: &str, operator: char, empty_is_unset: bool) -> Expanded<String> {
        if !matches!(operator, '-' | '+' | '?') {
            return Err(format!("unsupported modifier ({operator}) in substitution"));
        }
        let word = self.argument('}')?;
        let value = self.value(name);
        let is_empty = value.as_ref().is_some_and(String::is_empty);
        let value = value.filter(|value| !(empty_is_unset && value.is_empty()));
        match (operator, value) {
            ('+', Some(_)) => Ok(word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value),
            ('-', None) => Ok(word),
            (_, None) if !word.is_empty() => Err(format!("{name}: {word}")),
            (_, None) if is_empty => Err(format!("{name}: is not allowed to be empty")),
            (_, None) => Err(format!("{name}: is not allowed to be unset")),
        }
    }

    /// A word within braces, whose blanks part nothing yet: the value that comes of it may.
    fn argument(&mut self, stop: char) -> Expanded<String> {
        let words = std::mem::take(&mut self.words);
        let argument = self.until(Some(stop));
        self.words = words;
        argument
    }

    /// Letters, digits and `_`; or digits alone; or one special character.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.letters.peek() {
            Some(digit) if digit.is_ascii_digit() => {
                while let Some(digit) = self.letters.next_if(char::is_ascii_digit) {
                    name.push(digit);
                }
            }
            Some('@' | '*' | '#' | '?' | '!') => name.extend(self.letters.next()),
            _ => {
                while let Some(letter) = self.letters.next_if(|letter| letter.is_alphanumeric() || *letter == '_') {
                    name.push(letter);
                }
            }
        }
        name
    }

    fn value(&self, name: &str) -> Option<String> {
        (self.expander.value)(name)
    }
}

/// The words of a text as it is put together.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    word: Option<String>,
}

impl Words {
    /// Quoted: belongs to the word, blanks too.
    fn raw(&mut self, text: &str) {
        self.word.get_or_insert_default().push_str(text);
    }

    /// Not quoted: blanks part words.
    fn text(&mut self, text: &str) {
        for letter in text.chars() {
            match letter.is_whitespace() {
                true => self.done.extend(self.word.take()),
                false => self.word.get_or_insert_default().push(letter),
            }
        }
    }

    fn finish(mut self) -> Vec<String> {
        self.done.extend(self.word.take());
        self.done
    }
}

/// Whether the whole `text` is what the pattern of `*`, `?` and characters after `\` says.
fn matches(pattern: &[char], text: &[char]) -> bool {
    // Where the last `*` stood, and how much it has taken: the only place worth going back to.
    let (mut p, mut t, mut back) = (0, 0, None);
    loop {
        let (step, literal) = match pattern.get(p) {
            Some('*') => {
                back = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some('?') => (1, None),
            Some('\\') if p + 1 < pattern.len() => (2, Some(pattern[p + 1])),
            Some(letter) => (1, Some(*letter)),
            None if t == text.len() => return true,
            None => (0, None),
        };
        let fits = step > 0 && text.get(t).is_some_and(|letter| literal.is_none_or(|literal| literal == *letter));
        if fits {
            (p, t) = (p + step, t + 1);
            continue;
        }
        match back {
            Some((star, taken)) if taken < text.len() => {
                (p, t) = (star, taken + 1);
                back = Some((star, taken + 1));
            }
            _ => return false,
        }
    }
}

fn without_start(value: &str, pattern: &str, greedy: bool) -> String {
    let (value, pattern): (Vec<char>, Vec<char>) = (value.chars().collect(), pattern.chars().collect());
    let mut lengths: Vec<usize> = (0..=value.len()).collect();
    if greedy {
        lengths.reverse();
    }
    let taken = lengths.into_iter().find(|length| matches(&pattern, &value[..*length])).unwrap_or(0);
    value[taken..].iter().collect()
}

fn without_end(value: &str, pattern: &str, greedy: bool) -> String {
    let (value, pattern): (Vec<char>, Vec<char>) = (value.chars().collect(), pattern.chars().collect());
    let mut starts: Vec<usize> = (0..=value.len()).collect();
    if !greedy {
        starts.reverse();
    }
    let kept = starts.into_iter().find(|start| matches(&pattern, &value[*start..])).unwrap_or(value.len());
    value[..kept].iter().collect()
}

/// The longest match at each place, from the left.
fn replaced(value: &str, pattern: &str, replacement: &str, all: bool) -> String {
    let (value, pattern): (Vec<char>, Vec<char>) = (value.chars().collect(), pattern.chars().collect());
    let (mut result, mut at, mut more) = (String::new(), 0, !pattern.is_empty());
    while at < value.len() {
        let length =
            if more { (at + 1..=value.len()).rev().find(|end| matches(&pattern, &value[at..*end])) } else { None };
        match length {
            Some(end) => {
                result.push_str(replacement);
                (at, more) = (end, all);
            }
            None => {
                result.push(value[at]);
                at += 1;
            }
        }
    }
    result
}
