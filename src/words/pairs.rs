//! Made by `cargo run -p qemu -- pairs` from the texts in `src`. Do not edit.

/// What the bytes from 0x7f on, and past 255 those from 0 on, stand for. Each may be one of those before it.
#[rustfmt::skip]
pub const PAIRS: [[u8; 2]; 161] = [
    *b"e ", *b"s ", *b"t ", *b"th", *b"in", *b"er", *b"ro", *b"on", *b"\x82\x7f", *b"es", *b"or", *b"d ",
    *b"an", *b"no", *b": ", *b"ta", *b"a ", *b"un", *b"am", *b" \x87", *b"re", *b"i\x80", *b"c\x86", *b"us",
    *b"up", *b", ", *b"te", *b"p\x85", *b"en", *b"it", *b"y ", *b"g\x85", *b"\x9e\x97", *b"\x89 ", *b"\x84 ", *b"\x8c\x81",
    *b"c\x88", *b"pa", *b"n\x91", *b"ne", *b"de", *b"le", *b"of", *b"al", *b"ch", *b"fi", *b"c\x9f", *b"se",
    *b"\x8e\x83", *b"ma", *b"ar", *b"\x95\xaf", *b"to", *b"'\x80", *b"\x8c ", *b"ti", *b"ou", *b"ce", *b"mo", *b"--",
    *b"\xa5\x88", *b"i\x81", *b"b\x7f", *b"\xb2\x84", *b"r\x90", *b"\xbb\xa4", *b"\x8b\x8a", *b"\x9a\xa3", *b"lo", *b"\x93a", *b"l\x83", *b"li",
    *b"\x96\x81", *b"m\xc7", *b"l ", *b"a\x80", *b"\xa9 ", *b"\x8b ", *b"ux", *b"s\x8e", *b"l\x7f", *b"id", *b"wh", *b"ed",
    *b"r\x88", *b"c\x7f", *b"op", *b"me", *b"vi", *b"ec", *b"a\x81", *b"\xb9\x90", *b"\x83g", *b"f\xa0", *b"ag", *b"\xc5\xcd",
    *b"\xb3 ", *b"sy", *b"di", *b"wi", *b"s\x99", *b"st", *b"\xde.", *b"\x83 ", *b"\x7f\x87", *b"t\x84", *b"mp", *b"be",
    *b"\xa7\xd7", *b"m\x89", *b"\xe2\x82", *b"\xc8\xbd", *b"\x85o", *b"we", *b"k ", *b"\xc0\xb8", *b"\xad ", *b"ri", *b"f\x89", *b"ex",
    *b"ct", *b"\xc2s", *b"\xbe\xb4", *b"\xab ", *b"s\x86", *b"r\x91", *b"j\xfb", *b"co", *b"\x9ag", *b"\x94\xa2", *b"o ", *b"ID",
    *b"\xff\xfc", *b"\x82\x94", *b"ke", *b"\xd2\x80", *b"\xa6\x06", *b"si", *b"ho", *b"LE", *b"  ", *b"\xcer", *b"\xa9\x92", *b"\x96\xa1",
    *b".\xfd", *b"\x86 ", *b"wn", *b"pu", *b"m\x8b", *b"m\x7f", *b"h\xca", *b"ge", *b"NO", *b"FI", *b"\xf0b", *b"\xd5\x9b",
    *b"\xac\xcf", *b"\x86\x7f", *b"\x84\xa6", *b"ul", *b"k\x1d",
];
