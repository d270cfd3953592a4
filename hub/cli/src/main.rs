use std::process::ExitCode;

fn main() -> ExitCode {
    concord::main()
}
