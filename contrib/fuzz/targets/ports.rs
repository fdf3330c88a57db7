//! Published ports as people type them: what is accepted prints as itself, and joined ports are no fewer.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::container::port_options::{distinct, expose, of_exposed, publish};
use rr::net::ports::{Bound, Shown, dockers, podmans};
use std::net::{IpAddr, Ipv4Addr};

fuzz_target!(|text: &str| {
    if let Ok(exposed) = expose(text) {
        assert!(!exposed.is_empty(), "from {text:?}");
        let _ = of_exposed(&exposed, &[]);
    }
    let Ok(published) = publish(text) else { return };
    for port in published.iter().take(100) {
        let address = match port.address {
            None => String::new(),
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            Some(address) => address.to_string(),
        };
        let printed = format!("{address}:{}:{}/{}", port.host, port.container, port.protocol);
        assert_eq!(publish(&printed).as_deref(), Ok(&[*port][..]), "{text:?} as {printed:?}");
    }
    let Ok(kept) = distinct(published) else { panic!("one option collides with itself: {text:?}") };
    let shown: Vec<Shown> = kept
        .iter()
        .map(|port| Bound {
            address: port.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
            host: port.host.fixed().unwrap_or(port.container),
            container: port.container,
            protocol: port.protocol,
        })
        .map(|bound| Shown::from(&bound))
        .collect();
    assert!(!dockers(&shown).is_empty() && !podmans(&shown).is_empty());
});
