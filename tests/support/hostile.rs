//! A server that misbehaves as a test scripts it.
//!
//! The one fake among the tests: it plays a hostile or broken party, so that being fake is its role.
//! A test gives a function from each request to an [`Answer`]. What such a registry does *right* comes
//! from a [`Shelf`]: an image served honestly, of which the test then spoils one piece.

use ring::digest::{SHA256, digest};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `HEAD` …
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// As long as its `content-length` says.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A whole response; `content-length` is added unless it (or `transfer-encoding`) is given.
    Respond {
        /// 200, 404 …
        status: u16,
        /// As they are sent.
        headers: Vec<(String, String)>,
        /// Sent as it is; not for HEAD.
        body: Vec<u8>,
    },
    /// Closes the connection without a word.
    Drop,
    /// Answers honestly, then closes after this many bytes of the body.
    Truncate(Box<Answer>, usize),
    /// Answers honestly, this many bytes of the body at a time with that pause between.
    Slow(Box<Answer>, usize, Duration),
    /// Takes the request and never answers.
    Silence,
    /// Status 200 and a body of zeroes that never ends, with no length.
    Endless,
    /// These bytes instead of HTTP.
    Raw(Vec<u8>),
}

impl Answer {
    /// A response with a body of this type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        Answer::Respond { status, headers: vec![("content-type".into(), content_type.into())], body: body.into() }
    }

    /// A response without a body.
    pub fn status(status: u16) -> Answer {
        Answer::Respond { status, headers: Vec::new(), body: Vec::new() }
    }

    /// The same with one more header; only responses have any.
    pub fn header(mut self, name: &str, value: &str) -> Answer {
        match &mut self {
            Answer::Respond { headers, .. } => headers.push((name.to_owned(), value.to_owned())),
            other => panic!("{other:?} has no headers"),
        }
        self
    }
}

type Script = dyn Fn(&Request) -> Answer + Send + Sync;

/// The server; it stops with its value.
pub struct HostileServer {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    stopping: Arc<AtomicBool>,
}

impl HostileServer {
    /// Listens on a free port of loopback and answers every request with `script`.
    pub fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> HostileServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stopping = Arc::new(AtomicBool::new(false));
        let server = HostileServer { address, requests: Arc::clone(&requests), stopping: Arc::clone(&stopping) };
        let script: Arc<Script> = Arc::new(script);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (script, requests, stopping) = (Arc::clone(&script), Arc::clone(&requests), Arc::clone(&stopping));
                // A client that hangs up early is expected here, so errors of the connection end it.
                std::thread::spawn(move || drop(serve(connection, &*script, &requests, &stopping)));
            }
        });
        server
    }

    /// An address at which nobody listens: connections are refused.
    pub fn refusing_address() -> String {
        // Bound but not listening: refused, and nobody else can take the port while the socket lives.
        static HELD: Mutex<Vec<std::os::fd::OwnedFd>> = Mutex::new(Vec::new());
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
        let held = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&held, &std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
        let address = std::net::SocketAddr::try_from(getsockname(&held).expect("bound")).expect("an IP address");
        HELD.lock().expect("nobody panics with it").push(held);
        address.to_string()
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("nobody panics with it").clone()
    }
}

impl Drop for HostileServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; if it has ended already there is nobody to wake.
        drop(TcpStream::connect(&self.address));
    }
}

fn serve(
    connection: TcpStream,
    script: &Script,
    requests: &Mutex<Vec<Request>>,
    stopping: &AtomicBool,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection;
    while let Some(request) = read_request(&mut reader)? {
        requests.lock().expect("nobody panics with it").push(request.clone());
        let answer = script(&request);
        if !give(&mut writer, &request, answer, stopping)? {
            writer.shutdown(Shutdown::Both)?;
            break;
        }
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    // Whoever tries TLS first (its records start with byte 22) hears at once that there is none.
    if reader.fill_buf()?.first() == Some(&22) {
        return Ok(None);
    }
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { method, path, headers, body }))
}

/// Carries out an answer; whether the connection may go on.
fn give(out: &mut TcpStream, request: &Request, answer: Answer, stopping: &AtomicBool) -> std::io::Result<bool> {
    match answer {
        Answer::Respond { status, headers, body } => {
            out.write_all(&head(status, &headers, body.len()))?;
            if request.method != "HEAD" {
                out.write_all(&body)?;
            }
            Ok(true)
        }
        Answer::Drop => Ok(false),
        Answer::Truncate(answer, length) => {
            let (head, body) = whole(*answer);
            out.write_all(&head)?;
            out.write_all(&body[..length.min(body.len())])?;
            Ok(false)
        }
        Answer::Slow(answer, length, pause) => {
            let (head, body) = whole(*answer);
            out.write_all(&head)?;
            for piece in body.chunks(length.max(1)) {
                out.write_all(piece)?;
                std::thread::sleep(pause);
            }
            Ok(true)
        }
        Answer::Silence => {
            while !stopping.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(false)
        }
        Answer::Endless => {
            out.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
            while !stopping.load(Ordering::SeqCst) {
                out.write_all(&[0; 65536])?;
            }
            Ok(false)
        }
        Answer::Raw(bytes) => {
            out.write_all(&bytes)?;
            Ok(false)
        }
    }
}

fn whole(answer: Answer) -> (Vec<u8>, Vec<u8>) {
    match answer {
        Answer::Respond { status, headers, body } => (head(status, &headers, body.len()), body),
        other => panic!("{other:?} is no honest answer"),
    }
}

fn head(status: u16, headers: &[(String, String)], length: usize) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    let framed = |(name, _): &(String, String)| matches!(name.as_str(), "content-length" | "transfer-encoding");
    if !headers.iter().any(framed) {
        text += &format!("content-length: {length}\r\n");
    }
    (text + "\r\n").into_bytes()
}

/// An image on a registry's shelf: what a well-behaved registry would answer for it.
#[derive(Clone, Default)]
pub struct Shelf {
    /// Path to content type and bytes.
    things: BTreeMap<String, (String, Vec<u8>)>,
}

/// `sha256:…` of bytes.
pub fn sha256(bytes: &[u8]) -> String {
    let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Shelf {
    /// An OCI image `repository:tag` of these layers, each an uncompressed tar archive that is
    /// served gzipped, for this machine's platform.
    pub fn image(repository: &str, tag: &str, layers: &[Vec<u8>]) -> Shelf {
        let mut shelf = Shelf::default();
        let mut descriptors = Vec::new();
        for layer in layers {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(layer).expect("a vector takes bytes");
            let blob = gzip.finish().expect("a vector takes bytes");
            descriptors.push(shelf.blob(repository, "application/vnd.oci.image.layer.v1.tar+gzip", blob));
        }
        let diff_ids: Vec<String> = layers.iter().map(|layer| sha256(layer)).collect();
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = serde_json::json!({
            "architecture": architecture, "os": "linux", "config": { "Cmd": ["/bin/true"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config =
            shelf.blob(repository, "application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": descriptors,
        });
        shelf.manifest(repository, tag, media_type, manifest.to_string().into_bytes());
        shelf
    }

    /// Adds a blob; gives its descriptor.
    pub fn blob(&mut self, repository: &str, media_type: &str, bytes: Vec<u8>) -> serde_json::Value {
        let (digest, size) = (sha256(&bytes), bytes.len());
        let path = format!("/v2/{repository}/blobs/{digest}");
        self.things.insert(path, ("application/octet-stream".to_owned(), bytes));
        serde_json::json!({ "mediaType": media_type, "digest": digest, "size": size })
    }

    /// Adds a manifest under its tag and its digest.
    pub fn manifest(&mut self, repository: &str, tag: &str, media_type: &str, bytes: Vec<u8>) {
        for name in [tag, &sha256(&bytes)] {
            self.things.insert(format!("/v2/{repository}/manifests/{name}"), (media_type.to_owned(), bytes.clone()));
        }
    }

    /// The repository's longest blob: its layer, where it has one and that is longer than the config.
    pub fn layer_blob(&self, repository: &str) -> Option<Vec<u8>> {
        let prefix = format!("/v2/{repository}/blobs/");
        let blobs = self.things.iter().filter(|(path, _)| path.starts_with(&prefix));
        blobs.map(|(_, (_, bytes))| bytes.clone()).max_by_key(Vec::len)
    }

    /// What a good registry answers: `/v2/`, manifests and blobs by GET and HEAD, ranges of blobs.
    pub fn answer(&self, request: &Request) -> Answer {
        if request.path == "/v2/" {
            return Answer::new(200, "application/json", "{}");
        }
        let Some((content_type, bytes)) = self.things.get(&request.path) else {
            let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
            return Answer::new(404, "application/json", body);
        };
        let start =
            request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        match start {
            Some(start) if start < bytes.len() => Answer::new(206, content_type, &bytes[start..])
                .header("content-range", &format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len())),
            Some(_) => Answer::status(416),
            None => Answer::new(200, content_type, bytes.clone()).header("docker-content-digest", &sha256(bytes)),
        }
    }
}
