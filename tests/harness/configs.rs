//! A hundred config.json that real callers wrote (tests/data/configs).

const CONFIGS: &str = include_str!("../data/configs/configs.txt");
const PARTS: &str = include_str!("../data/configs/parts.txt");

/// Name and JSON of each.
pub fn all() -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = PARTS.lines().collect();
    let whole = |line: &'static str| {
        let (name, json) = line.split_once(' ').unwrap();
        let mut pieces = json.split("\"@");
        let mut text = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let (number, rest) = piece.split_once('"').unwrap();
            text.push_str(parts[number.parse::<usize>().unwrap()]);
            text.push_str(rest);
        }
        (name, text)
    };
    CONFIGS.lines().map(whole).collect()
}
