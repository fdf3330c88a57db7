use super::*;
use proptest::prelude::*;

fn steps(text: &str) -> Vec<Instruction> {
    let dockerfile = parse(&format!("FROM x\n{text}")).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"));
    dockerfile.stages.into_iter().flat_map(|stage| stage.steps).map(|step| step.instruction).collect()
}

fn mistake(text: &str) -> (usize, String) {
    let mistake = parse(text).unwrap_err();
    (mistake.span.map_or(0, |span| span.first), mistake.cause)
}

fn shell(text: &str) -> Command {
    Command::Shell(text.to_owned())
}

#[test]
fn stages_arguments_and_names() {
    let file =
        parse("ARG V=3\nARG W\nFROM --platform=$P alpine:${V} AS Build\nRUN a\nfrom build\nFROM scratch as two.1")
            .unwrap();
    assert_eq!(file.arguments, [("V".to_owned(), Some("3".to_owned())), ("W".to_owned(), None)]);
    let shown: Vec<_> = file.stages.iter().map(|stage| (stage.base.as_str(), stage.name.as_deref())).collect();
    assert_eq!(shown, [("alpine:${V}", Some("build")), ("build", None), ("scratch", Some("two.1"))]);
    assert_eq!(file.stages[0].platform.as_deref(), Some("$P"));
    assert_eq!(file.stages[0].steps[0].span, Span { first: 4, last: 4 });
}

#[test]
fn continuations_comments_and_blank_lines() {
    let run = |text: &str| match steps(text).remove(0) {
        Instruction::Run(run) => run.command,
        other => panic!("{other:?}"),
    };
    assert_eq!(run("RUN a && \\\n  # a comment\n\n  b \\  \n c"), shell("a &&   b  c"));
    assert_eq!(run("RUN echo \\\\"), shell("echo \\\\"));
    assert_eq!(run("RUN a\\\r\nb\r\n"), shell("ab"));
    assert_eq!(run("  RUN   spaced  out  "), shell("spaced  out"));
    let file = parse("# escape=`\nFROM x\nRUN dir `\n c:\\\n").unwrap();
    assert_eq!(file.escape, '`');
    assert_eq!(file.stages[0].steps[0].text, "RUN dir  c:\\");
}

#[test]
fn directives_stand_at_the_top() {
    let (directives, lines) =
        lines::read("#syntax=docker/dockerfile:1\n# check=skip=all\n\n# escape=`\nFROM x").unwrap();
    assert_eq!(directives.syntax.as_deref(), Some("docker/dockerfile:1"));
    assert_eq!((directives.check.as_deref(), directives.escape), (Some("skip=all"), '\\'));
    assert_eq!(lines.len(), 1);
    assert_eq!(mistake("# escape=x\nFROM a").1, "invalid escape token 'x' does not match ` or \\");
    assert_eq!(
        mistake("# syntax=a\n# syntax=b\nFROM a"),
        (2, "only one syntax parser directive can be used".to_owned())
    );
}

#[test]
fn here_documents() {
    let all = steps(
        "RUN <<EOF\necho $x\n# no comment\nEOF\nCOPY <<a <<-\"b\" /d/\none\na\n\ttwo\n\tb\nRUN cat <<-X | sh\n\tx\n\tX",
    );
    let Instruction::Run(run) = &all[0] else { panic!() };
    assert_eq!(run.command, shell("<<EOF"));
    assert_eq!(run.heredocs[0].content, "echo $x\n# no comment\n");
    let Instruction::Copy(files) = &all[1] else { panic!() };
    assert_eq!((files.sources.len(), files.target.as_str()), (0, "/d/"));
    assert_eq!((files.heredocs[0].name.as_str(), files.heredocs[0].expand), ("a", true));
    assert_eq!((files.heredocs[1].stripped().as_str(), files.heredocs[1].expand), ("two\n", false));
    let Instruction::Run(run) = &all[2] else { panic!() };
    assert_eq!((run.command.clone(), run.heredocs[0].name.as_str()), (shell("cat <<-X | sh"), "X"));
    assert_eq!(mistake("FROM x\nRUN <<EOF\nx"), (2, "unterminated heredoc EOF".to_owned()));
    // Only where files may stand.
    assert_eq!(steps("CMD cat <<EOF"), [Instruction::Cmd(shell("cat <<EOF"))]);
    assert_eq!(steps("RUN a <<< b").len(), 1);
}

#[test]
fn flags_and_lists() {
    let all = steps(
        "COPY --from=0 --chown=a:b --chmod=644 --link --parents --exclude=*.o --exclude=\"x y\" a \"b c\" /d\n\
         ADD --checksum=sha256:1 [\"a b\", \"c\"]\n\
         RUN --mount=type=cache,target=/c --mount=type=secret,id=s --network=none [\"a\", \"$b\"]\n\
         HEALTHCHECK --interval=1m --retries=3 CMD [\"a\"]\n\
         VOLUME [\"/a\"]\nVOLUME /b /c\nEXPOSE 80/tcp $P\nCMD [\"a\",]\nENTRYPOINT",
    );
    let Instruction::Copy(copy) = &all[0] else { panic!() };
    assert_eq!(
        (copy.from.as_deref(), copy.chown.as_deref(), copy.chmod.as_deref()),
        (Some("0"), Some("a:b"), Some("644"))
    );
    assert!(copy.link && copy.parents);
    assert_eq!(
        (&copy.exclude[..], &copy.sources[..]),
        (&["*.o".to_owned(), "x y".to_owned()][..], &["a".to_owned(), "\"b c\"".to_owned()][..])
    );
    let Instruction::Add(add) = &all[1] else { panic!() };
    assert_eq!((add.sources[0].as_str(), add.target.as_str()), ("a b", "c"));
    let Instruction::Run(run) = &all[2] else { panic!() };
    assert_eq!((run.mounts.len(), run.network.as_deref()), (2, Some("none")));
    assert_eq!(run.command, Command::Exec(vec!["a".into(), "$b".into()]));
    assert!(
        matches!(&all[3], Instruction::Healthcheck(instruction::Healthcheck::Command { flags, .. }) if flags.len() == 2)
    );
    assert_eq!(
        all[4..6],
        [Instruction::Volume(vec!["/a".into()]), Instruction::Volume(vec!["/b".into(), "/c".into()])]
    );
    // What is not quite JSON is for the shell.
    assert_eq!(all[7..], [Instruction::Cmd(shell("[\"a\",]")), Instruction::Entrypoint(shell(""))]);
}

#[test]
fn names_with_values() {
    let env = |text: &str| match steps(text).remove(0) {
        Instruction::Env(pairs) => pairs,
        other => panic!("{other:?}"),
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        env("ENV A=1 B=\"two words\" C='x' D=a\\ b"),
        [pair("A", "1"), pair("B", "\"two words\""), pair("C", "'x'"), pair("D", "a\\ b")]
    );
    assert_eq!(env("ENV OLD the  rest = it"), [pair("OLD", "the  rest = it")]);
}

#[test]
fn mistakes_are_buildkits() {
    for (text, line, cause) in [
        ("", 0, "file with no instructions"),
        ("ARG a", 0, "no build stage in current context"),
        ("RUN a\nFROM x", 1, "no build stage in current context"),
        ("FROM x\nRNU a", 2, "unknown instruction: RNU (did you mean RUN?)"),
        ("FROM x\nfrobnicate a", 2, "unknown instruction: frobnicate"),
        ("FROM a b", 1, "FROM requires either one or three arguments"),
        ("FROM a AS 1b", 1, "invalid name for build stage: \"1b\", name can't start with a number or contain symbols"),
        ("FROM x\nRUN", 2, "RUN requires at least one argument"),
        (
            "FROM x\nCOPY a",
            2,
            "COPY requires at least two arguments, but only one was provided. Destination could not be determined",
        ),
        ("FROM x\nCOPY --frm=a b c", 2, "unknown flag: --frm"),
        ("FROM x\nCOPY --from=a --from=b c d", 2, "duplicate flag specified: from"),
        ("FROM x\nCOPY --link=perhaps a b", 2, "expecting boolean value for flag link, not: perhaps"),
        ("FROM x\nADD --from=a b c", 2, "unknown flag: --from"),
        ("FROM x\nENV A", 2, "ENV must have two arguments"),
        ("FROM x\nENV A=b C", 2, "Syntax error - can't find = in \"C\". Must be of the form: name=value"),
        ("FROM x\nSHELL sh", 2, "SHELL requires the arguments to be in JSON form"),
        ("FROM x\nUSER a b", 2, "USER requires exactly one argument"),
        ("FROM x\nONBUILD ONBUILD RUN a", 2, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("FROM x\nONBUILD FROM a", 2, "FROM isn't allowed as an ONBUILD trigger"),
        ("FROM x\nHEALTHCHECK MAYBE", 2, "unknown type \"MAYBE\" in HEALTHCHECK (try CMD)"),
    ] {
        assert_eq!(mistake(text), (line, cause.to_owned()), "{text}");
    }
}

fn expand(text: &str) -> Result<String, String> {
    let value = |name: &str| match name {
        "x" => Some("value".to_owned()),
        "two" => Some("a b".to_owned()),
        "file" => Some("dir/name.tar.gz".to_owned()),
        "empty" => Some(String::new()),
        _ => None,
    };
    Expander { escape: '\\', value: &value }.word(text)
}

#[test]
fn variables_are_expanded_as_in_a_shell() {
    for (text, expected) in [
        ("a$x-b", "avalue-b"),
        ("${x}y", "valuey"),
        ("$nope.", "."),
        ("'$x' \"$x\" \\$x", "$x value $x"),
        ("${nope:-d} ${empty:-d} ${empty-d} ${x:-d}", "d d  value"),
        ("${nope:+d} ${empty:+d} ${empty+d} ${x:+d}", "  d d"),
        ("${nope:-${x}}", "value"),
        ("${file#*/} ${file##*.} ${file%.*} ${file%%.*}", "name.tar.gz gz dir/name.tar dir/name"),
        ("${file/a/A} ${file//a/A} ${x/v?l/X}", "dir/nAme.tar.gz dir/nAme.tAr.gz Xue"),
        ("$ $- 100%", "$ $- 100%"),
        ("\"a\\\"b\\c\"", "a\"b\\c"),
        ("end\\", "end"),
    ] {
        assert_eq!(expand(text).as_deref(), Ok(expected), "{text}");
    }
    for (text, cause) in [
        ("${nope:?gone}", "nope: gone"),
        ("${nope?}", "nope: is not allowed to be unset"),
        ("${empty:?}", "empty: is not allowed to be empty"),
        ("${}", "syntax error: bad substitution"),
        ("${x", "syntax error: missing '}'"),
        ("${x:-a", "unexpected end of statement while looking for matching }"),
        ("${x@U}", "unsupported modifier (@) in substitution"),
        ("'a", "unexpected end of statement while looking for matching single-quote"),
        ("\"a", "unexpected end of statement while looking for matching double-quote"),
    ] {
        assert_eq!(expand(text), Err(cause.to_owned()), "{text}");
    }
}

#[test]
fn a_value_with_blanks_becomes_words_unless_quoted() {
    let value = |name: &str| (name == "two").then(|| "80 443".to_owned());
    let expander = Expander { escape: '\\', value: &value };
    assert_eq!(expander.words("$two \"$two\" ${two:-x} 'a b'c").unwrap(), ["80", "443", "80 443", "80", "443", "a bc"]);
    assert_eq!(expander.document("$two '$two' \\$two \\n").unwrap(), "80 443 '80 443' $two \\n");
}

proptest! {
    #[test]
    fn no_dockerfile_panics(text in "(FROM x\n)?(\\PC|\n|\\\\\n|<<|EOF\n){0,80}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_word_panics(text in "(\\PC|\\$|\\{|\\}|:|#|%|/|\\*|\\\\){0,40}") {
        let _ = expand(&text);
    }

    #[test]
    fn quoting_keeps_a_word(text in "[^'\\x00-\\x1f]{0,40}") {
        prop_assert_eq!(expand(&format!("'{text}'")).unwrap(), text);
    }

    #[test]
    fn every_line_belongs_to_one_instruction(count in 1usize..20, joined in 0usize..4) {
        let body = format!("RUN a {}b\n", "\\\n".repeat(joined));
        let file = parse(&format!("FROM x\n{}", body.repeat(count))).unwrap();
        let spans: Vec<Span> = file.stages[0].steps.iter().map(|step| step.span).collect();
        prop_assert_eq!(spans.len(), count);
        for (index, span) in spans.iter().enumerate() {
            prop_assert_eq!((span.first, span.last), (2 + index * (joined + 1), 2 + index * (joined + 1) + joined));
        }
    }
}
