//! `linux.seccomp`.

#![allow(missing_docs)]

use serde::Deserialize;
/// `linux.seccomp`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Seccomp<'a> {
    #[serde(rename = "defaultAction")]
    pub default_action: super::Str<'a>,
}
