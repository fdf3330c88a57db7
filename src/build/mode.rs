//! `--chmod`: permissions in octal digits or in the words of chmod(1).

/// A change of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// These, whatever they were.
    Octal(u32),
    /// `u=rwX,go-w`: who, what is done, and the letters.
    Words(Vec<Clause>),
}

/// One `u=rwX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// Bits of those whom it is about.
    who: u32,
    operator: char,
    letters: String,
}

impl Mode {
    /// Reads it. The error is a sentence.
    pub fn parse(text: &str) -> Result<Mode, String> {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
            return mode.map(Mode::Octal).ok_or_else(|| {
                format!("invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777")
            });
        }
        text.split(',').map(clause).collect::<Option<Vec<_>>>().map(Mode::Words).ok_or_else(|| {
            format!("invalid chmod parameter: '{text}'. it should be octal digits, or words such as u=rwX,go=rX")
        })
    }

    /// The permissions of what has `mode` now.
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        match self {
            Mode::Octal(mode) => *mode,
            Mode::Words(clauses) => clauses.iter().fold(mode, |mode, clause| clause.apply(mode, is_directory)),
        }
    }
}

fn clause(text: &str) -> Option<Clause> {
    let at = text.find(['=', '+', '-'])?;
    let mut who = 0;
    for letter in text[..at].chars() {
        who |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let (operator, letters) = (text[at..].chars().next()?, &text[at + 1..]);
    let is_known = letters.chars().all(|letter| "rwxXst".contains(letter));
    is_known.then(|| Clause { who: if who == 0 { 0o7777 } else { who }, operator, letters: letters.to_owned() })
}

impl Clause {
    fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        let bits = self.letters.chars().fold(0, |bits, letter| {
            bits | match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                // Executable where it is a directory, or executable for somebody.
                'X' if is_directory || mode & 0o111 != 0 => 0o111,
                's' => 0o6000,
                't' => 0o1000,
                _ => 0,
            }
        }) & self.who;
        match self.operator {
            '+' => mode | bits,
            '-' => mode & !bits,
            _ => mode & !(self.who & 0o777) | bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_words() {
        for (text, mode, is_directory, expected) in [
            ("755", 0o600, false, 0o755),
            ("0644", 0o777, true, 0o644),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("+x", 0o644, false, 0o755),
            ("go-rwx", 0o755, false, 0o700),
            ("u+s", 0o755, false, 0o4755),
            ("a=r", 0o777, false, 0o444),
        ] {
            assert_eq!(Mode::parse(text).unwrap().apply(mode, is_directory), expected, "{text}");
        }
        for text in ["888", "17777", "u~x", "z=r", "rwx", "u=q", ""] {
            assert!(Mode::parse(text).is_err(), "{text}");
        }
    }
}
