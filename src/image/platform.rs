//! Platforms: `os/architecture[/variant]` in Go's words, and which image of an index serves one.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An operating system, a processor architecture, and what that has of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// GOOS: `linux`
    #[serde(default)]
    pub os: String,
    /// GOARCH: `amd64`, `arm64`, `arm`, `386`, `riscv64`, `ppc64le`, `s390x` …
    #[serde(default)]
    pub architecture: String,
    /// `v7` for arm; arm64 is `v8` without saying so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Operating systems that may stand alone, meaning this machine's architecture (containerd's `platforms.Parse`).
const SYSTEMS: [&str; 5] = ["linux", "windows", "freebsd", "darwin", "wasi"];

impl Platform {
    /// A platform in canonical words: `x86_64` is `amd64`, `aarch64` is `arm64`, and so on
    /// (containerd's `platforms` names the same ones).
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Platform {
        let (architecture, implied) = match architecture.to_ascii_lowercase().as_str() {
            "x86_64" | "x86-64" => ("amd64".to_owned(), None),
            "aarch64" => ("arm64".to_owned(), None),
            "armhf" => ("arm".to_owned(), Some("v7")),
            "armel" => ("arm".to_owned(), Some("v6")),
            "i386" | "i686" | "x86" => ("386".to_owned(), None),
            "powerpc64le" => ("ppc64le".to_owned(), None),
            other => (other.to_owned(), None),
        };
        let variant = variant.filter(|variant| !variant.is_empty()).or(implied).map(|variant| {
            let lower = variant.to_ascii_lowercase();
            if lower.starts_with(|digit: char| digit.is_ascii_digit()) { format!("v{lower}") } else { lower }
        });
        let variant = match (architecture.as_str(), variant.as_deref()) {
            ("arm64", Some("v8")) | ("amd64", Some("v1")) => None,
            ("arm", None) => Some("v7".to_owned()),
            _ => variant,
        };
        Platform { os: os.to_ascii_lowercase(), architecture, variant }
    }

    /// What this rr was built for, which is what the machine can run without emulation.
    pub fn host() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            "mips64" if cfg!(target_endian = "little") => "mips64le",
            other => other,
        };
        let machine = rustix::system::uname();
        let variant = match machine.machine().to_bytes() {
            machine if architecture == "arm" && machine.starts_with(b"armv6") => Some("v6"),
            machine if architecture == "arm" && machine.starts_with(b"armv5") => Some("v5"),
            _ => None,
        };
        Platform::new("linux", architecture, variant)
    }

    /// How well an image for `offered` serves whoever wants `self`: the less the better; None not at all.
    pub fn distance(&self, offered: &Platform) -> Option<u32> {
        let offered = Platform::new(&offered.os, &offered.architecture, offered.variant.as_deref());
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        if self.variant == offered.variant {
            return Some(0);
        }
        // Each arm and each amd64 level runs what is for the lower ones.
        let level = |variant: &Option<String>, lowest| match variant {
            None => Some(lowest),
            Some(variant) => variant.strip_prefix('v')?.parse::<u32>().ok(),
        };
        let lowest = match self.architecture.as_str() {
            "arm" => 5,
            "arm64" => 8,
            "amd64" => 1,
            _ => return None,
        };
        level(&self.variant, lowest)?.checked_sub(level(&offered.variant, lowest)?)
    }
}

impl FromStr for Platform {
    type Err = String;

    /// `os/arch[/variant]`, `os` or `arch`. The error is a sentence without a full stop.
    fn from_str(text: &str) -> Result<Platform, String> {
        let malformed = || "it is not of the form OS/ARCH[/VARIANT], as linux/arm64".to_owned();
        let parts: Vec<&str> = text.split('/').collect();
        let is_word = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        };
        if !parts.iter().all(is_word) {
            return Err(malformed());
        }
        match parts[..] {
            [one] if SYSTEMS.contains(&one.to_ascii_lowercase().as_str()) => {
                Ok(Platform { os: one.to_ascii_lowercase(), ..Platform::host() })
            }
            [architecture] => Ok(Platform::new("linux", architecture, None)),
            [os, architecture] => Ok(Platform::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Platform::new(os, architecture, Some(variant))),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn spellings_are_one_platform() {
        assert_eq!(platform("linux/x86_64"), platform("amd64"));
        assert_eq!(platform("linux/aarch64/v8"), platform("linux/arm64"));
        assert_eq!(platform("armhf").to_string(), "linux/arm/v7");
        assert_eq!(platform("linux/arm/6").to_string(), "linux/arm/v6");
        assert_eq!(platform("Linux"), Platform::host());
        assert_eq!(platform("windows").architecture, Platform::host().architecture);
        assert_eq!(platform("s390x").to_string(), "linux/s390x");
        assert_eq!(platform("windows/amd64").to_string(), "windows/amd64");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "/", "linux/", "linux//v7", "a/b/c/d", "linux/am d64", "a b"] {
            assert!(text.parse::<Platform>().unwrap_err().contains("not of the form"), "{text}");
        }
    }

    #[test]
    fn the_nearest_lower_variant_serves() {
        let arm7 = platform("linux/arm/v7");
        assert_eq!(arm7.distance(&platform("linux/arm/v7")), Some(0));
        assert_eq!(arm7.distance(&platform("linux/arm/v6")), Some(1));
        assert_eq!(platform("linux/arm/v6").distance(&arm7), None);
        assert_eq!(platform("linux/arm64").distance(&arm7), None);
        assert_eq!(platform("linux/amd64").distance(&platform("linux/amd64/v3")), None);
        assert_eq!(platform("linux/amd64/v3").distance(&platform("linux/amd64")), Some(2));
        assert_eq!(
            Platform::new("linux", "riscv64", None).distance(&Platform::new("linux", "riscv64", Some("rva22"))),
            None
        );
        let unknown = Platform { os: "unknown".into(), architecture: "unknown".into(), variant: None };
        assert_eq!(Platform::host().distance(&unknown), None);
    }

    proptest! {
        #[test]
        fn text_round_trips(text in "[a-z0-9]{1,8}(/[a-z0-9_]{1,8}(/v[0-9])?)?") {
            if let Ok(platform) = text.parse::<Platform>() {
                prop_assert_eq!(platform.to_string().parse::<Platform>().unwrap(), platform.clone());
                prop_assert_eq!(platform.distance(&platform), Some(0));
            }
        }
    }
}
