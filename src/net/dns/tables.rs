//! Which names a client finds: those that all find, and its own. No I/O.

use super::LocalNames;
use std::collections::HashMap;
use std::net::IpAddr;

/// See the module.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tables {
    /// For everybody.
    all: LocalNames,
    /// For one client, by its address.
    of_one: HashMap<IpAddr, Vec<LocalNames>>,
}

impl Tables {
    /// A table for everybody.
    pub fn new(all: LocalNames) -> Tables {
        Tables { all, of_one: HashMap::new() }
    }

    /// One more for the client with this address alone, looked into when those before do not know a name.
    pub fn add(&mut self, client: IpAddr, names: LocalNames) {
        self.of_one.entry(client).or_default().push(names);
    }

    /// See [`LocalNames::answer`].
    pub fn answer(&self, client: IpAddr, query: &[u8], turn: usize, limit: usize) -> Option<Vec<u8>> {
        let own = self.of_one.get(&client).into_iter().flatten();
        std::iter::once(&self.all).chain(own).find_map(|names| names.answer(query, turn, limit))
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{kind, tests::query};
    use super::*;

    #[test]
    fn names_of_one_client_are_found_by_nobody_else() {
        let table = |name: &str, address: &str| {
            let mut names = LocalNames::new("net");
            names.add(name, address.parse().unwrap());
            names
        };
        let client = |last: u8| IpAddr::from([10, 89, 0, last]);
        let mut tables = Tables::new(table("web", "10.89.0.2"));
        tables.add(client(3), table("web", "10.90.0.9"));
        tables.add(client(3), table("db", "10.90.0.7"));
        let last = |of: u8, name: &str| {
            let answer = tables.answer(client(of), &query(7, name, kind::A, None), 0, 512)?;
            answer.last().copied()
        };
        assert_eq!((last(3, "web"), last(3, "db")), (Some(2), Some(7)));
        assert_eq!((last(4, "web"), last(4, "db")), (Some(2), None));
    }
}
