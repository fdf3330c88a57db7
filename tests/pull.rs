//! Pulling: from a real registry, and from registries that lie, break off or never end.

use crate::support::{
    Access, Answer, HostileServer, Registry, Request, Rr, Shelf, images, requires, sha256, wait_until,
};
use rustix::process::Signal;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A tar archive with one file.
fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, content).expect("a vector takes bytes");
    archive.into_inner().expect("a vector takes bytes")
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn one_layer() -> Shelf {
    Shelf::image("a/b", "1", &[layer("file", &noise(100_000))])
}

fn is_layer(request: &Request) -> bool {
    request.path.contains("/blobs/") && request.method == "GET"
}

/// The layer of [`one_layer`]: the blob that is not the config.
fn with_layer(change: impl Fn(Vec<u8>) -> Answer + Send + Sync + 'static) -> HostileServer {
    let shelf = one_layer();
    HostileServer::start(move |request| match shelf.answer(request) {
        Answer::Respond { body, status: 200, .. } if is_layer(request) && body.len() > 10_000 => change(body),
        answer => answer,
    })
}

fn entries(directory: PathBuf) -> Vec<String> {
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.expect("a readable directory").file_name().into_string().expect("UTF-8")).collect()
}

/// What a failed first pull may leave: a store without images, blobs and layers.
#[track_caller]
fn nothing_is_visible(rr: &Rr) {
    let index = std::fs::read_to_string(rr.store().join("oci/index.json")).expect("an index");
    assert!(index.contains(r#""manifests":[]"#), "{index}");
    assert_eq!(entries(rr.store().join("oci/blobs/sha256")), [""; 0]);
    for folder in entries(rr.store().join("layers")) {
        assert_eq!(entries(rr.store().join("layers").join(folder)), [""; 0]);
    }
    let in_tmp = entries(rr.store().join("tmp"));
    assert!(in_tmp.iter().all(|name| name.starts_with("blob-")), "{in_tmp:?}");
}

#[test]
fn an_image_is_pulled_run_and_readable_by_skopeo() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new().with_mirror(registry);
    let pulled = rr.run(["pull", "alpine:3.20.3"]).succeeds();
    assert_eq!(pulled.stdout, "docker.io/library/alpine:3.20.3\n");
    assert_eq!(rr.run(["pull", "-q", "alpine:3.20.3"]).succeeds_quietly().stdout, pulled.stdout);
    let release = rr.run(["run", "--rm", "--network", "none", "alpine:3.20.3", "cat", "/etc/alpine-release"]);
    assert_eq!(release.succeeds().stdout, "3.20.3\n");
    let layout = format!("oci:{}:docker.io/library/alpine:3.20.3", rr.store().join("oci").display());
    let copy = format!("dir:{}", rr.path("copy").display());
    rr.any_command("skopeo", ["--insecure-policy", "copy", "-q", &layout, &copy]).output().succeeds();
    assert_eq!(entries(rr.store().join("tmp")), [""; 0]);
    rr.nothing_is_left();
}

#[test]
fn dockers_format_and_zstd_are_read() {
    let registry = requires!(Registry::shared());
    let archive = format!("oci-archive:{}", requires!(images::busybox()).display());
    requires!(registry.copy(&archive, "pull/formats:v2s2", &["--format", "v2s2"]));
    let rr = Rr::new();
    // What is gzip already stays so: it is unpacked on the way.
    let plain = format!("dir:{}", rr.path("plain").display());
    let unpack = ["--insecure-policy", "copy", "-q", "--dest-decompress", &archive, &plain];
    rr.any_command("skopeo", unpack).output().succeeds();
    requires!(registry.copy(&plain, "pull/formats:zstd", &["--dest-compress-format", "zstd"]));
    let manifest = format!("docker://{}/pull/formats:zstd", registry.address());
    let raw = rr.any_command("skopeo", ["inspect", "--raw", "--tls-verify=false", &manifest]).output().succeeds();
    assert!(raw.stdout.contains("tar+zstd"), "{raw}");
    for tag in ["v2s2", "zstd"] {
        let name = format!("{}/pull/formats:{tag}", registry.address());
        let outcome = rr.run(["run", "--rm", "--network", "none", &name, "echo", tag]).succeeds();
        assert_eq!(outcome.stdout, format!("{tag}\n"));
    }
}

#[test]
fn images_on_disk_are_read() {
    let archive = requires!(images::busybox());
    let rr = Rr::new();
    let oci = format!("oci-archive:{}", archive.display());
    rr.run(["run", "--rm", "--network", "none", &oci, "true"]).succeeds();
    let directory = format!("oci:{}", rr.path("layout").display());
    let docker = format!("docker-archive:{}", rr.path("saved.tar").display());
    rr.any_command("skopeo", ["--insecure-policy", "copy", "-q", &oci, &format!("{directory}:x")]).output().succeeds();
    rr.any_command("skopeo", ["--insecure-policy", "copy", "-q", &oci, &format!("{docker}:bb:1")]).output().succeeds();
    for place in [directory, docker] {
        rr.run(["run", "--rm", "--network", "none", &place, "true"]).succeeds();
    }
    rr.run(["run", "--rm", "--network", "none", "--pull", "never", "bb:1", "true"]).succeeds();
    rr.run(["pull", "oci:/nowhere"]).fails_with(1, "/nowhere");
    rr.run(["pull", "oci-archive:/etc/passwd"]).fails_with(1, "it is no tar archive");
}

#[test]
fn lies_are_found_and_nothing_of_them_is_kept() {
    type Change = Box<dyn Fn(Vec<u8>) -> Answer + Send + Sync>;
    let other = |mut body: Vec<u8>| {
        let middle = body.len() / 2;
        body[middle] ^= 1;
        Answer::new(200, "application/octet-stream", body)
    };
    let cases: Vec<(&str, Change, &str)> = vec![
        ("other content", Box::new(other), "wrong digest"),
        (
            "another archive",
            Box::new(|body| {
                let shelf = Shelf::image("x/y", "1", &[layer("evil", &noise(100_000 - 300))]);
                let mut blob = shelf.layer_blob("x/y").expect("a layer");
                blob.resize(body.len(), 0);
                Answer::new(200, "application/octet-stream", blob)
            }),
            "wrong digest",
        ),
        ("shorter", Box::new(|body| Answer::new(200, "x/y", &body[..body.len() - 1])), "the manifest says"),
        ("longer", Box::new(|body| Answer::new(200, "x/y", [body, vec![0]].concat())), "the manifest says"),
        ("html", Box::new(|_| Answer::new(200, "text/html", "<h1>Welcome to the hotel</h1>")), "the manifest says"),
        ("endless", Box::new(|_| Answer::Endless), "does not end"),
        ("gone", Box::new(|_| Answer::status(404)), "it has no blob"),
    ];
    for (what, change, text) in cases {
        let server = with_layer(change);
        let rr = Rr::new();
        let outcome = rr.run(["pull", &format!("{}/a/b:1", server.address())]).fails_with(1, text);
        assert!(outcome.stderr.contains("cannot pull"), "{what}: {outcome}");
        nothing_is_visible(&rr);
        assert_eq!(entries(rr.store().join("tmp")), [""; 0], "{what}");
    }
}

#[test]
fn documents_that_are_no_image_are_refused_in_words() {
    let oci = "application/vnd.oci.image.manifest.v1+json";
    let index = "application/vnd.oci.image.index.v1+json";
    let digest = sha256(b"");
    let artifact = format!(
        r#"{{"schemaVersion":2,"mediaType":"{oci}","artifactType":"application/vnd.cncf.helm.chart","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{digest}","size":2}},"layers":[]}}"#
    );
    let foreign = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{oci}","digest":"{digest}","size":7,"platform":{{"os":"linux","architecture":"s390x"}}}}]}}"#
    );
    let cases = [
        ("application/vnd.docker.distribution.manifest.v1+json", r#"{"schemaVersion":1}"#.to_owned(), "schema 1"),
        (oci, artifact, "artifact of type `application/vnd.cncf.helm.chart`"),
        (index, foreign, "only for linux/s390x"),
        (oci, "{\"schemaVersion\":2".to_owned(), "not valid JSON"),
        ("text/html", "<html>".to_owned(), "not valid JSON"),
        (oci, " ".repeat(5 << 20), "over the limit"),
    ];
    for (media_type, document, text) in cases {
        let mut shelf = Shelf::default();
        shelf.manifest("a/b", "1", media_type, document.into_bytes());
        let server = HostileServer::start(move |request| shelf.answer(request));
        let rr = Rr::new();
        rr.run(["pull", &format!("{}/a/b:1", server.address())]).fails_with(1, text);
        nothing_is_visible(&rr);
    }
}

#[test]
fn broken_content_with_the_right_digest_is_refused_too() {
    let media = "application/vnd.oci.image.layer.v1.tar+gzip";
    let whole = {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&layer("file", &noise(50_000))).expect("a vector takes bytes");
        gzip.finish().expect("a vector takes bytes")
    };
    let zstd_magic = [&[0x28, 0xb5, 0x2f, 0xfd][..], &noise(500)].concat();
    let gzip_of = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).expect("a vector takes bytes");
        gzip.finish().expect("a vector takes bytes")
    };
    let cases = [
        (whole[..20_000].to_vec(), "corrupt gzip data"),
        (zstd_magic, "corrupt zstd data"),
        (gzip_of(&noise(5_000)), "tar"),
        (whole, "the image's config says"),
    ];
    for (blob, text) in cases {
        let mut shelf = Shelf::default();
        let descriptor = shelf.blob("a/b", media, blob);
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            sha256(b"something else")
        );
        let config = shelf.blob("a/b", "application/vnd.oci.image.config.v1+json", config.into_bytes());
        let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": [descriptor]});
        let media = "application/vnd.oci.image.manifest.v1+json";
        shelf.manifest("a/b", "1", media, manifest.to_string().into_bytes());
        let server = HostileServer::start(move |request| shelf.answer(request));
        let rr = Rr::new();
        rr.run(["pull", &format!("{}/a/b:1", server.address())]).fails_with(1, text);
        nothing_is_visible(&rr);
    }
}

#[test]
fn a_connection_that_breaks_once_is_resumed() {
    let (shelf, breaks) = (one_layer(), AtomicUsize::new(0));
    let server = HostileServer::start(move |request| match shelf.answer(request) {
        answer @ Answer::Respond { status: 200, .. } if is_layer(request) => {
            match breaks.fetch_add(1, Ordering::SeqCst) {
                // The first is the config.
                1 => Answer::Truncate(Box::new(answer), 40_000),
                _ => answer,
            }
        }
        answer => answer,
    });
    let rr = Rr::new();
    rr.run(["pull", &format!("{}/a/b:1", server.address())]).succeeds();
    let ranges: Vec<_> =
        server.requests().iter().filter_map(|request| request.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, ["bytes=40000-"]);
}

#[test]
fn a_killed_pull_shows_nothing_and_the_next_goes_on_where_it_was() {
    let (shelf, slow) = (one_layer(), AtomicUsize::new(0));
    let server = HostileServer::start(move |request| match shelf.answer(request) {
        answer @ Answer::Respond { status: 200, .. } if is_layer(request) => {
            match slow.fetch_add(1, Ordering::SeqCst) {
                1 => Answer::Slow(Box::new(answer), 1_000, Duration::from_millis(20)),
                _ => answer,
            }
        }
        answer => answer,
    });
    let rr = Rr::new();
    let name = format!("{}/a/b:1", server.address());
    let running = rr.command(["pull", &name]).spawn();
    let partial = || {
        let tmp = std::fs::read_dir(rr.store().join("tmp")).into_iter().flatten().flatten();
        let sizes = tmp.filter(|entry| entry.file_name().to_string_lossy().starts_with("blob-"));
        sizes.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).max().unwrap_or(0)
    };
    assert!(wait_until(Duration::from_secs(30), || partial() > 10_000));
    running.signal(Signal::KILL);
    drop(running.wait());
    rr.no_process_is_left();
    let kept = partial();
    assert!(kept > 10_000);
    let index = std::fs::read_to_string(rr.store().join("oci/index.json")).expect("an index");
    assert!(index.contains(r#""manifests":[]"#), "{index}");
    rr.run(["pull", &name]).succeeds();
    let requests = server.requests();
    let range = requests.iter().find_map(|request| request.header("range"));
    assert_eq!(range, Some(format!("bytes={kept}-").as_str()));
    assert_eq!(entries(rr.store().join("tmp")), [""; 0]);
}

#[test]
fn a_damaged_partial_download_is_started_over() {
    let server = with_layer(|body| Answer::new(200, "application/octet-stream", body));
    let shelf_blob = one_layer().layer_blob("a/b").expect("a layer");
    let rr = Rr::new();
    rr.run(["images"]).succeeds();
    let digest = sha256(&shelf_blob);
    let partial = rr.store().join("tmp").join(format!("blob-{}", digest.trim_start_matches("sha256:")));
    std::fs::write(partial, noise(30_000)).expect("own store");
    rr.run(["pull", &format!("{}/a/b:1", server.address())]).succeeds();
}

#[test]
fn two_pulls_at_once_do_the_work_once() {
    let shelf = Shelf::image("a/b", "1", &[layer("one", &noise(60_000)), layer("two", &noise(70_000))]);
    let server = HostileServer::start(move |request| match shelf.answer(request) {
        answer @ Answer::Respond { status: 200, .. } if is_layer(request) => {
            Answer::Slow(Box::new(answer), 10_000, Duration::from_millis(50))
        }
        answer => answer,
    });
    let rr = Rr::new();
    let name = format!("{}/a/b:1", server.address());
    let running: Vec<_> = (0..3).map(|_| rr.command(["pull", &name]).spawn()).collect();
    for one in running {
        one.wait().succeeds();
    }
    let requests = server.requests();
    let mut layers: Vec<_> = requests.iter().filter(|request| is_layer(request)).map(|request| &request.path).collect();
    layers.sort();
    // The config is fetched by each, the layers by one.
    layers.dedup();
    let times = |path: &&String| requests.iter().filter(|request| is_layer(request) && request.path == ***path).count();
    assert_eq!(layers.iter().filter(|path| times(path) == 1).count(), 2, "{requests:#?}");
}

#[test]
fn nobody_there_is_said_soon() {
    let rr = Rr::new();
    let refused = HostileServer::refusing_address();
    rr.run(["pull", &format!("{refused}/a/b")]).fails_with(1, "connection refused (ECONNREFUSED)");
    rr.command(["pull", "no-such-host.invalid/a/b"])
        .within(Duration::from_secs(40))
        .output()
        .fails_with(1, "no-such-host.invalid: ");
    let registry = requires!(Registry::shared());
    rr.run(["pull", &format!("{}/library/alpine:nope", registry.address())]).fails_with(1, "with the tag nope");
    rr.run(["run", "--rm", &format!("{}/library/alpine:nope", registry.address())])
        .fails_with(125, "with the tag nope");
}

#[test]
fn a_registry_that_wants_a_password_gets_it_from_auth_json() {
    let registry = requires!(Registry::start(Access::Basic));
    let archive = format!("oci-archive:{}", requires!(images::busybox()).display());
    requires!(registry.copy(&archive, "private/busybox:1", &["--dest-creds", "ana:secret"]));
    let rr = Rr::new();
    let name = format!("{}/private/busybox:1", registry.address());
    let outcome = rr.run(["pull", &name]).fails_with(1, "wants a user name and a password");
    assert!(outcome.stderr.contains("hint: "), "{outcome}");
    let login = ["login", "--tls-verify=false", "-u", "ana", "-p", "secret", registry.address()];
    let file = rr.path("auth.json");
    rr.any_command("skopeo", login).env("REGISTRY_AUTH_FILE", &file).output().succeeds();
    rr.command(["pull", &name]).env("REGISTRY_AUTH_FILE", &file).output().succeeds();
    let text = std::fs::read_to_string(&file).expect("skopeo's file").replace("YW5hOnNlY3JldA==", "YW5hOndyb25n");
    std::fs::write(&file, text).expect("own file");
    let outcome = rr.command(["pull", &name]).env("REGISTRY_AUTH_FILE", &file).output();
    outcome.fails_with(1, "does not accept the user name and password");
}

#[test]
fn mirrors_are_tried_in_order_and_blocked_registries_not_at_all() {
    let registry = requires!(Registry::shared());
    let rr = Rr::new();
    let refusing = HostileServer::refusing_address();
    rr.write_registries_conf(&format!(
        "[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"{refusing}\"\n\
         [[registry.mirror]]\nlocation = \"{}\"\n[[registry]]\nlocation = \"evil.example\"\nblocked = true\n",
        registry.address()
    ));
    rr.run(["run", "--rm", "--network", "none", "busybox", "true"]).succeeds();
    rr.run(["pull", "evil.example/x"]).fails_with(1, "blocks `evil.example`");
    rr.write_registries_conf("[[registry]\n");
    rr.run(["pull", "busybox"]).fails_with(1, "registries.conf: line 1");
}

#[test]
fn a_mirror_that_lies_does_not_hide_the_registry() {
    let lying = with_layer(|body| Answer::new(200, "application/octet-stream", vec![7; body.len()]));
    let honest = with_layer(|body| Answer::new(200, "application/octet-stream", body));
    let rr = Rr::new();
    rr.write_registries_conf(&format!(
        "[[registry]]\nprefix = \"r.test\"\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
        honest.address(),
        lying.address()
    ));
    rr.run(["pull", "r.test/a/b:1"]).succeeds();
    assert!(lying.requests().iter().filter(|request| is_layer(request)).count() >= 2);
}

#[test]
fn policies_decide_who_is_asked() {
    let (old, new) = (one_layer(), Shelf::image("a/b", "1", &[layer("new", b"new")]));
    let version = std::sync::Arc::new(AtomicUsize::new(0));
    let current = std::sync::Arc::clone(&version);
    let server = HostileServer::start(move |request| match current.load(Ordering::SeqCst) {
        0 => old.answer(request),
        1 => new.answer(request),
        _ => Answer::Drop,
    });
    let rr = Rr::new();
    let name = format!("{}/a/b:1", server.address());
    // The payload cannot be found in these images; that it is looked for tells that the image was there.
    let run = |policy: &str| rr.run(["run", "--rm", "--network", "none", "--pull", policy, &name, "/nothing"]);
    run("never").fails_with(125, "it is not in the store");
    run("missing").exits(127);
    let asked = server.requests().len();
    run("missing").exits(127);
    run("never").exits(127);
    assert_eq!(server.requests().len(), asked);
    let id = || rr.run(["images", "-q", "--no-trunc", &name]).succeeds().stdout;
    let first = id();
    run("newer").exits(127);
    assert_eq!(id(), first);
    assert!(server.requests()[asked..].iter().all(|request| request.method == "HEAD"));
    version.store(1, Ordering::SeqCst);
    run("always").exits(127);
    assert_ne!(id(), first);
    version.store(2, Ordering::SeqCst);
    assert!(run("newer").exits(127).stderr.contains("using the image in the store"));
    run("always").fails_with(125, "tried 5 times");
}

#[test]
fn a_full_disk_is_said_and_leaves_the_store_as_it_was() {
    let server = {
        let shelf = Shelf::image("a/b", "1", &[layer("big", &noise(6 << 20))]);
        HostileServer::start(move |request| shelf.answer(request))
    };
    let rr = Rr::new();
    let script = format!(
        "mount -t tmpfs -o size=4m,mode=700 none \"$XDG_DATA_HOME\" && {{ \"$0\" pull {}/a/b:1; status=$?; \
         \"$0\" images; find \"$XDG_DATA_HOME/rr/tmp\" -type f; exit $status; }}",
        server.address()
    );
    let inside = ["--map-root-user", "--map-auto", "--mount", "--", "sh", "-c", &script];
    let probe = rr.any_command("unshare", ["--map-root-user", "--map-auto", "--mount", "--", "true"]).output();
    requires!(if probe.status.success() { Ok(()) } else { Err(format!("unshare --map-auto: {}", probe.stderr)) });
    let binary = rr.binary().to_str().expect("UTF-8").to_owned();
    let outcome = rr.any_command("unshare", inside.iter().copied().chain([binary.as_str()])).output();
    let outcome = outcome.exits(1);
    assert!(outcome.stderr.contains("no space left on device (ENOSPC)"), "{outcome}");
    assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
}
