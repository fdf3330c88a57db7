//! One line of comma-separated values, as `--mount` takes it.

use crate::container::values::Parsed;

/// The fields of one CSV record (RFC 4180): a field in quotes may hold commas, and quotes doubled.
pub(super) fn csv_fields(text: &str) -> Parsed<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if !rest.starts_with('"') && field.contains('"') {
            return Err(format!("a quote inside the unquoted field `{field}`"));
        }
        if field.is_empty() || field.contains(['\n', '\r']) {
            return Err("a field is empty or holds a line break".into());
        }
        fields.push(field);
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(format!("text after a closing quote: `{after}`")),
        };
    }
}

/// The field after its opening quote, and what follows its closing one.
fn quoted_field(mut rest: &str) -> Parsed<(String, &str)> {
    let mut field = String::new();
    loop {
        let (part, after) = rest.split_once('"').ok_or("a quote is not closed")?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_survive_quoting(fields in prop::collection::vec("[a-c,\"= ]{1,8}", 1..5)) {
            let quoted: Vec<_> = fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
            prop_assert_eq!(csv_fields(&quoted.join(",")), Ok(fields));
        }
    }
}
