//! The guest searches all of its own memory, as an attacker inside it could.

/// Whether a text lies anywhere in it.  What is looked for is given with each
/// letter followed by a dot, so that it is not found for having been asked for.
pub(crate) fn holds(dotted: &str) -> bool {
    let needle: Vec<u8> = dotted.bytes().step_by(2).map(|byte| !byte).collect();
    let end = size();
    (FIRST..end.saturating_sub(needle.len())).any(|start| {
        let mut there = needle.iter().enumerate();
        there.all(|(offset, turned)| byte(start + offset) == !turned)
    })
}

/// Nothing lies at address 0, which is no address in Rust.
const FIRST: usize = 1;

#[cfg(target_arch = "wasm32")]
fn size() -> usize {
    const PAGE: usize = 65_536;
    core::arch::wasm32::memory_size(0) * PAGE
}

#[cfg(target_arch = "wasm32")]
fn byte(address: usize) -> u8 {
    // SAFETY: every address below the size of the memory can be read, whoever wrote
    // there last.
    unsafe { core::ptr::with_exposed_provenance::<u8>(address).read_volatile() }
}

/// Outside of the sandbox there is no memory of the guest's own.
#[cfg(not(target_arch = "wasm32"))]
fn size() -> usize {
    0
}

#[cfg(not(target_arch = "wasm32"))]
fn byte(_address: usize) -> u8 {
    0
}
