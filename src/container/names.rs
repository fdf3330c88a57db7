//! Names for containers that were given none: an adjective and a noun, as in `brisk_heron`.
//!
//! 64 × 64 pairs. A name is only a suggestion: whoever writes the record tries the next one while
//! the name is taken, and after some tries adds a number.

/// The first halves; 64, so that six random bits choose one.
const ADJECTIVES: [&str; 64] = [
    "agile", "amber", "apt", "arctic", "ardent", "balmy", "bold", "brave", "bright", "brisk", "calm", "candid",
    "clever", "cosmic", "cozy", "crisp", "curious", "dapper", "deft", "eager", "early", "fair", "fleet", "fond",
    "frank", "fresh", "gentle", "glad", "golden", "grand", "happy", "hardy", "honest", "humble", "jolly", "keen",
    "kind", "lively", "loyal", "lucid", "lucky", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble",
    "patient", "plucky", "polite", "proud", "quiet", "rapid", "serene", "sharp", "silver", "spry", "steady", "sunny",
    "swift", "tidy", "vivid", "witty",
];

/// The second halves: birds.
const NOUNS: [&str; 64] = [
    "avocet",
    "bittern",
    "bluejay",
    "bulbul",
    "bunting",
    "buzzard",
    "cardinal",
    "condor",
    "cormorant",
    "crane",
    "crossbill",
    "curlew",
    "dipper",
    "dove",
    "dunlin",
    "egret",
    "eider",
    "falcon",
    "finch",
    "flamingo",
    "fulmar",
    "gannet",
    "godwit",
    "goldcrest",
    "goshawk",
    "grebe",
    "grouse",
    "harrier",
    "heron",
    "hoopoe",
    "ibis",
    "jackdaw",
    "kestrel",
    "kingfisher",
    "kite",
    "knot",
    "lapwing",
    "lark",
    "linnet",
    "magpie",
    "martin",
    "merlin",
    "nightjar",
    "nuthatch",
    "oriole",
    "osprey",
    "ouzel",
    "owl",
    "petrel",
    "pipit",
    "plover",
    "puffin",
    "quail",
    "raven",
    "redstart",
    "robin",
    "sandpiper",
    "skylark",
    "starling",
    "swallow",
    "tern",
    "thrush",
    "wagtail",
    "wren",
];

/// The name that `random` chooses: its low six bits the adjective, the next six the noun. From the
/// hundredth `attempt` on, more of its bits are added as a number, so that a free name is found
/// however many containers there are.
pub fn suggest(random: u64, attempt: u32) -> String {
    let adjective = ADJECTIVES[(random & 63) as usize];
    let noun = NOUNS[(random >> 6 & 63) as usize];
    match attempt {
        0..100 => format!("{adjective}_{noun}"),
        _ => format!("{adjective}_{noun}{}", random >> 12 & 0xffff),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::values::container_name;
    use std::collections::BTreeSet;

    #[test]
    fn every_suggestion_is_a_valid_and_different_name() {
        let names: BTreeSet<String> = (0..4096).map(|random| suggest(random, 0)).collect();
        assert_eq!(names.len(), 4096);
        assert!(names.iter().all(|name| container_name(name).is_ok()));
        assert!(container_name(&suggest(u64::MAX, 100)).is_ok());
    }
}
