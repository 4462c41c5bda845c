//! The `firn` command.
//!
//! Promises: nothing but the start of the library's [`firn_gateway::main`].
//! Never: logic of its own.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    firn_gateway::main()
}
