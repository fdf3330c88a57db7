//! `WWW-Authenticate` (RFC 9110 section 11.6.1): how a registry wants to be convinced.

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    /// Lower case: `bearer`, `basic`.
    pub(super) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter's value by its lower-case name.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The challenges of one header line, of which there may be several. What does not parse ends the list:
/// a registry that cannot spell one is not worth guessing at.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header.trim_start();
    while let Some((word, after)) = token(rest) {
        let after_word = after.trim_start();
        if let (Some(value), Some(current)) = (after_word.strip_prefix('='), challenges.last_mut()) {
            let Some((value, after)) = parameter_value(value.trim_start()) else { break };
            current.parameters.push((word.to_ascii_lowercase(), value));
            rest = after;
        } else {
            challenges.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
            rest = after;
        }
        rest = rest.trim_start_matches([',', ' ', '\t']);
    }
    challenges
}

/// The token (RFC 9110 section 5.6.2) `text` starts with, and what follows.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let end = text.bytes().position(|byte| !is_token(byte)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A token or a quoted string, and what follows.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(word, after)| (word.to_owned(), after));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn challenges_and_their_parameters_are_read() {
        let header = r#"Bearer realm="https://a.io/token",service="a b",scope="repository:x/y:pull,push", error=insufficient_scope"#;
        let challenges = parse(header);
        assert_eq!(challenges.len(), 1);
        assert_eq!(challenges[0].scheme, "bearer");
        assert_eq!(challenges[0].parameter("realm"), Some("https://a.io/token"));
        assert_eq!(challenges[0].parameter("scope"), Some("repository:x/y:pull,push"));
        assert_eq!(challenges[0].parameter("error"), Some("insufficient_scope"));
        let both = parse(r#"Basic Realm = "q\"uote", BEARER realm="r""#);
        assert_eq!(both.len(), 2);
        assert_eq!(both[0].parameter("realm"), Some("q\"uote"));
        assert_eq!(both[1].scheme, "bearer");
        assert_eq!(parse("Negotiate").len(), 1);
        assert_eq!(parse("").len(), 0);
        assert_eq!(parse(r#"Bearer realm="open"#)[0].parameter("realm"), None);
    }

    proptest! {
        #[test]
        fn no_header_panics(text in ".{0,60}", near in "(Bearer|Basic|[a-z]+=\"?[a-z\\\\\"]{0,4}\"?|[, =]){0,9}") {
            let _ = parse(&text);
            let _ = parse(&near);
        }
    }
}
