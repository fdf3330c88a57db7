//! Go templates with the functions that Docker adds to Go's own.

use crate::error::{ExitCode, Failure, Known, Result, TemplateStage};
use gotmpl::{FuncMap, MissingKey, Template, TemplateError, Value as Data};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

type Answer = std::result::Result<Data, TemplateError>;

/// `\t` and `\n` typed as two letters mean the character, as in Docker's `--format`.
pub fn unescape(typed: &str) -> String {
    typed.replace("\\t", "\t").replace("\\n", "\n")
}

/// A template, parsed once for all the rows it is filled in for.
pub struct Compiled {
    template: Template,
    /// What was typed, for errors.
    typed: String,
    /// The labels of the row at hand: what `{{.Label "name"}}` answers with.
    labels: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Compiled {
    /// Parses `template`. `typed` is the option's value, for the error.
    ///
    /// # Errors
    /// It cannot be parsed; exit status 1.
    pub fn new(template: &str, typed: &str) -> Result<Compiled> {
        let labels = Arc::default();
        // Once without END: in the parser's errors it would be named instead of what was typed.
        empty(&labels).parse(&call_label(template)).map_err(|error| failure(typed, TemplateStage::Parsed, &error))?;
        let parsed = empty(&labels).parse(&(call_label(template) + END));
        let template = parsed.map_err(|error| failure(typed, TemplateStage::Parsed, &error))?;
        Ok(Compiled { template, typed: typed.to_owned(), labels })
    }

    /// The template's text for `data`.
    ///
    /// # Errors
    /// The template asks for what there is not; exit status 1.
    pub fn fill(&self, data: &Value, labels: &BTreeMap<String, String>) -> Result<String> {
        if let Ok(mut current) = self.labels.lock() {
            current.clone_from(labels);
        }
        self.template
            .execute_to_string(&convert(data))
            .and_then(|text| match text.strip_suffix(END) {
                Some(text) => Ok(text.to_owned()),
                None => Err(TemplateError::Exec("unexpected {{end}} or {{else}}".into())),
            })
            .map_err(|error| failure(&self.typed, TemplateStage::Executed, &error))
    }
}

fn failure(typed: &str, stage: TemplateStage, error: &TemplateError) -> Failure {
    let text = error.to_string();
    let cause = text.strip_prefix("template: format:").map_or(text.clone(), |rest| format!("at {rest}"));
    Failure::new(format!("cannot use --format {}", typed.escape_debug()), cause)
        .code(ExitCode::General)
        .known(Known::Template(stage))
}

/// A template without text, that knows the functions.
fn empty(labels: &Arc<Mutex<BTreeMap<String, String>>>) -> Template {
    let labels = Arc::clone(labels);
    Template::new("format").missing_key(MissingKey::Error).funcs(functions()).func("label", move |arguments| {
        let name = text("Label", arguments, 0)?;
        let value = labels.lock().ok().and_then(|labels| labels.get(name).cloned());
        Ok(Data::String(value.unwrap_or_default().into()))
    })
}

/// Stands behind every template: the parser stops without a word at an `{{end}}` that ends nothing,
/// and then this is missing from the text.
const END: &str = "\u{0}";

/// `.Label "x"` is a method call in Docker; here it is a call of the function `label`.
fn call_label(template: &str) -> String {
    template.replace(".Label \"", "label \"").replace(".Label `", "label `")
}

fn functions() -> FuncMap {
    let mut functions = FuncMap::new();
    let mut add = |name: &str, function: fn(&[Data]) -> Answer| {
        functions.insert(name.into(), Arc::new(function));
    };
    add("json", |arguments| Ok(string(revert(argument("json", arguments, 0)?).to_string())));
    add("lower", |arguments| Ok(string(text("lower", arguments, 0)?.to_lowercase())));
    add("upper", |arguments| Ok(string(text("upper", arguments, 0)?.to_uppercase())));
    add("title", |arguments| Ok(string(title(text("title", arguments, 0)?))));
    add("split", |arguments| {
        let (whole, separator) = (text("split", arguments, 0)?, text("split", arguments, 1)?);
        let parts: Vec<Data> = match separator {
            "" => whole.chars().map(|letter| string(letter.to_string())).collect(),
            separator => whole.split(separator).map(|part| string(part.to_owned())).collect(),
        };
        Ok(Data::List(parts.into()))
    });
    add("join", |arguments| {
        let Data::List(parts) = argument("join", arguments, 0)? else {
            return Err(TemplateError::Exec("join needs a list".into()));
        };
        let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
        Ok(string(parts.join(text("join", arguments, 1)?)))
    });
    add("pad", |arguments| {
        let body = text("pad", arguments, 0)?;
        let (before, after) = (count("pad", arguments, 1)?, count("pad", arguments, 2)?);
        Ok(string(if body.is_empty() { String::new() } else { format!("{0:before$}{body}{0:after$}", "") }))
    });
    add("truncate", |arguments| {
        let length = count("truncate", arguments, 1)?;
        Ok(string(text("truncate", arguments, 0)?.chars().take(length).collect()))
    });
    add("index", |arguments| {
        let start = argument("index", arguments, 0)?.clone();
        arguments[1..].iter().try_fold(start, |inside, key| match &inside {
            // A map of strings (labels, options) answers with an empty one, as Go's typed maps do.
            Data::Map(map) if map.values().all(|value| matches!(value, Data::String(_))) => {
                Ok(match inside.index(key)? {
                    Data::Nil => string(String::new()),
                    value => value,
                })
            }
            _ => inside.index(key),
        })
    });
    functions
}

fn argument<'a>(function: &str, arguments: &'a [Data], place: usize) -> std::result::Result<&'a Data, TemplateError> {
    arguments.get(place).ok_or_else(|| TemplateError::Exec(format!("{function} needs {} arguments", place + 1)))
}

fn text<'a>(function: &str, arguments: &'a [Data], place: usize) -> std::result::Result<&'a str, TemplateError> {
    match argument(function, arguments, place)? {
        Data::String(text) => Ok(text),
        other => Err(TemplateError::Exec(format!("{function} needs a text, not {other}"))),
    }
}

/// The longest that `pad` and `truncate` deal in: a template must not ask for all memory.
const LONGEST: i64 = 65536;

fn count(function: &str, arguments: &[Data], place: usize) -> std::result::Result<usize, TemplateError> {
    match argument(function, arguments, place)? {
        Data::Int(number @ 0..=LONGEST) => Ok(*number as usize),
        other => Err(TemplateError::Exec(format!("{function} needs a number from 0 to {LONGEST}, not {other}"))),
    }
}

fn string(text: String) -> Data {
    Data::String(text.into())
}

/// Each word's first letter in upper case (Go's strings.Title).
fn title(text: &str) -> String {
    let mut before = ' ';
    text.chars()
        .flat_map(|letter| {
            let starts = !before.is_alphanumeric() && before != '_' && before != '\'';
            before = letter;
            if starts { letter.to_uppercase().collect::<Vec<_>>() } else { vec![letter] }
        })
        .collect()
}

/// Fields of `inspect` that are Go's pointers: nil in templates and not there in JSON where there is nothing to tell.
const OPTIONAL: [(&str, &str); 2] = [("State", "Health"), ("Config", "Healthcheck")];

/// The object with what Docker's templates may ask of any.
pub fn with_optionals(object: &Value) -> Value {
    let mut object = object.clone();
    for (outer, inner) in OPTIONAL {
        if let Some(Value::Object(fields)) = object.get_mut(outer) {
            fields.entry(inner).or_insert(Value::Null);
        }
    }
    object
}

fn convert(value: &Value) -> Data {
    match value {
        Value::Null => Data::Nil,
        Value::Bool(value) => Data::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Data::Int(number),
            (None, Some(number)) => Data::Uint(number),
            (None, None) => Data::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Data::String(text.as_str().into()),
        Value::Array(values) => Data::List(values.iter().map(convert).collect()),
        Value::Object(fields) => {
            Data::Map(Arc::new(fields.iter().map(|(name, value)| (name.as_str().into(), convert(value))).collect()))
        }
    }
}

fn revert(data: &Data) -> Value {
    match data {
        Data::Nil | Data::Function(_) => Value::Null,
        Data::Bool(value) => Value::Bool(*value),
        Data::Int(number) => Value::from(*number),
        Data::Uint(number) => Value::from(*number),
        Data::Float(number) => Value::from(*number),
        Data::String(text) => Value::String(text.to_string()),
        Data::List(values) => Value::Array(values.iter().map(revert).collect()),
        Data::Map(fields) => {
            let is_absent = |name: &str, value: &Data| {
                matches!(value, Data::Nil) && OPTIONAL.iter().any(|(_, inner)| *inner == name)
            };
            let present = fields.iter().filter(|(name, value)| !is_absent(name, value));
            Value::Object(present.map(|(name, value)| (name.to_string(), revert(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn render(template: &str, data: &Value) -> Result<String> {
        Compiled::new(template, template)?.fill(data, &BTreeMap::new())
    }

    fn show(template: &str, data: &Value) -> String {
        render(template, data).unwrap()
    }

    #[test]
    fn dockers_functions_work() {
        let data =
            serde_json::json!({"Name": "web one", "List": ["a", "b"], "Map": {"k": 1}, "Image": "x/y:1", "Empty": ""});
        for (template, expected) in [
            ("{{json .}}", r#"{"Empty":"","Image":"x/y:1","List":["a","b"],"Map":{"k":1},"Name":"web one"}"#),
            ("{{json .Map}}", r#"{"k":1}"#),
            ("{{upper .Name}} {{lower \"AB\"}}", "WEB ONE ab"),
            ("{{title .Name}}", "Web One"),
            ("{{join .List \", \"}}", "a, b"),
            ("{{index (split .Image \":\") 1}}", "1"),
            ("{{join (split .Image \"/\") \"-\"}}", "x-y:1"),
            ("[{{pad .Name 1 2}}][{{pad .Empty 1 2}}]", "[ web one  ][]"),
            ("{{truncate .Name 3}}{{truncate .Name 99}}", "webweb one"),
            ("{{range .List}}{{println .}}{{end}}", "a\nb\n"),
            ("{{.Name | upper | json}}", "\"WEB ONE\""),
            ("{{printf \"%-8s|\" .Name}}", "web one |"),
            ("{{if eq .Map.k 1}}yes{{else}}no{{end}}", "yes"),
            ("{{range $k, $v := .Map}}{{$k}}={{$v}}{{end}}", "k=1"),
            ("{{with .Map}}{{.k}}{{end}}", "1"),
            ("plain", "plain"),
        ] {
            assert_eq!(show(template, &data), expected, "{template}");
        }
    }

    #[test]
    fn optional_fields_are_nil_and_not_in_json() {
        let data =
            with_optionals(&serde_json::json!({"State": {"Pid": 1}, "Config": {"Healthcheck": {"Test": ["a"]}}}));
        assert_eq!(show("{{if .State.Health}}{{.State.Health.Status}}{{end}}.", &data), ".");
        assert_eq!(show("{{json .State}}", &data), r#"{"Pid":1}"#);
        assert_eq!(
            show("{{if .Config.Healthcheck}}{{json .Config}}{{end}}", &data),
            r#"{"Healthcheck":{"Test":["a"]}}"#
        );
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let data = serde_json::json!({"Name": "web"});
        for (template, word) in [
            ("{{.Name", "unclosed"),
            ("{{.Nope}}", "Nope"),
            ("{{nope .Name}}", "nope"),
            ("{{join .Name \",\"}}", "list"),
            ("{{pad .Name 1}}", "needs 3 arguments"),
            ("{{truncate .Name 99999999}}", "65536"),
        ] {
            let failure = render(template, &data).unwrap_err();
            assert!(failure.cause.contains(word), "{failure}");
            assert!(failure.doing.contains("--format"), "{failure}");
        }
    }

    proptest! {
        #[test]
        fn templates_never_panic(template in "(\\{\\{|\\}\\}|[ .|\"a-cN(-)]|json|end|range|if|index|pad|\\$){0,14}") {
            let _ = render(&template, &serde_json::json!({"N": "x", "L": [1]}));
        }
    }
}
