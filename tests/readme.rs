//! The README's commands do what the README shows.

use crate::support::{Registry, Rr, requires};

/// The commands (`    $ …`) of a text, each with the lines that are to follow it.
fn examples(text: &str) -> Vec<(String, Vec<String>)> {
    let mut examples: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (line.strip_prefix("    $ "), line.strip_prefix("    ")) {
            (Some(command), _) => {
                examples.push((command.to_owned(), Vec::new()));
                inside = true;
            }
            (None, Some(output)) if inside => {
                if let Some(example) = examples.last_mut() {
                    example.1.push(output.to_owned());
                }
            }
            _ => inside = false,
        }
    }
    examples
}

#[test]
fn what_the_readme_shows_is_what_happens() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    let source = std::env::var("RR_TEST_SOURCE").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    let readme = std::fs::read_to_string(format!("{source}/README.md")).expect("the README is beside the tests");
    let examples = examples(&readme);
    assert!(examples.len() >= 8, "only {} commands found", examples.len());
    let bin = rr.directory("bin");
    std::os::unix::fs::symlink(rr.binary(), bin.join("rr")).expect("a link to the program");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a search path"));
    let place = rr.directory("place");
    for (command, expected) in examples {
        if command.contains("-it ") {
            // Typed into a terminal, as the reader would: each `/ # ` line, then what it prints.
            let mut terminal = rr.any_command("sh", ["-c", &command]).env("PATH", &path).dir(&place).terminal(24, 80);
            for line in &expected {
                match line.strip_prefix("/ # ") {
                    Some(typed) => {
                        terminal.expect("/ # ");
                        terminal.send(&format!("{typed}\r"));
                    }
                    None => drop(terminal.expect(line)),
                }
            }
            terminal.send("exit\r");
            assert!(terminal.wait().success(), "{command}");
            continue;
        }
        let outcome = rr.any_command("sh", ["-c", &command]).env("PATH", &path).dir(&place).output().succeeds();
        let printed: Vec<&str> = outcome.stdout.lines().collect();
        assert_eq!(printed, expected, "{outcome}");
    }
}
