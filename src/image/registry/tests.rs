//! The protocol against servers that are scripted: each test says what its registry answers.

use super::*;
use crate::host::dirs::Dirs;
use crate::image::http::Patience;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

/// A request line and its headers in lower case.
struct Asked {
    line: String,
    headers: String,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

type Log = Arc<Mutex<Vec<String>>>;

/// Serves one request a connection with what `script` answers, which may be anything; None is silence.
/// The log holds the request lines, but for TLS hellos.
fn server(script: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let log = Log::default();
    let (script, seen) = (Arc::new(script), Arc::clone(&log));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut stream = stream;
                // A TLS hello starts with byte 22; say something that is no TLS.
                if reader.fill_buf().is_ok_and(|bytes| bytes.first() == Some(&22)) {
                    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                    return;
                }
                let mut text = String::new();
                while reader.read_line(&mut text).is_ok_and(|count| count > 2) {}
                let (line, headers) = text.split_once("\r\n").unwrap_or((&text, ""));
                let body_length: usize = header_of(headers, "content-length").unwrap_or(0);
                let mut body = vec![0; body_length];
                let _ = reader.read_exact(&mut body);
                let asked =
                    Asked { line: line.to_owned(), headers: headers.to_owned() + &String::from_utf8_lossy(&body) };
                seen.lock().unwrap().push(line.to_owned());
                match script(&asked) {
                    Some(bytes) => drop(stream.write_all(&bytes)),
                    None => std::thread::sleep(Duration::from_secs(30)),
                }
            });
        }
    });
    (address, log)
}

fn header_of(headers: &str, name: &str) -> Option<usize> {
    headers.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(name)?.strip_prefix(": ")?.parse().ok())
}

fn respond(status: u16, headers: &str, body: &[u8]) -> Option<Vec<u8>> {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    Some([head.as_bytes(), body].concat())
}

fn repository(address: &str, credentials: Credentials) -> Repository {
    let dirs = Dirs { home: None, data: "/nowhere".into(), config: None, runtime: "/nowhere".into(), session: None };
    let patience = Patience {
        connect: Duration::from_secs(5),
        silence: Duration::from_millis(300),
        tries: 3,
        backoff: Duration::from_millis(1),
        longest_wait: Duration::from_secs(2),
    };
    let reference = format!("{address}/a/b:tag").parse().unwrap();
    let endpoint = Endpoint { reference, security: Security::Insecure };
    Repository::new(endpoint, credentials, Agents::new(&dirs, patience))
}

fn anonymous(address: &str) -> Repository {
    repository(address, Credentials::Anonymous)
}

fn ana() -> Credentials {
    Credentials::Password { user: "ana".into(), password: "secret".into() }
}

fn cause<T: std::fmt::Debug>(result: Result<T, Trouble>) -> String {
    result.unwrap_err().cause
}

#[test]
fn a_manifest_comes_with_its_digest_and_type() {
    let (address, log) = server(|asked| {
        assert!(asked.header("accept").unwrap().contains(media_type::DOCKER_LIST), "{}", asked.headers);
        respond(200, "content-type: text/x\r\n", b"{}")
    });
    let fetched = anonymous(&address).manifest("tag").unwrap();
    assert_eq!(fetched.digest, Digest::of(b"{}"));
    assert_eq!(fetched.content_type.as_deref(), Some("text/x"));
    assert_eq!(*log.lock().unwrap(), ["GET /v2/a/b/manifests/tag HTTP/1.1"]);
}

#[test]
fn a_manifest_of_another_digest_is_refused() {
    let other = Digest::of(b"other");
    let (address, _) = server(move |_| respond(200, &format!("docker-content-digest: {other}\r\n"), b"{}"));
    let repository = anonymous(&address);
    assert!(cause(repository.manifest("tag")).contains("instead of"));
    let error = cause(repository.manifest(&other.to_string()));
    assert!(error.contains(&format!("has the digest {} instead of {other}", Digest::of(b"{}"))), "{error}");
}

#[test]
fn refusals_are_said_in_words() {
    let (address, _) = server(|asked| match asked.line.as_str() {
        line if line.contains("name") => respond(404, "", br#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#),
        line if line.contains("teapot") => respond(418, "", br#"{"errors":[{"message":"short and \u001b[31mstout"}]}"#),
        line if line.contains("denied") => respond(403, "", b""),
        _ => respond(404, "", b"<html>"),
    });
    let repository = anonymous(&address);
    assert!(cause(repository.manifest("name")).ends_with("it has no repository a/b"));
    assert!(cause(repository.manifest("tag")).ends_with("it has no image a/b with the tag tag"));
    assert!(cause(repository.manifest("teapot")).contains("418 I'm a teapot (short and \\u{1b}[31mstout)"));
    let trouble = repository.manifest("denied").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Denied);
    assert!(trouble.hints[0].contains("log in"), "{trouble:?}");
    let digest = Digest::of(b"x");
    let error = cause(repository.small_blob(&digest, 1, 10));
    assert!(error.ends_with(&format!("it has no blob {digest} in a/b")), "{error}");
}

#[test]
fn nobody_at_home_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let trouble = anonymous(&address).manifest("tag").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unreachable);
    assert!(trouble.cause.ends_with("connection refused (ECONNREFUSED)"), "{trouble}");

    let (address, _) = server(|_| Some(b"SSH-2.0-nonsense\r\n".to_vec()));
    let error = cause(anonymous(&address).manifest("tag"));
    assert!(error.contains("does not speak HTTP"), "{error}");
}

#[test]
fn tls_is_asked_for_where_plain_http_is_not_allowed() {
    let (address, log) = server(|_| respond(200, "", b"{}"));
    let mut repository = anonymous(&address);
    repository.endpoint.security = Security::Verified;
    let trouble = repository.manifest("tag").unwrap_err();
    assert!(trouble.cause.ends_with("it does not speak TLS"), "{trouble}");
    assert!(trouble.hints[0].contains("insecure = true"), "{trouble:?}");
    assert!(log.lock().unwrap().is_empty());
}

#[test]
fn silence_and_dropped_connections_are_tried_again_a_few_times() {
    let (address, log) = server(|_| None);
    let start = Instant::now();
    let error = cause(anonymous(&address).manifest("tag"));
    assert!(error.contains("nothing came for 0.3 seconds (tried 3 times)"), "{error}");
    assert_eq!(log.lock().unwrap().len(), 3);
    assert!(start.elapsed() < Duration::from_secs(10));

    let (address, log) = server(|_| Some(Vec::new()));
    let error = cause(anonymous(&address).manifest("tag"));
    assert!(error.contains("tried 3 times"), "{error}");
    assert_eq!(log.lock().unwrap().len(), 3);
}

#[test]
fn overload_is_waited_out_as_long_as_asked() {
    let calls = Mutex::new(0);
    let (address, _) = server(move |_| {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        match *calls {
            1 => respond(503, "", b""),
            2 => respond(429, "retry-after: 1\r\n", b""),
            _ => respond(200, "", b"{}"),
        }
    });
    let start = Instant::now();
    anonymous(&address).manifest("tag").unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));

    let (address, log) = server(|_| respond(429, "retry-after: 3600\r\n", b""));
    let error = cause(anonymous(&address).manifest("tag"));
    assert!(error.contains("429 Too Many Requests (it asks to wait 3600 seconds)"), "{error}");
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[test]
fn a_wait_may_be_seconds_or_a_date() {
    let now: jiff::Timestamp = "2026-11-24T20:00:00Z".parse().unwrap();
    let asked = |text: &'static str| {
        let headers: HeaderMap = [(RETRY_AFTER, text.parse().unwrap())].into_iter().collect();
        retry_after(&headers, now)
    };
    assert_eq!(asked("7"), Some(Duration::from_secs(7)));
    assert_eq!(asked("Tue, 24 Nov 2026 20:00:42 GMT"), Some(Duration::from_secs(42)));
    assert_eq!(asked("Mon, 23 Nov 2026 20:00:42 GMT"), Some(Duration::ZERO));
    assert_eq!((asked("soon"), asked("-1"), retry_after(&HeaderMap::new(), now)), (None, None, None));

    let over = (jiff::Timestamp::now() + Duration::from_secs(7200)).to_zoned(jiff::tz::TimeZone::UTC);
    let date = over.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let (address, log) = server(move |_| respond(429, &format!("retry-after: {date}\r\n"), b""));
    let error = cause(anonymous(&address).manifest("tag"));
    assert!(error.contains("it asks to wait 7"), "{error}");
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[test]
fn a_token_server_that_is_busy_is_asked_again() {
    let calls = Mutex::new(0);
    let own = Arc::new(OnceLock::<String>::new());
    let realm = Arc::clone(&own);
    let (address, log) = server(move |asked| {
        if asked.line.contains("/token") {
            let mut calls = calls.lock().unwrap();
            *calls += 1;
            return match *calls {
                1 => respond(429, "", b""),
                2 => respond(503, "", b""),
                _ => respond(200, "", br#"{"token":"t"}"#),
            };
        }
        match asked.header("authorization") {
            Some("Bearer t") => respond(200, "", b"{}"),
            _ => {
                let challenge = format!("www-authenticate: Bearer realm=\"http://{}/token\"\r\n", realm.get().unwrap());
                respond(401, &challenge, b"")
            }
        }
    });
    own.set(address.clone()).unwrap();
    anonymous(&address).manifest("tag").unwrap();
    assert_eq!(log.lock().unwrap().iter().filter(|line| line.contains("/token")).count(), 3);
}

#[test]
fn big_answers_are_refused_before_and_while_they_come() {
    let (address, _) = server(|_| Some(b"HTTP/1.1 200 X\r\ncontent-length: 99999999\r\n\r\n".to_vec()));
    assert!(cause(anonymous(&address).manifest("tag")).contains("over the limit"));
    let (address, _) = server(|_| {
        let mut answer = b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n".to_vec();
        answer.resize(MAX_MANIFEST as usize + 1000, b' ');
        Some(answer)
    });
    assert!(cause(anonymous(&address).manifest("tag")).contains("over the limit"));
    assert!(cause(anonymous(&address).small_blob(&Digest::of(b""), 11, 10)).contains("over the limit of 10"));
}

#[test]
fn redirects_lose_the_authorization_and_end() {
    let (storage, stored) = server(|asked| {
        assert_eq!(asked.header("authorization"), None);
        respond(200, "", b"blob")
    });
    let (address, _) = server(move |asked| match asked.header("authorization") {
        None => respond(401, "www-authenticate: Basic realm=\"x\"\r\n", b""),
        Some(_) if asked.line.contains("loop") => respond(302, "location: /v2/a/b/manifests/loop\r\n", b""),
        Some(_) => respond(307, &format!("location: http://{storage}/there?sig=1\r\n"), b""),
    });
    let repository = repository(&address, ana());
    assert_eq!(repository.small_blob(&Digest::of(b"blob"), 4, 10).unwrap(), b"blob");
    assert_eq!(*stored.lock().unwrap(), ["GET /there?sig=1 HTTP/1.1"]);
    assert!(cause(repository.manifest("loop")).contains("more than 10 redirects"));
}

/// A registry with its token server on the same address.
fn with_tokens(accepted: &'static str) -> (String, Log) {
    let own = Arc::new(OnceLock::<String>::new());
    let seen = Arc::clone(&own);
    let (address, log) = server(move |asked| {
        let address = seen.get().unwrap();
        if asked.line.contains("/token") {
            let answer = match asked.header("authorization") {
                _ if asked.line.starts_with("POST") => {
                    assert!(asked.headers.contains("grant_type=refresh_token"), "{}", asked.headers);
                    assert!(asked.headers.contains("refresh_token=idt"), "{}", asked.headers);
                    r#"{"access_token":"by-identity"}"#
                }
                Some("Basic YW5hOnNlY3JldA==") => r#"{"token":"by-password","access_token":"other"}"#,
                Some(_) => return respond(401, "", b""),
                None => r#"{"token":"anonymous"}"#,
            };
            return respond(200, "", answer.as_bytes());
        }
        match asked.header("authorization") {
            Some(token) if token == format!("Bearer {accepted}") => respond(200, "", b"{}"),
            _ => respond(
                401,
                &format!("www-authenticate: Bearer realm=\"http://{address}/token\",service=\"reg istry\"\r\n"),
                b"",
            ),
        }
    });
    own.set(address.clone()).unwrap();
    (address, log)
}

#[test]
fn tokens_are_fetched_for_whoever_asks_and_kept() {
    for (accepted, credentials) in [
        ("anonymous", Credentials::Anonymous),
        ("by-password", ana()),
        ("by-identity", Credentials::IdentityToken("idt".into())),
    ] {
        let (address, log) = with_tokens(accepted);
        let repository = repository(&address, credentials);
        repository.manifest("tag").unwrap();
        repository.afresh().manifest("tag").unwrap();
        let log = log.lock().unwrap();
        assert_eq!(log.len(), 4, "{log:?}");
        if accepted == "by-password" {
            let query = "?service=reg%20istry&scope=repository:a/b:pull&account=ana";
            assert_eq!(log[1], format!("GET /token{query} HTTP/1.1"));
        }
    }
}

#[test]
fn endless_challenges_end() {
    let (address, log) = with_tokens("never given");
    let trouble = anonymous(&address).manifest("tag").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Denied);
    assert!(log.lock().unwrap().len() <= 6, "{log:?}");
    let wrong = Credentials::Password { user: "ana".into(), password: "wrong".into() };
    let trouble = repository(&address, wrong).manifest("tag").unwrap_err();
    assert!(trouble.cause.contains("token server does not accept"), "{trouble}");
    assert!(trouble.hints[0].contains("log in to it again"));

    let (address, log) = server(|_| respond(401, "www-authenticate: Basic realm=\"x\"\r\n", b""));
    assert!(cause(repository(&address, ana()).manifest("tag")).contains("does not accept the user name"));
    assert_eq!(log.lock().unwrap().len(), 2);
    assert!(cause(anonymous(&address).manifest("tag")).contains("wants a user name"));
    let (address, _) = server(|_| respond(401, "", b""));
    assert!(cause(anonymous(&address).manifest("tag")).contains("does not say how"));
}

const CONTENT: &[u8] = b"0123456789";

fn read_blob(address: &str, size: usize, offset: u64) -> Result<Vec<u8>, String> {
    let repository = anonymous(address);
    let mut bytes = Vec::new();
    let mut reader = repository.blob(&Digest::of(CONTENT), size as u64, offset);
    match reader.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Trouble::in_error(&error).expect("errors carry their trouble").cause.clone()),
    }
}

/// Answers ranges, each time with `piece` bytes before the connection breaks.
fn breaking(piece: usize, ranges: bool) -> (String, Log) {
    server(move |asked| {
        let from: usize = match asked.header("range") {
            Some(range) if ranges => range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap(),
            _ => 0,
        };
        let rest = &CONTENT[from..];
        let status = if from > 0 { 206 } else { 200 };
        let range = if from > 0 { format!("content-range: bytes {from}-9/10\r\n") } else { String::new() };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{range}\r\n", rest.len());
        Some([head.as_bytes(), &rest[..piece.min(rest.len())]].concat())
    })
}

#[test]
fn a_broken_download_goes_on_by_range() {
    let (address, log) = breaking(6, true);
    assert_eq!(read_blob(&address, 10, 0).unwrap(), CONTENT);
    assert_eq!(log.lock().unwrap().len(), 2);
    assert_eq!(read_blob(&address, 10, 7).unwrap(), b"789");
    // Without ranges it starts over and passes over what is known.
    let (address, _) = breaking(10, false);
    assert_eq!(read_blob(&address, 10, 7).unwrap(), b"789");
    let (address, log) = breaking(4, false);
    let error = read_blob(&address, 10, 0).unwrap_err();
    assert!(error.contains("tried 3 times"), "{error}");
    assert_eq!(log.lock().unwrap().len(), 3);
}

#[test]
fn lengths_and_ranges_that_lie_are_refused() {
    let (address, _) = server(|_| respond(200, "", CONTENT));
    let error = read_blob(&address, 9, 0).unwrap_err();
    assert!(error.contains("is 10 bytes long there, and the manifest says 9"), "{error}");
    let (address, _) = server(|_| respond(206, "content-range: bytes 0-9/10\r\n", CONTENT));
    assert!(read_blob(&address, 10, 5).unwrap_err().contains("another range"));
    // No length at all, and more or less than announced.
    let endless = || {
        let mut answer = b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n".to_vec();
        answer.extend(CONTENT);
        Some(answer)
    };
    let (address, _) = server(move |_| endless());
    assert_eq!(read_blob(&address, 10, 0).unwrap(), CONTENT);
    assert!(read_blob(&address, 8, 0).unwrap_err().contains("does not end after the 8 bytes"));
    let error = read_blob(&address, 12, 0).unwrap_err();
    assert!(error.contains("ends after 10 of 12 bytes"), "{error}");
}

#[test]
fn a_head_tells_the_digest_where_the_registry_does() {
    let (address, log) = server(|_| respond(200, &format!("docker-content-digest: {}\r\n", Digest::of(b"x")), b""));
    assert_eq!(anonymous(&address).manifest_digest("tag").unwrap(), Some(Digest::of(b"x")));
    assert!(log.lock().unwrap()[0].starts_with("HEAD "));
    let (address, _) = server(|_| respond(200, "", b""));
    assert_eq!(anonymous(&address).manifest_digest("tag").unwrap(), None);
}
