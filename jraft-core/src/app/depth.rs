//! How deep MessagePack nests, told without recursion.

/// Lists and maps within each other that a decoder is let into: each takes some KiB of a stack while it is read, and no
/// stack may end there, for that ends the process. `serde_json` has the same limit.
pub(super) const MAX_DEPTH: usize = 128;

/// Whether a value nests deeper than [`MAX_DEPTH`]. rmp-serde counts too, but to 1,024, and not the levels of an enum.
/// Bytes that are no MessagePack are left to the decoder.
pub(super) fn is_too_deep(mut bytes: &[u8]) -> bool {
    // Values that are still to come, level by level.
    let mut open = vec![1u64];
    while let Some(left) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        let Some((skipped, inside)) = next_value(bytes) else { return false };
        bytes = bytes.get(skipped..).unwrap_or_default();
        if inside > 0 {
            if open.len() > MAX_DEPTH {
                return true;
            }
            open.push(inside);
        }
    }
    false
}

/// The length of the next value without what is in it, and how many values are in it.
fn next_value(bytes: &[u8]) -> Option<(usize, u64)> {
    let (&marker, rest) = bytes.split_first()?;
    let number = |width: usize| {
        let digits = rest.get(..width)?;
        Some(digits.iter().fold(0u64, |value, digit| value << 8 | u64::from(*digit)))
    };
    let plain = |width: usize| Some((1 + width, 0));
    let text = |width: usize, more: usize| {
        let len = usize::try_from(number(width)?).ok()?;
        Some(((1 + width + more).saturating_add(len), 0))
    };
    let list = |width: usize, each: u64| Some((1 + width, number(width)? * each));
    match marker {
        0x80..=0x8f => Some((1, u64::from(marker & 0x0f) * 2)),
        0x90..=0x9f => Some((1, u64::from(marker & 0x0f))),
        0xa0..=0xbf => plain(usize::from(marker & 0x1f)),
        0xc4..=0xc6 => text(1 << (marker - 0xc4), 0),
        0xc7..=0xc9 => text(1 << (marker - 0xc7), 1),
        0xca => plain(4),
        0xcb => plain(8),
        0xcc..=0xcf => plain(1 << (marker - 0xcc)),
        0xd0..=0xd3 => plain(1 << (marker - 0xd0)),
        0xd4..=0xd8 => plain(1 + (1 << (marker - 0xd4))),
        0xd9..=0xdb => text(1 << (marker - 0xd9), 0),
        0xdc | 0xdd => list(2 << (marker - 0xdc), 1),
        0xde | 0xdf => list(2 << (marker - 0xde), 2),
        _ => plain(0),
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    fn lists(depth: usize) -> Vec<u8> {
        let mut bytes = vec![0x91; depth];
        bytes.push(0xc0);
        bytes
    }

    #[test]
    fn lists_count_up_to_the_limit() {
        assert!(!is_too_deep(&lists(MAX_DEPTH)));
        assert!(is_too_deep(&lists(MAX_DEPTH + 1)));
        assert!(is_too_deep(&lists(1_000_000)), "without a stack of its own");
    }

    #[test]
    fn values_of_every_kind_are_passed_over() {
        #[derive(Serialize)]
        enum Kind {
            Unit,
            Tuple(u8, f32),
            Named { text: String, other: Option<f64> },
        }
        let wide = |len: usize| "x".repeat(len);
        let numbers = [0, -1, -100, -1000, -100_000, i64::MIN, 200, 60_000, 1 << 30, i64::MAX];
        let values = (
            (true, (), numbers, 'x', 1.5f32, 1.5f64),
            (wide(3), wide(40), wide(300), wide(70_000)),
            (vec![1u8; 20], vec![[7u16; 2]; 70_000], std::collections::BTreeMap::from([(1, 2)])),
            (Kind::Unit, Kind::Tuple(1, 2.0), Kind::Named { text: wide(1), other: Some(0.5) }),
        );
        let mut bytes = rmp_serde::to_vec_named(&values).unwrap();
        // What serde's own types do not make: bytes and extensions.
        let strange: [&[u8]; 9] = [
            &[0xc4, 1, 0x91],
            &[0xc5, 0, 1, 0x91],
            &[0xc6, 0, 0, 0, 1, 0x91],
            &[0xc7, 1, 5, 0x91],
            &[0xc8, 0, 1, 5, 0x91],
            &[0xc9, 0, 0, 0, 1, 5, 0x91],
            &[0xd4, 5, 0x91],
            &[0xd5, 5, 0x91, 0x91],
            &[0xde, 0, 0],
        ];
        bytes[0] = 0x9f;
        // The tuple of four has become one of fifteen: nine strange values, a byte, and what is asked for.
        strange.iter().for_each(|value| bytes.extend_from_slice(value));
        bytes.push(7);
        let with = |last: &[u8]| [&bytes, last].concat();
        assert!(!is_too_deep(&with(&lists(MAX_DEPTH - 1))));
        assert!(is_too_deep(&with(&lists(MAX_DEPTH))), "one more list is around it");
    }

    #[test]
    fn bytes_that_end_too_early_are_left_to_the_decoder() {
        for bytes in [&[][..], &[0x92], &[0xdd, 0xff], &[0xc6, 0xff, 0xff, 0xff, 0xff], &[0xa5]] {
            assert!(!is_too_deep(bytes), "{bytes:?}");
        }
    }
}
