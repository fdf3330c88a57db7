//! An HTTP proxy: it answers CONNECT (RFC 9110 section 9.3.6), forwards requests whose first line has a whole address
//! (RFC 9112 section 3.2.2), and leads everything to one place.

use std::io::{BufRead, BufReader, Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The proxy. Its thread ends with the test process.
pub struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    cutting: Cutting,
}

/// Breaks what clients send.
#[derive(Clone)]
struct Cutting {
    /// How many connections are still to be broken.
    times: Arc<Mutex<usize>>,
    /// After this many bytes.
    after: u64,
}

impl Proxy {
    /// Leads to `destination`, whatever is asked for; None refuses everything.
    pub fn start(destination: Option<String>) -> Proxy {
        Proxy::with(destination, Cutting { times: Arc::default(), after: 0 })
    }

    /// Leads to `destination`, and breaks the first `times` connections whose client sends more than `after` bytes.
    pub fn cutting(destination: String, times: usize, after: u64) -> Proxy {
        Proxy::with(Some(destination), Cutting { times: Arc::new(Mutex::new(times)), after })
    }

    fn with(destination: Option<String>, cutting: Cutting) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let proxy = Proxy { address, asked: Arc::clone(&asked), cutting: cutting.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (asked, destination, cutting) = (Arc::clone(&asked), destination.clone(), cutting.clone());
                // A client that hangs up early is its own affair.
                std::thread::spawn(move || drop(lead(client, destination.as_deref(), &asked, &cutting)));
            }
        });
        proxy
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many connections are still to be broken.
    pub fn left_to_cut(&self) -> usize {
        *self.cutting.times.lock().expect("nobody panics with it")
    }

    /// What each connection asked for first: `host:port` of a CONNECT, the whole address of another request.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }
}

fn lead(
    client: TcpStream,
    destination: Option<&str>,
    asked: &Mutex<Vec<String>>,
    cutting: &Cutting,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let is_connect = words.next() == Some("CONNECT");
    let target = words.next().unwrap_or_default().to_owned();
    let is_forwarded = target.starts_with("http://");
    asked.lock().expect("nobody panics with it").push(target);
    // A server takes a whole address as well: only the way there is the proxy's.
    let mut head = line;
    loop {
        let start = head.len();
        if reader.read_line(&mut head)? <= 2 {
            break;
        }
        let header = head[start..].to_ascii_lowercase();
        if header.starts_with("proxy-auth") {
            asked.lock().expect("nobody panics with it").push(head.split_off(start).trim().to_owned());
        }
    }
    let mut client = client;
    let Some(destination) = destination.filter(|_| is_connect || is_forwarded) else {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    };
    let mut server = TcpStream::connect(destination)?;
    match is_connect {
        true => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?,
        false => server.write_all(head.as_bytes())?,
    }
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = std::thread::spawn(move || {
        let copied = copy(&mut from_server, &mut to_client);
        drop(to_client.shutdown(Shutdown::Both));
        drop(copied);
    });
    // The reader may hold what came right after the headers.
    if *cutting.times.lock().expect("nobody panics with it") > 0 {
        let sent = copy(&mut (&mut reader).take(cutting.after), &mut server)?;
        let mut times = cutting.times.lock().expect("nobody panics with it");
        if sent == cutting.after && *times > 0 {
            *times -= 1;
            client.shutdown(Shutdown::Both)?;
            return server.shutdown(Shutdown::Both);
        }
    }
    copy(&mut reader, &mut server)?;
    server.shutdown(Shutdown::Write)?;
    back.join().expect("it does not panic");
    Ok(())
}
