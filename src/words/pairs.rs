//! Made by `cargo run -p qemu -- pairs` from the texts in `src`. Do not edit.

/// What the bytes from 0x7f on, and past 255 those from 0 on, stand for. Each may be one of those before it.
#[rustfmt::skip]
pub const PAIRS: [[u8; 2]; 161] = [
    *b"e ", *b"s ", *b"t ", *b"th", *b"in", *b": ", *b"er", *b"on", *b"ro", *b"es", *b"\x82\x7f", *b"or",
    *b"no", *b"d ", *b"an", *b"a ", *b"ta", *b"i\x80", *b"c\x86", *b"un", *b"it", *b"am", *b"re", *b"se",
    *b"c\x88", *b", ", *b" \x89", *b"p\x87", *b"\x8b\x81", *b"pa", *b"al", *b"up", *b"\x85 ", *b"te", *b"fi", *b"l\x83",
    *b"us", *b"ux", *b"ma", *b"y ", *b"n\x94", *b"g\x87", *b"ch", *b"\xa8\x9e", *b"\x8a ", *b"ne", *b"en", *b"\xa2\xa4",
    *b"of", *b"\x8f\x83", *b"\xae.", *b"\x91\xb0", *b"le", *b"de", *b"c\xaa", *b"\x9a\x97", *b"\x8b ", *b"ar", *b"to", *b"ou",
    *b"ti", *b"me", *b"mo", *b"li", *b"--", *b"m\x8a", *b"i\x81", *b"ha", *b"'\x80", *b"b\x7f", *b"\xa7\x88", *b"}\x84",
    *b"l ", *b"{ ", *b"s\x86", *b"ed", *b"\xc5\x9c", *b"\xb2\x85", *b"\xaf ", *b"\x8d\x8c", *b"sy", *b"lo", *b"\xa3\x81", *b"r\x92",
    *b"m\xd1", *b"l\x7f", *b"id", *b"\xb6s", *b"{\x84", *b"j\xc9", *b"ce", *b"\x95a", *b"\x8d ", *b"ag", *b"\xcfs", *b".\xd8",
    *b"r\x88", *b"\xa1g", *b"ec", *b"c\x7f", *b"\x91\xe0", *b"\x90\x9b", *b"s\x8f", *b"\xe3\xde", *b"op", *b"\xbd\x92", *b"vi", *b"\xb9 ",
    *b"\x87o", *b"be", *b"\xbc\xc0", *b"\x83 ", *b"st", *b"mp", *b"\x82 ", *b"wi", *b"ho", *b"f\xab", *b"di", *b"\xe6\x84",
    *b"\x83g", *b"\x82\x90", *b"t\x85", *b"\x7f\x89", *b"wn", *b"ex", *b"\xb5 ", *b"\xc2\x80", *b"\xb4\xe9", *b"ct", *b"co", *b"\xd6.",
    *b"\xd3\xc4", *b"\xa9 ", *b"we", *b"si", *b"pu", *b"e\x80", *b"\x86 ", *b"f\x8a", *b"\xebt", *b"\xbar", *b"\xa1\xd4", *b"wh",
    *b"il", *b"a\x81", *b"  ", *b"\xedy", *b"\xcc\xc3", *b"\xb2\x9f", *b"ul", *b"r\x94", *b"k ", *b"a\x80", *b"\xdd\xa0", *b"\xca\x80",
    *b"\xac\x1a", *b"\x9ag", *b"\x85\xac", *b"{]", *b"so",
];
