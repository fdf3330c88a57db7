//! Variables: ARG, `--build-arg`, ENV, and what every build knows.

use crate::image::platform::Platform;

/// Arguments that need not be declared and leave no trace in the image (Dockerfile reference, "Predefined ARGs").
const PREDEFINED: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The variables of the platforms (Dockerfile reference, "Automatic platform ARGs in the global scope").
pub fn of_platforms(target: &Platform) -> Vec<(String, String)> {
    let host = Platform::host();
    let of = |prefix: &str, platform: &Platform| {
        let variant = platform.variant.clone().unwrap_or_default();
        [
            (format!("{prefix}PLATFORM"), platform.to_string()),
            (format!("{prefix}OS"), platform.os.clone()),
            (format!("{prefix}ARCH"), platform.architecture.clone()),
            (format!("{prefix}VARIANT"), variant),
        ]
    };
    of("BUILD", &host).into_iter().chain(of("TARGET", target)).collect()
}

/// The proxies among the arguments of the command line.
pub fn proxies(given: &[(String, String)]) -> impl Iterator<Item = &(String, String)> {
    given.iter().filter(|(name, _)| PREDEFINED.contains(&name.as_str()))
}

/// The value of a name in a list in which later ones win.
pub fn value<'a>(list: &'a [(String, String)], name: &str) -> Option<&'a str> {
    list.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The value of a name in an environment.
pub fn in_environment<'a>(environment: &'a [String], name: &str) -> Option<&'a str> {
    environment.iter().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
}
