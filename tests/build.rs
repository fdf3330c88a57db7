//! `build`: Dockerfiles become images, and the same Dockerfile the same image.

use crate::support::{Outcome, Registry, Rr, requires};
use std::path::Path;
use std::time::Duration;

fn user() -> Result<Rr, String> {
    Ok(Rr::new().with_mirror(Registry::shared()?))
}

/// Writes files of a context; names that end in a slash are directories.
fn write(context: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = context.join(name);
        if name.ends_with('/') {
            std::fs::create_dir_all(&path).unwrap();
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
}

/// `rr build OPTIONS` in the directory `context` of the user's, with this Dockerfile in it.
fn build(rr: &Rr, dockerfile: &str, options: &[&str]) -> Outcome {
    let context = rr.directory("context");
    write(&context, &[("Dockerfile", dockerfile)]);
    rr.command([&["build"], options, &["."]].concat()).dir(context).within(Duration::from_secs(120)).output()
}

fn inspect(rr: &Rr, image: &str, template: &str) -> String {
    rr.run(["image", "inspect", "--format", template, image]).succeeds().stdout.trim().to_owned()
}

#[test]
fn a_dockerfile_becomes_an_image_and_the_same_one_again() {
    let rr = requires!(user());
    write(
        &rr.directory("context"),
        &[("a.txt", "A\n"), ("sub/b", "B\n"), ("skipped.log", ""), (".dockerignore", "*.log\nDockerfile\n")],
    );
    let dockerfile = "FROM alpine\n\
        ENV GREETING=hello NAME=\"the world\"\n\
        RUN echo $GREETING, $NAME > /greeting && rm /etc/motd\n\
        WORKDIR /app/in\n\
        COPY . .\n\
        COPY a.txt sub /both/\n\
        RUN [\"cp\", \"a.txt\", \"copy\"]\n\
        RUN <<END\ncat /greeting >> copy\nEND\n\
        COPY <<file /\nfor $NAME\nfile\n\
        USER 7:8\nLABEL a=b\nEXPOSE 80\nVOLUME /data\nSTOPSIGNAL SIGQUIT\n\
        ENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"cat copy /file\"]\n";
    let first = build(&rr, dockerfile, &["-t", "t:1", "-t", "t:2", "--label", "c=d"]).succeeds();
    assert!(first.stderr.contains("[3/8] WORKDIR /app/in\n"), "{}", first.stderr);
    assert_eq!(first.stdout, "");
    rr.run(["run", "--rm", "--network", "none", "t:1"]).succeeds().prints("A\nhello, the world\nfor the world\n");
    let listing = "cd /; ls /both /app/in; ls -d /etc/motd /app; stat -c '%u:%g %a' /both/a.txt; id -u";
    let listed = rr.run(["run", "--rm", "--network", "none", "t:1", listing]).succeeds();
    assert_eq!(
        listed.stdout, "/app/in:\na.txt\ncopy\nsub\n\n/both:\na.txt\nb\n/app\n0:0 644\n7\n",
        "{}",
        listed.stderr
    );
    let config = inspect(
        &rr,
        "t:2",
        "{{.Config.Env}} {{.Config.Cmd}} {{.Config.User}} {{.Config.Labels}} {{.Config.StopSignal}}",
    );
    assert!(
        config.contains("GREETING=hello") && config.ends_with("[cat copy /file] 7:8 map[a:b c:d] SIGQUIT"),
        "{config}"
    );
    let id = inspect(&rr, "t:1", "{{.Id}}");
    let second = build(&rr, dockerfile, &["-q", "-t", "t:3", "--label", "c=d"]).succeeds();
    assert_eq!(second.stdout.trim(), id);
    let third = build(&rr, dockerfile, &["-t", "t:3"]).succeeds();
    assert_eq!(third.stderr.matches(" CACHED\n").count(), 7, "{}", third.stderr);
    rr.nothing_is_left();
    assert_eq!(std::fs::read_dir(rr.store().join("tmp")).unwrap().count(), 0);
}

#[test]
fn what_has_changed_is_built_anew() {
    let rr = requires!(user());
    let dockerfile = "FROM alpine\nCOPY f /f\nRUN cat /f && date +%N > /time\n";
    let id = |text: &str, options: &[&str]| {
        write(&rr.directory("context"), &[("f", text)]);
        build(&rr, dockerfile, &[&["-q"], options].concat()).succeeds().stdout
    };
    let one = id("1", &[]);
    assert_eq!(id("1", &[]), one);
    let two = id("2", &[]);
    assert_ne!(two, one);
    assert_eq!(id("1", &[]), one);
    assert_ne!(id("1", &["--no-cache"]), one);
}

#[test]
fn a_failure_says_where_and_leaves_nothing() {
    let rr = requires!(user());
    for (dockerfile, options, words) in [
        (
            "FROM alpine\nRUN echo last words && exit 7\n",
            &[][..],
            &[
                "last words",
                "Dockerfile:2",
                "   2 | >>> RUN echo",
                "failed to solve: process \"/bin/sh -c echo last words && exit 7\" did not complete successfully: exit code: 7",
            ][..],
        ),
        ("FROM alpine\nCOPY nope /\n", &[], &["Dockerfile:2", "\"/nope\": not found"]),
        (
            "FROM alpine\nRNU a\n",
            &[],
            &["dockerfile parse error on line 2: unknown instruction: RNU (did you mean RUN?)", "   2 | >>> RNU a"],
        ),
        ("FROM alpine\n", &["--target", "x"], &["target stage \"x\" could not be found"]),
        ("", &[], &["file with no instructions"]),
    ] {
        let failed = build(&rr, dockerfile, &[options, &["-t", "t"]].concat());
        let stderr = failed.exits(1).stderr;
        words.iter().for_each(|word| assert!(stderr.contains(word), "{word}: {stderr}"));
    }
    rr.run(["image", "exists", "t"]).exits(1);
    rr.nothing_is_left();
    assert_eq!(std::fs::read_dir(rr.store().join("tmp")).unwrap().count(), 0);
}

#[test]
fn stages_give_files_and_are_built_only_where_they_are_needed() {
    let rr = requires!(user());
    let dockerfile = "ARG BASE=alpine\n\
        FROM ${BASE} AS maker\n\
        ARG WHAT=thing\n\
        RUN adduser -D maker && mkdir /out && echo $WHAT > /out/made && chown -R maker /out && chmod 700 /out/made\n\
        FROM alpine AS broken\nRUN false\n\
        FROM scratch AS small\nCOPY --from=maker /out/made /made\nCOPY --from=0 --chown=3:4 --chmod=640 /out /owned\n\
        FROM maker AS last\nCOPY --from=alpine /etc/alpine-release /release\nCOPY --from=small / /small\n";
    build(&rr, dockerfile, &["-t", "last", "--build-arg", "WHAT=other"]).succeeds();
    let script = "cat /release /small/made; stat -c '%U:%g %a' /small/made /small/owned /small/owned/made";
    let ran = rr.run(["run", "--rm", "--network", "none", "last", "sh", "-c", script]).succeeds();
    let (release, rest) = ran.stdout.split_once('\n').unwrap();
    assert!(release.starts_with("3."), "{release}");
    assert_eq!(rest, "other\nmaker:0 700\nUNKNOWN:4 640\nUNKNOWN:4 640\n");
    build(&rr, dockerfile, &["-t", "small", "--target", "small"]).succeeds();
    assert_eq!(inspect(&rr, "small", "{{len .RootFS.Layers}}"), "2");
    build(&rr, dockerfile, &["--target", "broken"]).exits(1);
}
