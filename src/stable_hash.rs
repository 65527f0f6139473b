//! A hash that is the same in every process and build.

/// FNV-1a over texts, for names that outlive a process. Unlike the standard library's hashers, it
/// returns the same value in every build.
pub(crate) fn stable_hash<S: AsRef<str>>(parts: &[S]) -> u64 {
    // UTF-8 never contains this byte, so it separates the parts.
    let bytes = parts.iter().flat_map(|part| part.as_ref().bytes().chain([0xFF]));
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a_with_separated_parts() {
        assert_eq!(stable_hash::<&str>(&[]), 0xCBF2_9CE4_8422_2325);
        assert_eq!(stable_hash(&["foobar"]), 0x34524BA7168A2C15);
        assert_ne!(stable_hash(&["ab", "c"]), stable_hash(&["a", "bc"]));
    }
}
