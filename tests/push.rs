//! `login`, `logout` and `push` against a real registry.

use crate::support::{Access, Registry, Rr, command_exists, requires};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn user() -> Result<Rr, String> {
    let rr = Rr::new().with_mirror(Registry::shared()?);
    rr.run(["pull", "-q", "alpine"]).succeeds();
    Ok(rr)
}

/// What skopeo says of an image in a registry.
fn inspect(rr: &Rr, image: &str, options: &[&str]) -> serde_json::Value {
    let image = format!("docker://{image}");
    let arguments = [&["inspect", "--tls-verify=false"], options, &[image.as_str()]].concat();
    serde_json::from_str(&rr.any_command("skopeo", arguments).output().succeeds().stdout).expect("JSON")
}

fn manifest_digest(rr: &Rr, name: &str) -> String {
    rr.run(["image", "inspect", "-f", "{{.Digest}}", name]).succeeds().stdout.trim().to_owned()
}

#[test]
fn a_committed_image_is_pushed_and_pulled_by_others() {
    requires!(command_exists("skopeo"), "skopeo is not installed");
    let rr = requires!(user());
    let registry = requires!(Registry::start(Access::Public));
    rr.run(["run", "--name", "it", "--network", "none", "alpine", "sh", "-c", "echo mine >/mine"]).succeeds();
    let target = format!("{}/team/mine:1", registry.address());
    rr.run(["commit", "it", &target]).succeeds();
    let digests = rr.path("digest");
    let options = ["push", "--tls-verify=false", "--digestfile", digests.to_str().unwrap(), &target];
    let pushed = rr.run(options).succeeds();
    let digest = std::fs::read_to_string(&digests).unwrap();
    assert!(pushed.stdout.starts_with(&format!("The push refers to repository [{}/team/mine]\n", registry.address())));
    assert!(pushed.stdout.contains(&format!("1: digest: {digest} size: ")), "{}", pushed.stdout);
    assert_eq!(pushed.stderr.matches(": Pushed").count(), 2, "{}", pushed.stderr);
    assert_eq!(inspect(&rr, &target, &[])["Digest"], digest);
    assert_eq!(digest, manifest_digest(&rr, &target));

    let again = rr.run(["push", "--tls-verify=false", &target]).succeeds();
    assert_eq!(again.stderr.matches(": Layer already exists").count(), 2, "{}", again.stderr);
    let other = format!("{}/team/other:2", registry.address());
    let mounted = rr.run(["push", "--tls-verify=false", &target, &other]).succeeds();
    assert_eq!(mounted.stderr.matches(": Mounted from").count(), 2, "{}", mounted.stderr);
    let copy = format!("dir:{}", rr.path("copy").display());
    let copied = ["--insecure-policy", "copy", "-q", "--src-tls-verify=false", &format!("docker://{other}"), &copy];
    rr.any_command("skopeo", copied).output().succeeds();

    let fresh = Rr::new();
    fresh.write_registries_conf(&format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.address()));
    assert_eq!(
        fresh.run(["run", "--rm", "-q", "--network", "none", &other, "cat", "/mine"]).succeeds().stdout,
        "mine\n"
    );
    assert_eq!(rr.run(["push", "-q", "--tls-verify=false", &other]).fails_with(1, "no such image").stdout, "");
    assert_eq!(rr.run(["push", "-q", "--tls-verify=false", &target]).succeeds().stdout, format!("{target}\n"));
}

#[test]
fn what_was_pulled_as_one_platform_is_pushed_as_that() {
    requires!(command_exists("skopeo"), "skopeo is not installed");
    let rr = requires!(user());
    let registry = requires!(Registry::start(Access::Public));
    let target = format!("{}/alpine:x", registry.address());
    rr.run(["tag", "alpine", &target]).succeeds();
    rr.run(["push", "--tls-verify=false", "-a", target.trim_end_matches(":x")]).succeeds();
    let raw = inspect(&rr, &target, &["--raw"]);
    assert!(raw["layers"].is_array() && raw["manifests"].is_null(), "{raw}");
    let archive = format!("oci-archive:{}", rr.path("out.tar").display());
    rr.run(["push", "alpine", &archive]).succeeds();
    rr.any_command("skopeo", ["inspect", &archive]).output().succeeds();
    rr.run(["push", "nope"]).fails_with(1, "no such image");
    rr.run(["push", "alpine", "sha256:1234"]).fails_with(1, "an id is no place");
    rr.run(["push", "alpine", "127.0.0.1:1/x"]).fails_with(1, "ECONNREFUSED");
}

#[test]
fn login_tries_keeps_and_forgets_credentials() {
    let rr = requires!(user());
    let registry = requires!(Registry::start(Access::Basic));
    let address = registry.address();
    let target = format!("{address}/secret:1");
    rr.run(["tag", "alpine", &target]).succeeds();
    rr.run(["push", "--tls-verify=false", &target]).fails_with(1, "it wants a user name and a password");

    let login = |password: &str, more: &[&str]| {
        let options = [more, &["login", address, "--tls-verify=false", "-u", "ana", "--password-stdin"]].concat();
        rr.command(options).stdin(password).output()
    };
    login("wrong\n", &[]).fails_with(1, "does not accept");
    let file = rr.runtime_dir().join("containers/auth.json");
    assert!(!file.exists());
    assert_eq!(login("secret\n", &[]).succeeds().stdout, "Login Succeeded\n");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(rr.run(["login", "--get-login", address]).succeeds().stdout, "ana\n");
    rr.run(["push", "-q", "--tls-verify=false", &target]).succeeds();
    let creds = ["push", "-q", "--tls-verify=false", "--creds", "ana:nope", &target];
    rr.run(creds).fails_with(1, "does not accept");
    assert_eq!(rr.run(["logout", address]).succeeds().stdout, format!("Removing login credentials for {address}\n"));
    assert_eq!(rr.run(["logout", address]).succeeds().stdout, format!("Not logged in to {address}\n"));
    rr.run(["push", "--tls-verify=false", &target]).fails_with(1, "it wants a user name and a password");

    // As GitHub's runner calls it.
    let directory = rr.path("docker");
    let config = ["--config", directory.to_str().unwrap()];
    login("secret", &config).succeeds();
    let kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.join("config.json")).unwrap()).unwrap();
    assert!(kept["auths"][address]["auth"].is_string(), "{kept}");
    rr.run([&config[..], &["push", "-q", "--tls-verify=false", &target]].concat()).succeeds();
    // What is in that directory comes before what is elsewhere.
    let elsewhere = rr.runtime_dir().join("containers/auth.json");
    let wrong = format!(r#"{{"auths": {{"{address}": {{"auth": "YW5hOndyb25n"}}}}}}"#);
    std::fs::write(&elsewhere, wrong).unwrap();
    rr.run(["push", "-q", "--tls-verify=false", &target]).fails_with(1, "does not accept");
    rr.run([&config[..], &["push", "-q", "--tls-verify=false", &target]].concat()).succeeds();
    assert_eq!(rr.run([&config[..], &["login", "--get-login", address]].concat()).succeeds().stdout, "ana\n");
    std::fs::remove_file(&elsewhere).unwrap();
    rr.run([&config[..], &["logout", address]].concat()).succeeds();
    let authfile = rr.path("auth.json");
    let options =
        ["login", "--authfile", authfile.to_str().unwrap(), "--tls-verify=false", "-u", "ana", "-p", "secret"];
    let outcome = rr.run([&options[..], &[address]].concat()).succeeds();
    assert!(outcome.stderr.contains("WARNING! Using --password via the CLI is insecure"), "{}", outcome.stderr);
    let file = ["push", "-q", "--tls-verify=false", "--authfile", authfile.to_str().unwrap(), &target];
    rr.run(file).succeeds();
    rr.run(["login", "-u", "ana", address]).fails_with(1, "non TTY device");
    rr.run(["login", "--password-stdin", address]).fails_with(1, "Must provide --username");
}

/// A credential helper that keeps what it is given in a file, as docker-credential-pass keeps it elsewhere.
const HELPER: &str = r#"#!/bin/sh
case $1 in
store) cat >"$HOME/kept" ;;
get) cat >/dev/null; cat "$HOME/kept" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) cat >/dev/null; rm "$HOME/kept" ;;
esac
"#;

#[test]
fn a_credential_helper_gets_the_secret_instead_of_the_file() {
    let rr = requires!(user());
    let registry = requires!(Registry::start(Access::Basic));
    let tools = rr.directory("tools");
    let helper = tools.join("docker-credential-kept");
    std::fs::write(&helper, HELPER).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let directory = rr.directory("docker");
    std::fs::write(directory.join("config.json"), r#"{"credsStore":"kept","other":1}"#).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let run = |arguments: &[&str], input: &str| {
        let arguments = [&["--config", directory.to_str().unwrap()], arguments].concat();
        rr.command(arguments).env("PATH", &path).stdin(input).output()
    };
    let address = registry.address();
    run(&["login", "--tls-verify=false", "-u", "ana", "--password-stdin", address], "secret").succeeds();
    let text = std::fs::read_to_string(directory.join("config.json")).unwrap();
    assert!(!text.contains("auth\"") && text.contains(address) && text.contains("\"other\": 1"), "{text}");
    assert!(std::fs::read_to_string(rr.home().join("kept")).unwrap().contains("\"Secret\":\"secret\""));
    let target = format!("{address}/secret:2");
    run(&["tag", "alpine", &target], "").succeeds();
    run(&["push", "-q", "--tls-verify=false", &target], "").succeeds();
    run(&["logout", address], "").succeeds();
    assert!(!rr.home().join("kept").exists());
    assert!(Path::new(&directory).join("config.json").exists());
}
