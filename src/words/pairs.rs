//! Made by `cargo run -p qemu -- pairs` from the texts in `src`. Do not edit.

/// What the bytes from 0x7f on, and past 255 those from 0 on, stand for. Each may be one of those before it.
#[rustfmt::skip]
pub const PAIRS: [[u8; 2]; 161] = [
    *b"e ", *b"s ", *b"t ", *b"th", *b"in", *b"er", *b"ro", *b"on", *b"\x82\x7f", *b"es", *b"no", *b"d ",
    *b"or", *b"an", *b": ", *b"ta", *b"a ", *b"un", *b"re", *b" \x87", *b"am", *b"p\x85", *b"i\x80", *b"us",
    *b"up", *b"c\x86", *b"de", *b", ", *b"te", *b"al", *b"ne", *b"g\x85", *b"en", *b"\x9e\x97", *b"\x89\x81", *b"y ",
    *b"c\x88", *b"pa", *b"it", *b"\x84 ", *b"\x8b ", *b"n\x93", *b"le", *b"of", *b"c\xa0", *b"ch", *b"se", *b"fi",
    *b"ar", *b"ma", *b"\x8e\x83", *b"\x98\xb1", *b"to", *b"mo", *b"ti", *b"'\x80", *b"\x89 ", *b"ou", *b"--", *b"\xa8\x88",
    *b"lo", *b"i\x81", *b"ce", *b"b\x7f", *b"\xb2\x84", *b"\xba\xa4", *b"\x8c\x8a", *b"r\x90", *b"\x94\xa3", *b"l\x83", *b"\x96\x81", *b"\x91a",
    *b"m\xc5", *b"li", *b"l ", *b"a\x80", *b"ec", *b"\x8c ", *b"\xaa ", *b"ux", *b"s\x8e", *b"l\x7f", *b"id", *b"c\x7f",
    *b"wh", *b"\x99v", *b"sy", *b"r\x88", *b"op", *b"me", *b"ed", *b"ex", *b"\xb3 ", *b"\x83g", *b"\xb4\x90", *b"f\xa7",
    *b"a\x81", *b"ag", *b"E ", *b"\xd5s", *b"\xc4\xce", *b"t\x84", *b"st", *b"di", *b"\x83 ", *b"wi", *b"mp", *b"\xe3.",
    *b"\xd4i", *b"\x7f\x87", *b"be", *b"\xac ", *b"\xab ", *b"\x85o", *b"we", *b"si", *b"m\x8b", *b"ID", *b"\xe8\x82", *b"\xc7\xbe",
    *b"su", *b"f\x8b", *b"\xc0\xbd", *b"\x86 ", *b"ke", *b"k ", *b"i\x8a", *b"ct", *b"co", *b"\xda\xcb", *b"\xc3s", *b"\xbf\xb6",
    *b"r\x93", *b"js", *b"\x95\xa1", *b"\x94g", *b"ri", *b"- ", *b"\x82\x95", *b"o ", *b"P_", *b"\x06\x03", *b"\xd9\x80", *b"\x9d\x0d",
    *b"ho", *b"  ", *b"\xaa\x92", *b"\x94c", *b"wn", *b"m\x7f", *b"h\xca", *b"b\x83", *b"NO", *b"IL", *b".\x04", *b"\x96\xa6",
    *b"pu", *b"m\x8c", *b"ge", *b"CA", *b"00",
];
