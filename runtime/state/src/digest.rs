//! A number that is the same for equal states.

use crate::layers::Layers;
use crate::slot::Slot;
use crate::state::TaskState;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Takes a number into a hash: the two halves of a wide product, as wyhash does it.
fn mix(hash: u64, number: u64) -> u64 {
    let wide = u128::from(hash ^ number) * u128::from(SEED);
    (wide as u64 ^ (wide >> 64) as u64).wrapping_add(number.rotate_left(31)).wrapping_add(SEED)
}

fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let hash = mix(hash, bytes.len() as u64);
    bytes.chunks(8).fold(hash, |hash, chunk| {
        let mut number = [0; 8];
        number[..chunk.len()].copy_from_slice(chunk);
        mix(hash, u64::from_le_bytes(number))
    })
}

fn entry(space: u64, key: &[u8], slot: &Slot) -> u64 {
    let hash = mix_bytes(mix_bytes(space, key), slot.bytes());
    mix(mix(mix(hash, slot.number as u64), u64::from(slot.tag)), SEED)
}

fn sum(space: u64, layers: &Layers) -> u64 {
    layers.iter().fold(0, |sum, (key, slot)| sum.wrapping_add(entry(space, key, slot)))
}

impl TaskState {
    /// A hash of every store, timer and pane: equal for equal contents, whatever the order in which
    /// they were made and whatever the indexes of the stores and timers. The same on every machine
    /// and in every version. Takes time in proportion to the state.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let stores = self
            .stores
            .iter()
            .map(|store| sum(mix_bytes(1, store.declaration.name.as_bytes()), &store.space.layers));
        let panes = sum(mix_bytes(2, b"panes"), &self.panes.space.layers);
        stores.fold(self.digest_of_timers().wrapping_add(panes), u64::wrapping_add)
    }

    fn digest_of_timers(&self) -> u64 {
        let declarations = &self.timers.declarations;
        self.timers.space.layers.iter().fold(0, |sum, (key, slot)| {
            let (target, key) = key.split_at(key.len().min(2));
            let index = target.try_into().map(u16::from_be_bytes).unwrap_or_default();
            let name = declarations.get(index as usize).map_or("", |timer| &timer.name);
            sum.wrapping_add(entry(mix_bytes(3, name.as_bytes()), key, slot))
        })
    }
}
