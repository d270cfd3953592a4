use std::process::ExitCode;

/// A page of records is thousands of small values that come and go together,
/// which is what this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    concord::main()
}
