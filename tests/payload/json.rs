//! A JSON writer of thirty lines: the test program must not depend on a crate.

/// One JSON value, already written out.
pub struct Json(pub String);

pub fn string(text: &str) -> Json {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            other if (other as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", other as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
    Json(out)
}

pub fn number(value: impl Into<i128>) -> Json {
    Json(value.into().to_string())
}

pub fn null() -> Json {
    Json("null".to_string())
}

pub fn array(items: impl IntoIterator<Item = Json>) -> Json {
    let items: Vec<String> = items.into_iter().map(|item| item.0).collect();
    Json(format!("[{}]", items.join(",")))
}

pub fn strings<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Json {
    array(items.into_iter().map(|item| string(item.as_ref())))
}

pub fn object<'a>(items: impl IntoIterator<Item = (&'a str, Json)>) -> Json {
    let items: Vec<String> =
        items.into_iter().map(|(key, value)| format!("{}:{}", string(key).0, value.0)).collect();
    Json(format!("{{{}}}", items.join(",")))
}
