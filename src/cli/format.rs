//! `--format`: tables, JSON and Go templates, as Docker's commands have them.
//!
//! A list ([`list`]) is a row a thing; each row is a map of strings, which is what a template's
//! fields are named after and what `json` prints, a line a row. An object ([`objects`]) is whatever
//! JSON says about one thing. Tables are laid out as Go's tabwriter does ([`table`]).

pub mod human;
pub mod table;
pub mod template;

use super::personality;
use crate::error::Result;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is known about one line of a list.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// By the field's name in templates.
    pub fields: BTreeMap<&'static str, String>,
    /// For `{{.Label "name"}}`.
    pub labels: BTreeMap<String, String>,
}

/// What a list can show.
pub struct Columns {
    /// Field and table header of every column there is: `("ID", "CONTAINER ID")`.
    pub headers: &'static [(&'static str, &'static str)],
}

impl Columns {
    /// The template of a table of these fields.
    pub fn template(fields: &[&str]) -> String {
        fields.iter().map(|field| format!("{{{{.{field}}}}}")).collect::<Vec<_>>().join("\t")
    }

    fn header_row(&self) -> Row {
        let fields = self.headers.iter().map(|(field, header)| (*field, (*header).to_owned())).collect();
        Row { fields, labels: BTreeMap::new() }
    }
}

/// The text of a list. `format` is what was asked for, `default` the template of the table where
/// nothing was.
///
/// # Errors
/// A template that is wrong, in its syntax or in its fields.
pub fn list(columns: &Columns, rows: &[Row], format: Option<&str>, default: &str) -> Result<String> {
    let format = format.unwrap_or("table").trim();
    if format == "json" {
        return Ok(rows.iter().map(|row| json_line(&row.fields)).collect());
    }
    let Some(template) = format.strip_prefix("table") else {
        return lines(&template::unescape(format), rows, format);
    };
    let template = template.trim_start();
    let template = if template.is_empty() { default.to_owned() } else { template::unescape(template) };
    let header = lines(&template, &[columns.header_row()], format)?;
    Ok(table::align(&(header + &lines(&template, rows, format)?), layout()))
}

/// A list as Podman has it with `--noheading`: [`list`] without the line of headers.
///
/// # Errors
/// As there.
pub fn list_without_headers(columns: &Columns, rows: &[Row], format: Option<&str>, default: &str) -> Result<String> {
    let text = list(columns, rows, format, default)?;
    let is_table = format.is_none_or(|format| format.trim().starts_with("table"));
    Ok(match text.split_once('\n') {
        Some((_, rest)) if is_table => rest.to_owned(),
        _ => text,
    })
}

/// How far apart the columns are.
fn layout() -> table::Layout {
    if personality::is_podman() { table::Layout::PODMAN } else { table::Layout::DOCKER }
}

/// A template for each row, a line each.
fn lines(template: &str, rows: &[Row], typed: &str) -> Result<String> {
    if let Some(text) = plain_lines(template, rows) {
        return Ok(text);
    }
    let template = template::Compiled::new(template, typed)?;
    let mut text = String::new();
    for row in rows {
        let fields =
            row.fields.iter().map(|(name, value)| ((*name).to_owned(), Value::String(value.clone()))).collect();
        text.push_str(&template.fill(&Value::Object(fields), &row.labels)?);
        text.push('\n');
    }
    Ok(text)
}

/// [`lines`] for a template that is nothing but fields between tabs, as every default table is: that takes no
/// template engine. None for any other, and where a field does not exist.
fn plain_lines(template: &str, rows: &[Row]) -> Option<String> {
    let names: Vec<&str> = template.split('\t').map(plain_field).collect::<Option<_>>()?;
    let mut text = String::new();
    for row in rows {
        let cells: Vec<&str> =
            names.iter().map(|name| row.fields.get(name).map(String::as_str)).collect::<Option<_>>()?;
        text.push_str(&cells.join("\t"));
        text.push('\n');
    }
    Some(text)
}

/// `ID` of `{{.ID}}`.
fn plain_field(cell: &str) -> Option<&str> {
    let name = cell.strip_prefix("{{.")?.strip_suffix("}}")?;
    name.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(name)
}

fn json_line(fields: &BTreeMap<&'static str, String>) -> String {
    let object = fields.iter().map(|(name, value)| ((*name).to_owned(), Value::String(value.clone()))).collect();
    format!("{}\n", Value::Object(object))
}

/// The text for objects that were asked for by name: an array without a format, else a line each.
///
/// # Errors
/// A template that is wrong, in its syntax or in its fields.
pub fn objects(objects: &[Value], format: Option<&str>) -> Result<String> {
    match format {
        None | Some("") => Ok(array(objects)),
        Some("json") => Ok(objects.iter().map(|object| format!("{object}\n")).collect()),
        Some(format) => {
            let template = template::unescape(format);
            let template = template::Compiled::new(&template, format)?;
            objects
                .iter()
                .map(|object| Ok(template.fill(&template::with_optionals(object), &BTreeMap::new())? + "\n"))
                .collect()
        }
    }
}

/// The objects as one array, indented.
pub fn array(objects: &[Value]) -> String {
    format!("{}\n", pretty(&Value::Array(objects.to_vec())))
}

/// JSON indented by four spaces, as Docker's `inspect` prints it; an empty list stays `[]`.
fn pretty(value: &Value) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    match serde::Serialize::serialize(value, &mut serializer) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        // A `Value` has only string keys and the writer is memory: neither can fail.
        Err(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Columns = Columns { headers: &[("ID", "CONTAINER ID"), ("Image", "IMAGE"), ("Names", "NAMES")] };

    fn rows() -> Vec<Row> {
        let row = |id: &str, image: &str, name: &str| Row {
            fields: [("ID", id), ("Image", image), ("Names", name)].map(|(k, v)| (k, v.to_owned())).into(),
            labels: [("role".to_owned(), name.to_owned())].into(),
        };
        vec![row("0123456789ab", "alpine", "web"), row("ba9876543210", "docker.io/x/long:1", "db")]
    }

    fn show(format: Option<&str>) -> String {
        list(&COLUMNS, &rows(), format, &Columns::template(&["ID", "Image", "Names"])).unwrap()
    }

    #[test]
    fn tables_look_like_dockers() {
        let expected = "CONTAINER ID   IMAGE                NAMES\n\
                        0123456789ab   alpine               web\n\
                        ba9876543210   docker.io/x/long:1   db\n";
        assert_eq!(show(None), expected);
        assert_eq!(show(Some("table")), expected);
        assert_eq!(
            show(Some(r"table {{.Names}}\t{{upper .ID}}")),
            "NAMES     CONTAINER ID\nweb       0123456789AB\ndb        BA9876543210\n"
        );
        let empty = list(&COLUMNS, &[], None, &Columns::template(&["ID", "Image", "Names"])).unwrap();
        assert_eq!(empty, "CONTAINER ID   IMAGE     NAMES\n");
    }

    #[test]
    fn templates_and_json_are_a_line_a_row() {
        assert_eq!(show(Some("{{.ID}} {{.Names}}")), "0123456789ab web\nba9876543210 db\n");
        assert_eq!(show(Some(r#"{{.Label "role"}}/{{.Label "none"}}"#)), "web/\ndb/\n");
        assert_eq!(show(Some("{{json .Names}}")), "\"web\"\n\"db\"\n");
        let first = show(Some("json")).lines().next().unwrap().to_owned();
        assert_eq!(first, r#"{"ID":"0123456789ab","Image":"alpine","Names":"web"}"#);
        assert_eq!(show(Some("{{json .}}")), show(Some("json")));
    }

    #[test]
    fn objects_are_an_array_or_a_line_each() {
        let object = serde_json::json!({"A": {"B": [1, 2]}, "Labels": {"x": "y"}, "Empty": []});
        let text = objects(std::slice::from_ref(&object), None).unwrap();
        assert!(text.starts_with("[\n    {\n        \"A\": {\n            \"B\": [\n"), "{text}");
        assert!(text.contains("\"Empty\": []") && text.ends_with("\n]\n"), "{text}");
        assert_eq!(objects(&[], None).unwrap(), "[]\n");
        let line = |format| objects(&[object.clone(), object.clone()], Some(format)).unwrap();
        assert_eq!(line("{{.A.B}}"), "[1 2]\n[1 2]\n");
        assert_eq!(line(r#"{{index .Labels "x"}}{{index .Labels "z"}}"#), "y\ny\n");
        assert_eq!(line("{{range .A.B}}{{.}};{{end}}"), "1;2;\n1;2;\n");
        assert_eq!(line("{{len .A.B}}{{json .Empty}}"), "2[]\n2[]\n");
    }

    #[test]
    fn a_wrong_template_is_an_error_also_where_there_is_nothing_to_show() {
        assert!(list(&COLUMNS, &[], Some("{{.ID"), "").is_err());
    }

    #[test]
    fn a_wrong_template_is_one_error() {
        for format in ["{{.ID", "{{nope .ID}}", "{{.Nope}}", "table {{.Nope}}", "{{end}}"] {
            let failure = list(&COLUMNS, &rows(), Some(format), "").unwrap_err();
            assert!(failure.doing.starts_with("cannot use --format"), "{failure}");
            assert_eq!(failure.code.number(), 1);
        }
    }
}
