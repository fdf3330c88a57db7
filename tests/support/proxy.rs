//! An HTTP proxy: it answers CONNECT (RFC 9110 section 9.3.6) and leads everything to one address.

use std::io::{BufRead, BufReader, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The proxy. Its thread ends with the test process.
pub struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Leads to `destination`, whatever is asked for; None refuses everything.
    pub fn start(destination: Option<String>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let proxy = Proxy { address, asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (asked, destination) = (Arc::clone(&asked), destination.clone());
                // A client that hangs up early is its own affair.
                std::thread::spawn(move || drop(lead(client, destination.as_deref(), &asked)));
            }
        });
        proxy
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `host:port` of each CONNECT so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }
}

fn lead(client: TcpStream, destination: Option<&str>, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let is_connect = words.next() == Some("CONNECT");
    asked.lock().expect("nobody panics with it").push(words.next().unwrap_or_default().to_owned());
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? <= 2 {
            break;
        }
    }
    let mut client = client;
    let Some(destination) = destination.filter(|_| is_connect) else {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    };
    let mut server = TcpStream::connect(destination)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = std::thread::spawn(move || {
        let copied = copy(&mut from_server, &mut to_client);
        drop(to_client.shutdown(Shutdown::Both));
        drop(copied);
    });
    // The reader may hold what came right after the headers.
    copy(&mut reader, &mut server)?;
    server.shutdown(Shutdown::Write)?;
    back.join().expect("it does not panic");
    Ok(())
}
