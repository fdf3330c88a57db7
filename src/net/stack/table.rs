//! Things by number, where a number given out is not mistaken for a later thing's: an event may be about a flow that is
//! gone, whose place another one has.

/// The number of a thing in a [`Table`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    index: u32,
    generation: u32,
}

/// Generations that an event's 64 bits have room for, beside the index and what kind of thing it is about.
const GENERATIONS: u32 = 1 << 24;

impl Id {
    /// In the lower 56 bits.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// Of the lower 56 bits.
    pub fn from_bits(bits: u64) -> Id {
        Id { index: bits as u32, generation: (bits >> 32) as u32 % GENERATIONS }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Table<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Table<T> {
    /// How many things are in it.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Takes a thing in.
    pub fn insert(&mut self, thing: T) -> Id {
        if let Some(index) = self.free.pop() {
            let (generation, place) = &mut self.places[index as usize];
            *place = Some(thing);
            return Id { index, generation: *generation };
        }
        self.places.push((0, Some(thing)));
        Id { index: self.places.len() as u32 - 1, generation: 0 }
    }

    /// None where it is gone.
    pub fn get(&self, id: Id) -> Option<&T> {
        match self.places.get(id.index as usize) {
            Some((generation, place)) if *generation == id.generation => place.as_ref(),
            _ => None,
        }
    }

    /// None where it is gone.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        match self.places.get_mut(id.index as usize) {
            Some((generation, place)) if *generation == id.generation => place.as_mut(),
            _ => None,
        }
    }

    /// Takes a thing out.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let (generation, place) = self.places.get_mut(id.index as usize)?;
        if *generation != id.generation {
            return None;
        }
        let thing = place.take()?;
        *generation = (*generation + 1) % GENERATIONS;
        self.free.push(id.index);
        Some(thing)
    }

    /// The one with the least key.
    pub fn least_by_key<K: Ord>(&self, key: impl Fn(&T) -> K) -> Option<Id> {
        self.iter().min_by_key(|(_, thing)| key(thing)).map(|(id, _)| id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.places.iter().enumerate().filter_map(|(index, (generation, place))| {
            Some((Id { index: index as u32, generation: *generation }, place.as_ref()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_number_is_nobodys() {
        let mut table = Table::default();
        let first = table.insert('a');
        assert_eq!(table.remove(first), Some('a'));
        let second = table.insert('b');
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get_mut(Id::from_bits(second.to_bits())), Some(&mut 'b'));
        assert_eq!((table.len(), table.iter().count()), (1, 1));
    }
}
