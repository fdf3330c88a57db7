//! What stands on a line: flags, words, lists, names with values. Words keep their quotes: what those mean is said by
//! [`super::expand`].

/// `--name` or `--name=value`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Without dashes.
    pub name: String,
    /// What comes after `=`.
    pub value: Option<String>,
}

impl Flag {
    /// The value. The error is a sentence.
    pub fn value(&self) -> Result<String, String> {
        self.value.clone().ok_or_else(|| format!("missing a value on flag: {}", self.name))
    }

    /// Of a flag that is on or off.
    pub fn boolean(&self) -> Result<bool, String> {
        match self.value.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("" | "true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(format!("expecting boolean value for flag {}, not: {other}", self.name)),
        }
    }
}

/// The flags in front, and what follows them. The error is a sentence.
pub fn flags(text: &str, escape: char) -> Result<(Vec<Flag>, &str), String> {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while let Some(after) = rest.strip_prefix("--") {
        let (word, next) = flag_word(after, escape);
        rest = next.trim_start();
        if word.is_empty() {
            // `--` ends them.
            break;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        flags.push(Flag { name: name.to_owned(), value });
    }
    Ok((flags, rest))
}

/// A flag up to the next blank outside of quotes, which stay out of it.
fn flag_word(text: &str, escape: char) -> (String, &str) {
    let (mut word, mut quote) = (String::new(), None);
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (letter, quote) {
            (blank, None) if blank.is_whitespace() => return (word, &text[at..]),
            ('"' | '\'', None) => quote = Some(letter),
            (end, Some(open)) if end == open => quote = None,
            (escaped, _) if escaped == escape => match letters.next() {
                Some((_, next)) => word.push(next),
                None => word.push(escaped),
            },
            (other, _) => word.push(other),
        }
    }
    (word, "")
}

/// Words between blanks that are not quoted, quotes kept. The error is a sentence.
pub fn split_raw(text: &str, escape: char) -> Result<Vec<String>, String> {
    let (mut all, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (blank, None) if blank.is_whitespace() => {
                if !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
                continue;
            }
            ('"' | '\'', None) => quote = Some(letter),
            (end, Some(open)) if end == open => quote = None,
            // Within single quotes nothing is escaped.
            (escaped, None | Some('"')) if escaped == escape => {
                word.push(escaped);
                word.extend(letters.next());
                continue;
            }
            _ => {}
        }
        word.push(letter);
    }
    if quote.is_some() {
        return Err("unexpected end of statement while looking for matching quote".into());
    }
    if !word.is_empty() {
        all.push(word);
    }
    Ok(all)
}

/// `a=1 b="two words"`, or the old form of one name and the rest of the line. The error is a sentence.
pub fn pairs(text: &str, escape: char, instruction: &str) -> Result<Vec<(String, String)>, String> {
    let words = split_raw(text, escape)?;
    if words.first().is_some_and(|word| !word.contains('=')) {
        let (name, value) =
            text.split_once(char::is_whitespace).ok_or_else(|| format!("{instruction} must have two arguments"))?;
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some(("", _)) => Err(format!("{instruction} names can not be blank")),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(format!("Syntax error - can't find = in \"{word}\". Must be of the form: name=value")),
    };
    words.iter().map(pair).collect()
}

/// `["a", "b"]`; None where it is no list of words in JSON.
pub fn json_list(text: &str) -> Option<Vec<String>> {
    if text.trim_start().starts_with('[') { serde_json::from_str(text).ok() } else { None }
}
