//! Paths as text.

/// What stands before and after the last of an ASCII character: of a slash, the directory and the name in it.
pub fn split_last(text: &str, last: u8) -> Option<(&str, &str)> {
    let at = text.bytes().rposition(|byte| byte == last)?;
    Some((text.get(..at)?, text.get(at.saturating_add(1)..)?))
}

/// The last component of a path.
pub fn name(path: &str) -> &str {
    split_last(path, b'/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_divides() {
        assert_eq!(split_last("/a/b", b'/'), Some(("/a", "b")));
        assert_eq!(split_last("1 (a) b) S", b')'), Some(("1 (a) b", " S")));
        assert_eq!(split_last("a", b'/'), None);
        assert_eq!(["/a/b", "a", "a/"].map(name), ["b", "a", ""]);
    }
}
