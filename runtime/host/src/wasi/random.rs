//! `wasi:random`, the same on every replay: the numbers of the call's first record (in the world
//! `simple`, of the record itself). Not for secrets, as the contract's own `random`.

use pelton_core::{Fault, FaultKind};
use wasmtime::component::LinkerInstance;
use wasmtime::{Error, Result, StoreContextMut};

use crate::instance::HostState;

type Caller<'a> = StoreContextMut<'a, HostState>;

/// Most bytes at once, as for `getRandomValues` of browsers; more is a fault.
const RANDOM_BYTES_MAX: u64 = 65_536;

/// Seeds of hash maps: the same for every instance, so that their order is too.
const SEED: (u64, u64) = (0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03);

/// Adds a function of `wasi:random`; false where there is no such.
pub(super) fn add(instance: &mut LinkerInstance<'_, HostState>, name: &str) -> Result<bool> {
    match name {
        "get-random-bytes" | "get-insecure-random-bytes" => instance
            .func_wrap(name, |mut caller: Caller<'_>, (length,): (u64,)| {
                Ok((bytes(caller.data_mut(), length)?,))
            }),
        "get-random-u64" | "get-insecure-random-u64" => instance
            .func_wrap(name, |mut caller: Caller<'_>, (): ()| Ok((number(caller.data_mut())?,))),
        "insecure-seed" => instance.func_wrap(name, |_: Caller<'_>, (): ()| Ok((SEED,))),
        _ => return Ok(false),
    }
    .map(|()| true)
}

fn number(state: &mut HostState) -> Result<u64> {
    let draw = state.wasi.draw();
    Ok(state.environment()?.random(state.wasi.row(), draw))
}

fn bytes(state: &mut HostState, length: u64) -> Result<Vec<u8>> {
    if length > RANDOM_BYTES_MAX {
        let text = format!(
            "the function asked `wasi:random` for {length} bytes at once; at most \
             {RANDOM_BYTES_MAX} are given: ask in pieces"
        );
        return Err(Error::new(Fault::new(FaultKind::Trap, text)));
    }
    let mut out = Vec::with_capacity(length as usize + 8);
    while (out.len() as u64) < length {
        out.extend(number(state)?.to_le_bytes());
    }
    out.truncate(length as usize);
    Ok(out)
}
