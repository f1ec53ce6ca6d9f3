//! Made by `cargo run -p qemu -- pairs` from the texts in `src`. Do not edit.

/// What the bytes from 0x7f on, and past 255 those from 0 on, stand for. Each may be one of those before it.
#[rustfmt::skip]
pub const PAIRS: [[u8; 2]; 161] = [
    *b"e ", *b"s ", *b"t ", *b"th", *b"in", *b"er", *b"on", *b": ", *b"ro", *b"es", *b"\x82\x7f", *b"no",
    *b"or", *b"d ", *b"an", *b"ta", *b"a ", *b"c\x85", *b"i\x80", *b"un", *b"am", *b"re", *b" \x89", *b"te",
    *b"us", *b", ", *b"\x8a\x81", *b"up", *b"c\x88", *b"\x84 ", *b"p\x87", *b"pa", *b"fi", *b"it", *b"al", *b"n\x93",
    *b"g\x87", *b"en", *b"\xa3\x9a", *b"y ", *b"l\x83", *b"\x8b ", *b"ne", *b"of", *b"ch", *b"de", *b"\x8e\x83", *b"c\xa5",
    *b"ux", *b"le", *b"\x90\xad", *b"ar", *b"ma", *b"se", *b"to", *b"ou", *b"\xa7\xaf", *b"\x8a ", *b"\xb7.", *b"\xa2\x88",
    *b"ti", *b"--", *b"\x9d\x9b", *b"ce", *b"\xba\x9e", *b"i\x81", *b"b\x7f", *b"'\x80", *b"mo", *b"li", *b"a\x80", *b"\xb1\x84",
    *b"\xaa ", *b"\x94a", *b"\x8d\x8c", *b"r\x92", *b"\x97\x81", *b"m\xcb", *b"lo", *b"r\x88", *b"l\x7f", *b"l ", *b"s\x85", *b"ed",
    *b"sy", *b"j\xd1", *b"\x8d ", *b"s\x8e", *b"me", *b"\xd3s", *b"id", *b".\xd4", *b"c\x7f", *b"{\x86", *b"wh", *b"vi",
    *b"op", *b"ag", *b"\x9fg", *b"\x91\x99", *b"\x90\xe1", *b"ec", *b"\xe3\xda", *b"\xb5 ", *b"\xbds", *b"st", *b"m\x8b", *b"a\x81",
    *b"\xc3\x92", *b"\x83g", *b"wi", *b"f\xa8", *b"ct", *b"\xae ", *b"\x83 ", *b"\x7f\x89", *b"mp", *b"di", *b"\xed\x82", *b"\xe5\x86",
    *b"\x87o", *b"ex", *b"\xac\xde", *b"wn", *b"be", *b"\xcc\xc1", *b"ri", *b"\xb6r", *b"\xab ", *b"t\x84", *b"ho", *b"\xbf\xbe",
    *b"\x82\x91", *b"{ ", *b"we", *b"si", *b"k ", *b"h\xc5", *b"f\x8b", *b"co", *b"\x85 ", *b"}\x86", *b"o ", *b"e\x80",
    *b"ID", *b"\xc6\xc2", *b"\x9f\xcf", *b"r\x93", *b"\xd6r", *b"\xce\xfe", *b"\x9dg", *b"e\x8c", *b"  ", *b"\xd8\x96", *b"\xd2\x80", *b"\xb1\x9c",
    *b"\xa9\x19", *b"ul", *b"\x18m", *b"\x15\x12", *b"LE",
];
