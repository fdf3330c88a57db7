//! Patterns of file names: those of COPY's sources (Go's `filepath.Match`), of `--exclude` and of `.dockerignore`
//! (moby's `patternmatcher`): `*`, `?`, `[a-z]`, `**` over directories, `\` before what is meant as it is.
//!
//! A pattern is a small automaton that is walked once over a path, so none takes longer than its length times the
//! path's.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// One character.
    Letter(char),
    /// `?`
    One,
    /// `[…]`: ranges, and whether it is none of them.
    Class(Vec<(char, char)>, bool),
    /// `*`
    Any,
    /// `**` at the end of a name.
    Deep,
    /// `**/`: nothing, or names up to a slash; [`Token::Names`] follows.
    Directories,
    /// The names of [`Token::Directories`].
    Names,
}

impl Pattern {
    /// Compiles it. The error is a sentence.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let mut tokens = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '*' if letters.next_if_eq(&'*').is_some() => {
                    while letters.next_if_eq(&'*').is_some() {}
                    match letters.next_if_eq(&'/') {
                        Some(_) => tokens.extend([Token::Directories, Token::Names]),
                        None => tokens.push(Token::Deep),
                    }
                }
                '*' => tokens.push(Token::Any),
                '?' => tokens.push(Token::One),
                '[' => tokens.push(class(&mut letters).ok_or_else(|| format!("syntax error in pattern: {text}"))?),
                '\\' => match letters.next() {
                    Some(letter) => tokens.push(Token::Letter(letter)),
                    None => return Err(format!("syntax error in pattern: {text}")),
                },
                other => tokens.push(Token::Letter(other)),
            }
        }
        Ok(Pattern(tokens))
    }

    /// Whether it says more than one name.
    pub fn is_wild(text: &str) -> bool {
        text.contains(['*', '?', '['])
    }

    /// Whether it fits the whole path.
    pub fn matches(&self, path: &str) -> bool {
        let end = self.0.len();
        let mut places = vec![false; end + 1];
        self.reach(&mut places, 0);
        for letter in path.chars() {
            let mut next = vec![false; end + 1];
            for (place, token) in self.0.iter().enumerate().filter(|(place, _)| places[*place]) {
                match token {
                    Token::Letter(own) if *own == letter => self.reach(&mut next, place + 1),
                    Token::One if letter != '/' => self.reach(&mut next, place + 1),
                    Token::Class(ranges, negated) if letter != '/' => {
                        let is_in = ranges.iter().any(|(from, to)| (*from..=*to).contains(&letter));
                        if is_in != *negated {
                            self.reach(&mut next, place + 1);
                        }
                    }
                    Token::Any if letter != '/' => self.reach(&mut next, place),
                    Token::Deep => self.reach(&mut next, place),
                    Token::Names => {
                        next[place] = true;
                        if letter == '/' {
                            self.reach(&mut next, place + 1);
                        }
                    }
                    _ => {}
                }
            }
            places = next;
        }
        places[end]
    }

    /// Marks a place, and those that are reached from it without a letter.
    fn reach(&self, places: &mut [bool], mut place: usize) {
        loop {
            places[place] = true;
            match self.0.get(place) {
                Some(Token::Any | Token::Deep) => place += 1,
                Some(Token::Directories) => {
                    places[place + 1] = true;
                    place += 2;
                }
                _ => return,
            }
        }
    }
}

/// What follows `[`, up to `]`.
fn class(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = letters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let from = match letters.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Class(ranges, negated)),
            '\\' => letters.next()?,
            letter => letter,
        };
        let mut to = from;
        if letters.next_if_eq(&'-').is_some() {
            to = match letters.next()? {
                '\\' => letters.next()?,
                letter => letter,
            };
        }
        ranges.push((from, to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_are_mobys() {
        for (pattern, path, expected) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "d/a.txt", false),
            ("**/*.txt", "a.txt", true),
            ("**/*.txt", "d/e/a.txt", true),
            ("d/**", "d/e/f", true),
            ("d/**", "d", false),
            ("**", "a/b", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "a/xb", false),
            ("**file", "d/file", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a[]", "a", false),
            ("", "", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).is_ok_and(|compiled| compiled.matches(path)),
                expected,
                "{pattern} {path}"
            );
        }
        assert!(Pattern::new("a[").is_err() && Pattern::new("a\\").is_err());
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[a*?\\[\\]\\\\/^-]{0,12}", path in "[a/]{0,12}") {
            let _ = Pattern::new(&pattern).map(|pattern| pattern.matches(&path));
        }

        #[test]
        fn a_plain_name_fits_itself_alone(name in "[a-z/.]{1,12}", other in "[a-z/.]{1,12}") {
            let pattern = Pattern::new(&name).unwrap();
            prop_assert!(pattern.matches(&name));
            prop_assert_eq!(pattern.matches(&other), name == other);
        }
    }
}
