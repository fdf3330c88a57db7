//! `build`: Dockerfiles become images, and the same Dockerfile the same image.

use crate::support::{Outcome, Registry, Rr, requires};
use rustix::process::Signal;
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

#[test]
fn mounts_leave_no_trace_and_caches_stay() {
    let rr = requires!(user());
    write(
        &rr.directory("context"),
        &[("src/in", "of the context\n"), ("src/skipped", ""), (".dockerignore", "src/skipped\n")],
    );
    let dockerfile = "FROM alpine AS other\nRUN echo other > /o\n\
        FROM alpine\nWORKDIR /w\nARG N\n\
        RUN --mount=type=cache,target=/cache --mount=type=tmpfs,target=/t --network=none \\\n\
            echo $N >> /cache/runs && cp /cache/runs /runs && touch /t/gone\n\
        RUN --mount=type=secret,id=s --mount=type=secret,id=v,env=TOKEN,required=true cat /run/secrets/s && test $TOKEN = word\n\
        RUN --mount=type=bind,source=src,target=here ls here > /seen && ! touch here/x\n\
        RUN --mount=type=bind,from=other,source=/o,target=/there --mount=type=bind,rw,target=/copy cat /there > /o && touch /copy/x\n";
    let secret = rr.path("secret");
    std::fs::write(&secret, "hush\n").unwrap();
    let secret = format!("id=s,src={}", secret.display());
    let options = ["--secret", &secret, "--secret", "id=v,env=WORD", "-t", "t"];
    let built = |number: &str| {
        let context = rr.directory("context");
        write(&context, &[("Dockerfile", dockerfile)]);
        let number = format!("N={number}");
        let words = [&["build", "--build-arg", &number], &options[..], &["."]].concat();
        rr.command(words).dir(context).env("WORD", "word").within(Duration::from_secs(120)).output().succeeds()
    };
    let first = built("1");
    assert!(first.stderr.contains(" hush\n"), "{}", first.stderr);
    built("2");
    let script = "cat /runs /seen /o; ls /t /cache /here /w/here /there /copy /run/secrets 2>/dev/null; ls /";
    let ran = rr.run(["run", "--rm", "--network", "none", "t", "sh", "-c", script]).succeeds();
    assert!(ran.stdout.starts_with("1\n2\nin\nother\n"), "{}", ran.stdout);
    for name in ["cache\n", "\nt\n", "there", "copy", "gone"] {
        assert!(!ran.stdout.contains(name), "{name}: {}", ran.stdout);
    }
    assert!(rr.store().join("build-caches").exists());
    rr.run(["builder", "prune", "-f"]).succeeds();
    assert!(!rr.store().join("build-caches").exists());
    assert!(built("3").stderr.matches("CACHED").count() == 0);
    rr.nothing_is_left();
    assert_eq!(std::fs::read_dir(rr.store().join("tmp")).unwrap().count(), 0);
    let failed = build(&rr, "FROM alpine\nRUN --mount=type=ssh true\n", &[]).exits(1);
    assert!(failed.stderr.contains("rr does not forward an SSH agent"), "{}", failed.stderr);
    let failed = build(&rr, "FROM alpine\nRUN --mount=type=secret,id=x,required=true true\n", &[]).exits(1);
    assert!(failed.stderr.contains("secret x: not found"), "{}", failed.stderr);
}

#[test]
fn add_unpacks_and_copy_excludes_and_keeps_parents() {
    let rr = requires!(user());
    let context = rr.directory("context");
    write(&context, &[("d/a.txt", "a"), ("d/b.md", "b"), ("d/e/c.txt", "c"), ("plain", "no archive")]);
    rr.any_command("tar", ["-czf", "d.tar.gz", "d"]).dir(&context).output().succeeds();
    let dockerfile = "FROM alpine\nADD d.tar.gz plain /added/\nADD --unpack=false d.tar.gz /kept.gz\n\
        COPY --exclude=*.md --exclude=e d /excluded/\nCOPY --parents d/e/c.txt ./d/./e /parents/\nCOPY d/*.txt p*n /wild/\n\
        RUN cd / && find added kept.gz excluded parents wild -type f | sort > /list\n";
    build(&rr, dockerfile, &["-t", "t"]).succeeds();
    let ran = rr.run(["run", "--rm", "--network", "none", "t", "cat", "/list"]).succeeds();
    assert_eq!(
        ran.stdout,
        "added/d/a.txt\nadded/d/b.md\nadded/d/e/c.txt\nadded/plain\nexcluded/a.txt\nkept.gz\nparents/d/e/c.txt\n\
         parents/e/c.txt\nwild/a.txt\nwild/plain\n"
    );
    let failed = build(&rr, "FROM alpine\nADD https://example.org/a.git /x\n", &[]).exits(1);
    assert!(failed.stderr.contains("is a Git repository, which rr does not clone"), "{}", failed.stderr);
}

#[test]
fn triggers_standard_input_and_further_contexts() {
    let rr = requires!(user());
    build(&rr, "FROM alpine\nONBUILD COPY f /f\nONBUILD RUN echo triggered >> /f\n", &["-t", "base"]).succeeds();
    let context = rr.directory("context");
    write(&context, &[("f", "file\n"), ("Dockerfile", "FROM base\nCMD cat /f\n")]);
    rr.any_command("tar", ["-cf", "../context.tar", "."]).dir(&context).output().succeeds();
    let archive = std::fs::read(rr.path("context.tar")).unwrap();
    let limit = Duration::from_secs(120);
    rr.command(["build", "-t", "t", "-"]).stdin(&archive).within(limit).output().succeeds();
    rr.run(["run", "--rm", "--network", "none", "t"]).succeeds().prints("file\ntriggered\n");
    let triggers = ["base", "t"].map(|image| inspect(&rr, image, "{{json .Config.OnBuild}}").contains("COPY"));
    assert_eq!(triggers, [true, false]);
    let other = format!("other={}", context.display());
    let words = ["build", "-t", "t2", "--build-context", &other, "--build-context", "img=docker-image://base", "-"];
    let dockerfile = "FROM alpine\nCOPY --from=other f /f\nCOPY --from=img /etc/alpine-release /r\nCMD cat /f\n";
    rr.command(words).stdin(dockerfile).within(limit).output().succeeds();
    rr.run(["run", "--rm", "--network", "none", "t2"]).succeeds().prints("file\n");
    rr.command(["build", "-f", "-", "-q", "."])
        .dir(&context)
        .stdin("FROM alpine\nCOPY f /\n")
        .within(limit)
        .output()
        .succeeds();
    rr.run(["build", "git@example.org:x"]).exits(1);
}

#[test]
fn a_step_that_puts_links_in_place_of_its_mounts_reaches_nothing_outside() {
    let rr = requires!(user());
    let precious = rr.directory("precious");
    write(&precious, &[("hosts", "kept"), ("c/file", "kept")]);
    let dockerfile = format!(
        "FROM alpine AS first\nRUN --mount=type=cache,target=/a/b/c mv /a/b /a/z && ln -s {0} /a/b\n\
         COPY Dockerfile /a/b/copied\nFROM alpine\nCOPY --from=first /a/b/cop* /stolen/\n\
         RUN test -f /stolen/copied && test ! -e /stolen/hosts\n",
        precious.display()
    );
    build(&rr, &dockerfile, &["-t", "t"]).succeeds();
    let listed = rr.any_command("find", [precious.to_str().unwrap()]).output().stdout;
    assert_eq!(listed.lines().count(), 4, "{listed}");
    rr.nothing_is_left();
}

#[test]
fn a_build_that_is_killed_leaves_nothing_that_is_seen() {
    let rr = requires!(user());
    let context = rr.directory("context");
    write(&context, &[("Dockerfile", "FROM alpine\nRUN echo one > /one\nRUN echo started && sleep 60\n")]);
    let command = rr.command(["build", "-t", "t", "."]).dir(&context).within(Duration::from_secs(120)).spawn();
    let entries = |name: &str| std::fs::read_dir(rr.store().join(name)).into_iter().flatten().flatten();
    // The first step is remembered, and the second has its file system.
    let begun = || entries("builds").count() == 1 && entries("tmp").any(|entry| entry.path().join("attach").exists());
    assert!(crate::support::wait_until(Duration::from_secs(60), begun));
    command.signal(Signal::KILL);
    command.wait();
    assert!(crate::support::wait_until(Duration::from_secs(10), || rr.processes().is_empty()));
    rr.run(["image", "exists", "t"]).exits(1);
    rr.run(["system", "prune", "-f"]).succeeds();
    assert_eq!(std::fs::read_dir(rr.store().join("tmp")).unwrap().count(), 0);
    rr.nothing_is_left();
}
