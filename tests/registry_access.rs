//! Registries that are not open to everybody: TLS, credentials from where users keep them, tokens, proxies.

use crate::support::{
    Access, Answer, Certificates, HostileServer, Proxy, Registry, Request, Rr, RrCommand, images, requires,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A registry with `x/busybox:1` behind TLS, and the name it has.
fn tls_registry(certificates: &Certificates) -> Result<(Registry, String), String> {
    let registry = Registry::start(Access::Tls(certificates))?;
    registry.push(images::busybox()?, "x/busybox:1")?;
    let port = registry.address().rsplit_once(':').expect("an address with a port").1.to_owned();
    Ok((registry, port))
}

#[test]
fn an_authority_is_known_by_ssl_cert_file_or_certs_d() {
    let rr = Rr::new();
    let certificates = requires!(Certificates::new(rr.path("certificates")));
    let (_registry, port) = requires!(tls_registry(&certificates));
    let host = format!("registry.localhost:{port}");
    let pull = |rr: &Rr, host: &str| rr.command(["pull", "-q", &format!("{host}/x/busybox:1")]);

    let outcome = pull(&rr, &host).output().fails_with(1, "an issuer this machine does not trust (TLS)");
    assert!(outcome.stderr.contains(&format!("certs.d/{host}/ca.crt")), "the remedy: {outcome}");
    assert_eq!(outcome.stderr.lines().count(), 2, "{outcome}");
    pull(&rr, &host).env("SSL_CERT_FILE", certificates.file("ca.crt")).output().succeeds();
    // The authority is known, but speaks for another name.
    let other = format!("other.localhost:{port}");
    let outcome = pull(&rr, &other).env("SSL_CERT_FILE", certificates.file("ca.crt")).output();
    outcome.fails_with(1, "its certificate is not valid (TLS)");

    for folder in ["home/.config/containers/certs.d", "home/.config/docker/certs.d", "home/.docker/certs.d"] {
        let rr = Rr::new();
        let own = rr.path(folder).join(&host);
        std::fs::create_dir_all(&own).expect("the user's own directory");
        std::fs::copy(certificates.file("ca.crt"), own.join("ca.crt")).expect("a certificate");
        pull(&rr, &host).output().succeeds();
        // It speaks for this host only.
        pull(&rr, &other).output().fails_with(1, "an issuer this machine does not trust");
    }
    let rr = Rr::new();
    rr.write_registries_conf(&format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n"));
    pull(&rr, &host).output().succeeds();
}

/// A credential helper that answers for `address` as `ana`, and knows nobody else. What it was asked for is
/// in `asked`.
fn write_helper(directory: &Path, name: &str, address: &str) {
    let script = format!(
        "#!/bin/sh\nread -r address\necho \"$1 $address\" >>\"${{0%/*}}/asked\"\n\
         case $address in\n\
         {address}) printf '{{\"ServerURL\":\"%s\",\"Username\":\"ana\",\"Secret\":\"secret\"}}\\n' \"$address\" ;;\n\
         broken) echo 'the keyring is locked' >&2; exit 1 ;;\n\
         *) echo 'credentials not found in native keychain'; exit 1 ;;\nesac\n"
    );
    let path = directory.join(format!("docker-credential-{name}"));
    std::fs::write(&path, script).expect("own directory");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("own file");
}

#[test]
fn credential_helpers_are_asked_for_the_password() {
    let registry = requires!(Registry::start(Access::Basic));
    let archive = format!("oci-archive:{}", requires!(images::busybox()).display());
    requires!(registry.copy(&archive, "private/busybox:1", &["--dest-creds", "ana:secret"]));
    let name = format!("{}/private/busybox:1", registry.address());
    let user = |config: &str| {
        let rr = Rr::new();
        let bin = rr.directory("bin");
        write_helper(&bin, "test", registry.address());
        std::fs::create_dir_all(rr.home().join(".docker")).expect("own home");
        std::fs::write(rr.home().join(".docker/config.json"), config).expect("own home");
        rr
    };
    let pull = |rr: &Rr| -> RrCommand {
        let path = format!("{}:{}", rr.path("bin").display(), std::env::var("PATH").expect("a PATH"));
        rr.command(["pull", "-q", &name]).env("PATH", path)
    };
    let asked = |rr: &Rr| std::fs::read_to_string(rr.path("bin/asked")).unwrap_or_default();

    for config in [
        format!(r#"{{"credHelpers": {{"{}": "test"}}}}"#, registry.address()),
        r#"{"credsStore": "test"}"#.to_owned(),
        // As `docker login` leaves it where there is a store: the entry says only that there is one.
        format!(r#"{{"auths": {{"{}": {{}}}}, "credsStore": "test"}}"#, registry.address()),
    ] {
        let rr = user(&config);
        pull(&rr).output().succeeds_quietly();
        assert_eq!(asked(&rr), format!("get {}\n", registry.address()), "{config}");
    }
    // A helper that knows nobody of that name leaves an anonymous pull.
    let rr = user(r#"{"credHelpers": {"other.example": "test"}}"#);
    pull(&rr).output().fails_with(1, "wants a user name and a password");
    assert_eq!(asked(&rr), "");
    let rr = user(&format!(r#"{{"credHelpers": {{"{}": "missing"}}}}"#, registry.address()));
    pull(&rr).output().fails_with(1, "docker-credential-missing");
    let rr = user(&format!(r#"{{"credHelpers": {{"{}": "test"}}}}"#, registry.address()));
    write_helper(&rr.path("bin"), "test", "nobody.example");
    pull(&rr).output().fails_with(1, "wants a user name and a password");
    let broken = "#!/bin/sh\necho 'the keyring is locked' >&2; exit 1\n";
    std::fs::write(rr.path("bin/docker-credential-test"), broken).expect("own directory");
    pull(&rr).output().fails_with(1, "the keyring is locked");
}

/// A token as distribution's token specification has it, signed by the authority: who may do what.
fn token(authority: &Certificates, access: &serde_json::Value) -> String {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let read = |name: &str| std::fs::read(authority.file(name)).expect("the authority's file");
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &read("ca.key.der"), &random)
        .expect("a key of openssl's");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let header = serde_json::json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(read("ca.crt.der"))]});
    let claims = serde_json::json!({
        "iss": "tests", "sub": "", "aud": "test", "exp": now + 300, "nbf": now - 30, "iat": now, "jti": "1",
        "access": access,
    });
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = key.sign(&random, text.as_bytes()).expect("a signature");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token server: nobody in particular may pull `open/…`, `ana` and the bearer of the refresh token
/// `remembered` may do what they ask for.
fn token_server(authority: Certificates) -> HostileServer {
    HostileServer::start(move |request: &Request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let query = request.path.split_once('?').map_or(body.clone(), |(_, query)| query.to_owned());
        let field = |name: &str| {
            let value = query.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().replace("%3A", ":").replace("%2F", "/").replace("%2C", ",")
        };
        let scope = field("scope");
        let mut parts = scope.split(':').skip(1);
        let (name, actions) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let ana = format!("Basic {}", STANDARD.encode("ana:secret"));
        let is_known = match (request.method.as_str(), request.header("authorization")) {
            ("POST", None) if field("grant_type") == "refresh_token" && field("refresh_token") == "remembered" => true,
            ("POST", _) => return Answer::status(401),
            (_, Some(who)) if who == ana => true,
            (_, Some(_)) => return Answer::status(401),
            (_, None) => false,
        };
        let actions: Vec<&str> = match is_known {
            true => actions.split(',').collect(),
            false if name.starts_with("open/") => vec!["pull"],
            false => Vec::new(),
        };
        let access = serde_json::json!([{"type": "repository", "name": name, "actions": actions}]);
        let token = token(&authority, &access);
        let answer = match request.method.as_str() {
            "POST" => serde_json::json!({"access_token": token, "expires_in": 300}),
            _ => serde_json::json!({"token": token}),
        };
        Answer::new(200, "application/json", answer.to_string())
    })
}

#[test]
fn tokens_are_had_by_anybody_by_password_and_by_identity_token() {
    let rr = Rr::new();
    let authority = requires!(Certificates::new(rr.path("certificates")));
    let same = requires!(Certificates::new(rr.path("certificates")));
    let server = token_server(same);
    let realm = format!("http://{}/token", server.address());
    let registry = requires!(Registry::start(Access::Token { authority: &authority, realm: &realm }));
    let archive = format!("oci-archive:{}", requires!(images::busybox()).display());
    for name in ["open/busybox:1", "closed/busybox:1"] {
        requires!(registry.copy(&archive, name, &["--dest-creds", "ana:secret"]));
    }
    let pull = |credentials: &str, repository: &str| {
        let rr = Rr::new();
        let file = rr.path("auth.json");
        std::fs::write(&file, format!(r#"{{"auths": {{"{}": {credentials}}}}}"#, registry.address()))
            .expect("own file");
        let name = format!("{}/{repository}/busybox:1", registry.address());
        rr.command(["pull", "-q", &name]).env("REGISTRY_AUTH_FILE", file).output()
    };
    let asked = server.requests().len();
    pull("{}", "open").succeeds_quietly();
    let first = &server.requests()[asked];
    assert!(first.method == "GET" && first.header("authorization").is_none(), "{first:?}");
    assert!(
        first.path.contains("service=test") && first.path.contains("scope=repository:open/busybox:pull"),
        "{first:?}"
    );
    let outcome = pull("{}", "closed").exits(1);
    assert!(outcome.stderr.contains("log in to"), "{outcome}");

    let password = format!(r#"{{"auth": "{}"}}"#, STANDARD.encode("ana:secret"));
    pull(&password, "closed").succeeds_quietly();
    let wrong = format!(r#"{{"auth": "{}"}}"#, STANDARD.encode("ana:wrong"));
    pull(&wrong, "closed").fails_with(1, "its token server does not accept who asks");

    let asked = server.requests().len();
    pull(r#"{"identitytoken": "remembered"}"#, "closed").succeeds_quietly();
    assert_eq!(server.requests()[asked].method, "POST");
    pull(r#"{"identitytoken": "forgotten"}"#, "closed").fails_with(1, "its token server does not accept who asks");
}

#[test]
fn proxies_are_used_as_the_environment_says() {
    let rr = Rr::new();
    let certificates = requires!(Certificates::new(rr.path("certificates")));
    let (registry, _) = requires!(tls_registry(&certificates));
    let proxy = Proxy::start(Some(registry.address().to_owned()));
    let address = format!("http://{}", proxy.address());
    // Only the proxy knows the way to this name.
    let pull = |rr: &Rr| {
        rr.command(["pull", "-q", "registry.test/x/busybox:1"])
            .env("SSL_CERT_FILE", certificates.file("ca.crt"))
            .within(Duration::from_secs(60))
    };
    pull(&rr).env("HTTPS_PROXY", &address).output().succeeds_quietly();
    assert!(proxy.asked().iter().all(|asked| asked == "registry.test:443"), "{:?}", proxy.asked());
    let times = proxy.asked().len();
    assert!(times > 0);

    let fresh = Rr::new();
    let outcome = pull(&fresh).env("HTTPS_PROXY", &address).env("NO_PROXY", "other,.test").output();
    outcome.fails_with(1, "registry.test: ");
    pull(&fresh).env("HTTP_PROXY", &address).output().fails_with(1, "registry.test: ");
    // Loopback is never asked for elsewhere.
    let public = requires!(Registry::shared());
    let name = format!("{}/library/busybox:latest", public.address());
    fresh.command(["pull", "-q", &name]).env("HTTPS_PROXY", &address).env("HTTP_PROXY", &address).output().succeeds();
    assert_eq!(proxy.asked().len(), times);

    let refusing = Proxy::start(None);
    let outcome = pull(&fresh).env("HTTPS_PROXY", format!("http://{}", refusing.address())).output();
    let outcome = outcome.fails_with(1, "the proxy does not lead there");
    assert!(outcome.stderr.contains(&format!("the proxy {}", refusing.address())), "{outcome}");
    let nobody = HostileServer::refusing_address();
    let outcome = pull(&fresh).env("HTTPS_PROXY", format!("http://ana:geheim@{nobody}")).output();
    let outcome = outcome.fails_with(1, "connection refused (ECONNREFUSED)");
    assert!(outcome.stderr.contains(&format!("the proxy {nobody}")) && !outcome.stderr.contains("geheim"), "{outcome}");
    let outcome = pull(&fresh).env("HTTPS_PROXY", "socks5://127.0.0.1:1").output();
    outcome.fails_with(1, "HTTPS_PROXY names a SOCKS proxy");
}

#[test]
fn a_push_whose_connections_break_goes_on_and_is_whole() {
    let registry = requires!(Registry::start(Access::Public));
    let proxy = Proxy::cutting(registry.address().to_owned(), 2, 1 << 20);
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    rr.run(["pull", "-q", "alpine"]).succeeds_quietly();
    let target = "plain.test:5000/team/alpine:1";
    rr.run(["tag", "alpine", target]).succeeds();
    let through = |words: &[&str]| rr.command(words).env("HTTP_PROXY", proxy.address()).within(Duration::from_secs(60));
    through(&["push", "--tls-verify=false", target]).output().succeeds();
    assert_eq!(proxy.left_to_cut(), 0, "the layer is larger than what passed at once");
    assert!(proxy.asked().iter().all(|asked| asked.starts_with("http://plain.test:5000/v2/")), "{:?}", proxy.asked());
    // Whoever gets it verifies it.
    let fresh = Rr::new();
    let name = format!("{}/team/alpine:1", registry.address());
    fresh.run(["pull", "-q", &name]).succeeds();
    let digest = |rr: &Rr, name: &str| rr.run(["image", "inspect", "-f", "{{.Id}}", name]).succeeds().line().to_owned();
    assert_eq!(digest(&fresh, &name), digest(&rr, target));
    // One that breaks every time is given up, and says where it broke.
    let empty = requires!(Registry::start(Access::Public));
    let hopeless = Proxy::cutting(empty.address().to_owned(), 1000, 65536);
    let push = rr.command(["push", "--tls-verify=false", "alpine", "plain.test:5000/other/alpine:1"]);
    let outcome = push.env("HTTP_PROXY", hopeless.address()).within(Duration::from_secs(120)).output();
    outcome.fails_with(1, "cannot push");
    fresh.run(["pull", "-q", &format!("{}/other/alpine:1", empty.address())]).exits(1);
}

#[test]
fn a_push_is_let_in_by_a_token_server() {
    let rr = Rr::new().with_mirror(requires!(Registry::shared()));
    rr.run(["pull", "-q", "alpine"]).succeeds_quietly();
    let authority = requires!(Certificates::new(rr.path("certificates")));
    let same = requires!(Certificates::new(rr.path("certificates")));
    let server = token_server(same);
    let realm = format!("http://{}/token", server.address());
    let registry = requires!(Registry::start(Access::Token { authority: &authority, realm: &realm }));
    let target = format!("{}/closed/alpine:1", registry.address());
    rr.run(["tag", "alpine", &target]).succeeds();
    let push = |more: &[&str]| rr.run([&["push", "-q", "--tls-verify=false"], more, &[&target]].concat());
    let outcome = push(&[]).exits(1);
    assert!(outcome.stderr.contains("log in to"), "{outcome}");
    push(&["--creds", "ana:wrong"]).fails_with(1, "its token server does not accept who asks");
    let asked = server.requests().len();
    push(&["--creds", "ana:secret"]).succeeds();
    let scopes: Vec<String> = server.requests()[asked..].iter().map(|request| request.path.clone()).collect();
    assert!(scopes.iter().any(|path| path.contains("closed/alpine:") && path.contains("push")), "{scopes:?}");
    // Its blobs are there already: from another repository of the registry they are taken, which wants two scopes.
    let other = format!("{}/closed/other:1", registry.address());
    let mounted = rr.run(["push", "--tls-verify=false", "--creds", "ana:secret", &target, &other]).succeeds();
    assert!(mounted.stderr.contains(": Mounted from") || mounted.stderr.contains(": Pushed"), "{mounted}");
    let password = STANDARD.encode("ana:secret");
    let file = rr.path("auth.json");
    std::fs::write(&file, format!(r#"{{"auths": {{"{}": {{"auth": "{password}"}}}}}}"#, registry.address())).unwrap();
    Rr::new().command(["pull", "-q", &other]).env("REGISTRY_AUTH_FILE", file).output().succeeds();
}

#[test]
fn plain_http_where_it_is_configured_goes_through_its_own_proxy() {
    let public = requires!(Registry::shared());
    let proxy = Proxy::start(Some(public.address().to_owned()));
    let rr = Rr::new();
    rr.write_registries_conf("[[registry]]\nlocation = \"plain.test:5000\"\ninsecure = true\n");
    let pull = rr.command(["pull", "-q", "plain.test:5000/library/busybox:latest"]);
    let pull = pull.env("HTTP_PROXY", proxy.address()).env("https_proxy", proxy.address());
    pull.output().succeeds_quietly();
    // Proxies let CONNECT through to the ports of TLS only.
    let is_whole = |asked: &String| asked.starts_with("http://plain.test:5000/v2/");
    let said = proxy.asked();
    // TLS was tried first, and that is what CONNECT is for.
    assert!(said.len() > 1 && said[0] == "plain.test:5000" && said[1..].iter().all(is_whole), "{said:?}");
    let asked = proxy.asked().len();
    let pull = rr.command(["pull", "-q", "plain.test:5000/library/alpine:latest"]);
    pull.env("HTTP_PROXY", format!("http://ana:secret@{}", proxy.address())).output().succeeds_quietly();
    let line = format!("Proxy-Authorization: Basic {}", STANDARD.encode("ana:secret"));
    let said: Vec<String> = proxy.asked().split_off(asked);
    assert!(!said.is_empty() && said.chunks(2).all(|pair| is_whole(&pair[0]) && pair[1] == line), "{said:?}");
}

/// Registries that want a client's certificate, in every place where podman and docker look for it.
#[test]
fn a_client_shows_its_certificate_to_a_registry_that_asks_for_one() {
    let rr = Rr::new();
    let certificates = requires!(Certificates::new(rr.path("certificates")));
    let registry = requires!(Registry::start(Access::ClientTls(&certificates)));
    let port = registry.address().rsplit_once(':').expect("an address with a port").1;
    let host = format!("registry.localhost:{port}");
    let name = format!("{host}/x/busybox:1");
    let with = |folder: &str, files: &[(&str, &str)]| {
        let rr = Rr::new();
        let own = rr.path(folder).join(&host);
        std::fs::create_dir_all(&own).expect("the user's own directory");
        for (from, to) in files {
            std::fs::copy(certificates.file(from), own.join(to)).expect("a certificate");
        }
        rr
    };
    let (authority, certificate, key) =
        (("ca.crt", "ca.crt"), ("client.crt", "client.cert"), ("client.key", "client.key"));
    let archive = format!("oci-archive:{}", requires!(images::busybox()).display());
    for folder in ["home/.config/containers/certs.d", "home/.config/docker/certs.d", "home/.docker/certs.d"] {
        let rr = with(folder, &[authority, certificate, key]);
        rr.run(["load", "-q", "-i", archive.trim_start_matches("oci-archive:")]).succeeds();
        let image = rr.run(["images", "-q"]).succeeds().line().to_owned();
        rr.run(["push", "-q", &image, &name]).succeeds();
        rr.run(["pull", "-q", &name]).succeeds();
    }
    // Without one the server ends the handshake.
    let without = with("home/.config/containers/certs.d", &[authority]);
    without
        .run(["pull", "-q", &name])
        .fails_with(1, "it wants a client's certificate")
        .says(&format!("certs.d/{host}/client.cert"));
    let keyless = with("home/.config/containers/certs.d", &[authority, certificate]);
    keyless.run(["pull", "-q", &name]).fails_with(1, "client.key: no such file or directory (ENOENT)");
}

/// `--tls-verify`, `--creds` and `--authfile` of `pull`, and those of `run` and `create`, as Podman has them.
#[test]
fn the_command_line_says_how_a_registry_is_reached() {
    let rr = Rr::new();
    let certificates = requires!(Certificates::new(rr.path("certificates")));
    let (_registry, port) = requires!(tls_registry(&certificates));
    let name = format!("registry.localhost:{port}/x/busybox:1");
    rr.run(["pull", "-q", &name]).fails_with(1, "an issuer this machine does not trust (TLS)");
    rr.run(["pull", "-q", "--tls-verify", &name]).fails_with(1, "an issuer this machine does not trust (TLS)");
    rr.run(["pull", "-q", "--tls-verify=false", &name]).succeeds_quietly();
    // It overrides what is configured, too.
    rr.write_registries_conf(&format!("[[registry]]\nlocation = \"registry.localhost:{port}\"\ninsecure = true\n"));
    rr.run(["pull", "-q", &name]).succeeds_quietly();
    rr.run(["pull", "-q", "--tls-verify=true", &name]).fails_with(1, "an issuer this machine does not trust (TLS)");

    let registry = requires!(Registry::start(Access::Basic));
    let archive = format!("oci-archive:{}", requires!(images::busybox()).display());
    requires!(registry.copy(&archive, "private/busybox:1", &["--dest-creds", "ana:secret"]));
    let name = format!("{}/private/busybox:1", registry.address());
    let rr = Rr::new();
    rr.run(["pull", "-q", &name]).fails_with(1, "wants a user name and a password");
    rr.run(["pull", "-q", "--creds", "ana:wrong", &name]).fails_with(1, "does not accept");
    rr.run(["pull", "-q", "--creds=ana:secret", &name]).succeeds_quietly();
    assert!(!rr.runtime_dir().join("containers/auth.json").exists(), "they are not kept");

    let rr = Rr::new();
    let file = rr.path("auth.json");
    let text = format!(r#"{{"auths": {{"{}": {{"auth": "{}"}}}}}}"#, registry.address(), STANDARD.encode("ana:secret"));
    let with_file = ["--authfile", file.to_str().expect("UTF-8")];
    rr.run([&["pull", "-q"], &with_file[..], &[&name]].concat()).fails_with(1, "no such file or directory (ENOENT)");
    std::fs::write(&file, text).expect("own directory");
    let run =
        |verb: &str, options: &[&str]| rr.run([&[verb, "-q", "--network", "none"], options, &[&name, "true"]].concat());
    run("run", &["--rm"]).fails_with(125, "wants a user name and a password");
    run("run", &[&["--rm", "--tls-verify=false"], &with_file[..]].concat()).succeeds_quietly();
    rr.run(["rmi", &name]).succeeds();
    run("create", &["--name", "made"]).fails_with(1, "wants a user name and a password");
    run("create", &[&["--name", "made"], &with_file[..]].concat()).succeeds_quietly();
    rr.run([&["pull", "-q"], &with_file[..], &[&name]].concat()).succeeds_quietly();
    rr.run(["rm", "made"]).succeeds();
    rr.nothing_is_left();
}
