//! Many layers, whoever stacks them.

use crate::support::{HostileServer, Rr, Shelf};

/// A tar archive of files, each with its content.
fn layer(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content, mode) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        archive.append_data(&mut header, name, *content).expect("a vector takes bytes");
    }
    archive.into_inner().expect("a vector takes bytes")
}

/// As many layers as Docker lets an image have (moby, `layer/layer_store.go`: 125, and the image's own; 128
/// is what the store's names must fit for).
const LAYERS: usize = 128;

#[test]
fn an_image_of_128_layers_runs_on_every_rung() {
    let busybox = std::fs::read("/bin/busybox").expect("contrib/test installs busybox-static");
    let mut layers = vec![layer(&[("bin/busybox", &busybox, 0o755), ("all/0", b"0", 0o644), ("top", b"0", 0o644)])];
    for number in 1..LAYERS {
        let (own, text) = (format!("all/{number}"), number.to_string());
        let gone = format!("all/.wh.{}", number - 1);
        let mut files = vec![(own.as_str(), text.as_bytes(), 0o644), ("top", text.as_bytes(), 0o644)];
        if number % 10 == 0 {
            files.push((gone.as_str(), b"", 0o644));
        }
        layers.push(layer(&files));
    }
    let shelf = Shelf::image("many/layers", "1", &layers);
    let server = HostileServer::start(move |request| shelf.answer(request));
    let rr = Rr::new();
    let name = format!("{}/many/layers:1", server.address());
    rr.run(["pull", "-q", &name]).succeeds();
    let script = "busybox cat /top; busybox echo; busybox ls /all | busybox wc -l; busybox touch /all/new
        busybox grep ' / ' /proc/mounts";
    for (driver, mounted) in
        [("kernel", "overlay / overlay"), ("mount", "overlay / overlay"), ("fuse", "fuse"), ("copy", "")]
    {
        let words = ["run", "--rm", "--network", "none", &name, "/bin/busybox", "sh", "-c", script];
        let outcome = rr.command(words).env("RR_OVERLAY", driver).output().succeeds();
        let lines: Vec<&str> = outcome.stdout.lines().collect();
        // Every tenth has taken one away.
        let remaining = LAYERS - (LAYERS - 1) / 10;
        assert_eq!(lines[..2], [(LAYERS - 1).to_string(), remaining.to_string()], "{driver}: {outcome}");
        assert!(lines[2].contains(mounted), "{driver}: {outcome}");
        if driver == "mount" {
            // Linux 6.8 and later show each layer that came by the other rung as an option of its own.
            let lower = lines[2].split(',').find(|option| option.starts_with("lowerdir="));
            let lower = lower.unwrap_or_else(|| panic!("not by one string: {outcome}"));
            // One more below them: what the image lacks to mount upon.
            assert_eq!(lower.split(':').count(), LAYERS + 1, "{outcome}");
        }
    }
    rr.nothing_is_left();
}
