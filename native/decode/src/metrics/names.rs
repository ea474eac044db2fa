//! Numbers each distinct stat, across calls: what it is called, its labels, its kind, and the style of its sender.

use crate::metrics::metric::{Kind, Label};
use crate::text::text;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::BuildHasher;

/// A stat whose name and labels are longer is kept out: Envoy's have some hundred bytes.
const MAX_KEY_BYTES: usize = 16 << 10;

/// Why a stat has no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are as many stats as there may be.
    Full,
    /// Its name and labels are too long.
    TooLong,
}

/// A stat that came for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its number from now on, until it is forgotten.
    pub number: u32,
    /// What the caller said of its sender.
    pub style: u8,
    /// What its values are.
    pub kind: Kind,
    /// The family's name.
    pub name: String,
    /// Name and value of each label, in the order of the wire.
    pub labels: Vec<(String, String)>,
}

struct Slot {
    hash: u64,
    number: u32,
}

/// The stats known. Numbers of forgotten ones are given again.
pub struct Names {
    most: usize,
    slots: HashTable<Slot>,
    keys: Vec<Option<Box<[u8]>>>,
    free: Vec<u32>,
    hasher: RandomState,
    scratch: Vec<u8>,
    fresh: Vec<Stat>,
    repaired: u64,
}

impl Names {
    /// At most so many stats at a time.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            slots: HashTable::new(),
            keys: vec![],
            free: vec![],
            hasher: RandomState::default(),
            scratch: vec![],
            fresh: vec![],
            repaired: 0,
        }
    }

    /// How many stats are known.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The stats that came for the first time since the last call, and how many of them were not UTF-8.
    pub fn take_fresh(&mut self) -> (Vec<Stat>, u64) {
        (std::mem::take(&mut self.fresh), std::mem::take(&mut self.repaired))
    }

    /// Forgets stats; numbers that none has are passed over.
    pub fn forget(&mut self, numbers: &[u32]) {
        for &number in numbers {
            let Some(key) = self.keys.get_mut(number as usize).and_then(Option::take) else { continue };
            let hash = self.hasher.hash_one(&*key);
            if let Ok(found) = self.slots.find_entry(hash, |slot| slot.number == number) {
                found.remove();
            }
            self.free.push(number);
        }
    }

    /// The number of a stat.
    #[inline]
    pub fn number(&mut self, style: u8, kind: Kind, name: &[u8], labels: &[Label]) -> Result<u32, Refusal> {
        write_key(&mut self.scratch, style, kind, name, labels);
        let hash = self.hasher.hash_one(&*self.scratch);
        let (keys, scratch) = (&self.keys, &self.scratch);
        let known = |slot: &Slot| slot.hash == hash && keys[slot.number as usize].as_deref() == Some(scratch);
        match self.slots.find(hash, known) {
            Some(slot) => Ok(slot.number),
            None => self.learn(hash, style, kind, name, labels),
        }
    }

    #[cold]
    fn learn(&mut self, hash: u64, style: u8, kind: Kind, name: &[u8], labels: &[Label]) -> Result<u32, Refusal> {
        if self.scratch.len() > MAX_KEY_BYTES {
            return Err(Refusal::TooLong);
        }
        if self.slots.len() >= self.most {
            return Err(Refusal::Full);
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.keys.push(None);
            self.keys.len() as u32 - 1
        });
        self.keys[number as usize] = Some(self.scratch.as_slice().into());
        if let Entry::Vacant(vacant) = self.slots.entry(hash, |slot| slot.number == number, |slot| slot.hash) {
            vacant.insert(Slot { hash, number });
        }
        let mut wrong = false;
        let mut own = |bytes: &[u8]| text(bytes, &mut wrong).into_owned();
        let labels = labels.iter().map(|label| (own(label.name), own(label.value))).collect();
        self.fresh.push(Stat { number, style, kind, name: own(name), labels });
        self.repaired += u64::from(wrong);
        Ok(number)
    }
}

/// Each part after its length, so that no two stats have one key.
#[inline]
fn write_key(key: &mut Vec<u8>, style: u8, kind: Kind, name: &[u8], labels: &[Label]) {
    key.clear();
    key.extend_from_slice(&[style, kind as u8]);
    key.extend_from_slice(&(name.len() as u32).to_le_bytes());
    key.extend_from_slice(name);
    for label in labels {
        key.extend_from_slice(&(label.name.len() as u32).to_le_bytes());
        key.extend_from_slice(label.name);
        key.extend_from_slice(&(label.value.len() as u32).to_le_bytes());
        key.extend_from_slice(label.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label { name: b"a", value: b"b" };

    #[test]
    fn a_stat_keeps_its_number() {
        let mut names = Names::new(10);
        let first = names.number(0, Kind::Counter, b"x", &[LABEL]);
        assert_eq!(names.number(0, Kind::Gauge, b"x", &[LABEL]), Ok(1));
        assert_eq!(names.number(1, Kind::Counter, b"x", &[LABEL]), Ok(2));
        assert_eq!(names.number(0, Kind::Counter, b"xa", &[]), Ok(3));
        assert_eq!(names.number(0, Kind::Counter, b"x", &[LABEL]), first);
        assert_eq!((names.take_fresh().0.len(), names.take_fresh().0.len()), (4, 0));
    }

    #[test]
    fn a_forgotten_stat_makes_room() {
        let mut names = Names::new(2);
        for name in [b"a", b"b"] {
            names.number(0, Kind::Counter, name, &[]).unwrap();
        }
        assert_eq!(names.number(0, Kind::Counter, b"c", &[]), Err(Refusal::Full));
        names.forget(&[0, 0, 7]);
        assert_eq!(names.len(), 1);
        assert_eq!(names.number(0, Kind::Counter, b"c", &[]), Ok(0));
        assert_eq!(names.number(0, Kind::Counter, b"b", &[]), Ok(1));
    }

    #[test]
    fn thousands_of_stats_are_told_apart() {
        let mut names = Names::new(100_000);
        for _ in 0..2 {
            for number in 0..20_000_u32 {
                assert_eq!(names.number(0, Kind::Counter, number.to_string().as_bytes(), &[]), Ok(number));
            }
        }
    }

    #[test]
    fn a_name_of_a_megabyte_is_refused() {
        let mut names = Names::new(2);
        assert_eq!(names.number(0, Kind::Counter, &[b'a'; 1 << 20], &[]), Err(Refusal::TooLong));
        assert!(names.is_empty());
    }
}
