//! Skips: said aloud, and a failure where the test host was promised to be able.

use std::io::Write;
use std::path::PathBuf;

/// The value of an `Option`, `Result` or `bool` expression; otherwise leaves the test as skipped.
///
/// `requires!(Registry::shared())`, `requires!(command_exists("pasta"), "pasta is not installed")`.
macro_rules! requires {
    ($value:expr) => {
        match $value {
            Ok(value) => value,
            Err(reason) => {
                $crate::support::skip(&reason.to_string());
                return;
            }
        }
    };
    ($condition:expr, $reason:expr) => {
        if !$condition {
            $crate::support::skip($reason);
            return;
        }
    };
}
pub(crate) use requires;

/// Says that this test is skipped and why; panics where `RR_TEST_MUST_WORK=1`. Use through `requires!`.
pub fn skip(reason: &str) {
    assert!(
        std::env::var_os("RR_TEST_MUST_WORK").is_none_or(|value| value != "1"),
        "this host was promised to be able to run every test (RR_TEST_MUST_WORK=1), but: {reason}"
    );
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    // Straight to the descriptor: libtest swallows what a passing test prints with print macros.
    writeln!(std::io::stderr(), "{name}: skipped: {reason}").expect("standard error can be written");
}

/// Whether `$PATH` has such a program.
pub fn command_exists(name: &str) -> bool {
    find_command(name).is_some()
}

/// Where `$PATH` has it.
pub fn find_command(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}
