//! What a binary needs of the machine that runs it, read from its bytes: nothing has to be installed for that.

/// The version of glibc below which no manylinux is.
const OLDEST: (u32, u32) = (2, 17);

/// The glibc that it needs at least: the newest of the versions that its symbols name.
pub(crate) fn glibc(bytes: &[u8]) -> (u32, u32) {
    const MARK: &[u8] = b"GLIBC_2.";
    let named = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    let minor = |(at, _): (usize, &[u8])| {
        let digits = bytes.get(at + MARK.len()..)?.iter().take_while(|b| b.is_ascii_digit());
        String::from_utf8(digits.copied().collect()).ok()?.parse::<u32>().ok()
    };
    named.filter_map(minor).map(|minor| (2, minor)).fold(OLDEST, Ord::max)
}

/// The processor, as it is called by the compiler, by Debian and by Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    pub(crate) debian: &'static str,
}

const MACHINES: [(u8, Machine); 2] = [
    (0x3e, Machine { name: "x86_64", debian: "amd64" }),
    (0xb7, Machine { name: "aarch64", debian: "arm64" }),
];

/// The processor that its head names.
///
/// # Errors
/// It is no program of Linux, or one for a processor that no package is made for.
pub(crate) fn machine(bytes: &[u8]) -> Result<Machine, String> {
    let (Some(b"\x7fELF\x02\x01"), Some(number)) = (bytes.get(..6), bytes.get(18)) else {
        return Err("the binary is no 64-bit ELF file".to_owned());
    };
    let found = MACHINES.iter().find(|(own, _)| own == number).map(|(_, machine)| *machine);
    found.ok_or_else(|| format!("packages are made for {} only", MACHINES.map(|(_, m)| m.name).join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_is_named_is_needed() {
        assert_eq!(glibc(b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0"), (2, 34));
        assert_eq!(glibc(b"GLIBC_2.4\0GLIBC_2."), OLDEST);
        assert_eq!(glibc(b""), OLDEST);
    }

    #[test]
    fn processors_are_told_apart() {
        let head = |number| [&b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0"[..], &[number, 0]].concat();
        assert_eq!(machine(&head(0x3e)).unwrap().debian, "amd64");
        assert_eq!(machine(&head(0xb7)).unwrap().name, "aarch64");
        assert!(machine(&head(0xf3)).unwrap_err().contains("x86_64 and aarch64"));
        assert!(machine(b"#!/bin/sh").is_err());
    }
}
