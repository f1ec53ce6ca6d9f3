//! `linux.netDevices`: names checked, and only for a container with a network namespace to move them to.

use crate::config::Config;
use crate::error::{Result, error};
use crate::paths::cstring;
use crate::plan::{NetDevice, Plan};
use crate::words::Words;
use alloc::vec::Vec;
use linux_raw_sys::general::CLONE_NEWNET;

/// The template that the kernel replaces by the first free number (config-linux.md "Network Devices").
const TEMPLATE: &str = "%d";

/// Whether the kernel takes this as an interface's name (net/core/dev.c, dev_valid_name): below IFNAMSIZ, one word of no path.
/// A percent sign would make it a template.
fn is_name(name: &str) -> bool {
    let forbidden = |byte| matches!(byte, b'/' | b':' | b'%' | b' ' | 9..=13 | 0xa0);
    !matches!(name, "" | "." | "..") && name.len() < 16 && !name.bytes().any(forbidden)
}

/// Compiles `linux.netDevices`. Those with a template come last, so that they get what the others leave free.
pub fn net_devices(config: &Config<'_>, plan: &mut Plan) -> Result<()> {
    let devices = &config.linux.net_devices;
    let (mut fixed, mut templates): (Vec<NetDevice>, Vec<NetDevice>) = (Vec::new(), Vec::new());
    for (name, device) in devices.iter() {
        let refuse = |why: Words| error!("config.json: linux.netDevices {quoted}: {}", name, why);
        if !plan.namespaces.has(u64::from(CLONE_NEWNET)) {
            return Err(refuse(words!("needs a network namespace in linux.namespaces")));
        }
        if !is_name(name) {
            return Err(refuse(words!("is not the name of a network device")));
        }
        let inside = if device.name.is_empty() { name } else { device.name };
        let stem = inside.strip_suffix(TEMPLATE);
        if inside.len() >= 16 || !is_name(stem.unwrap_or(inside)) {
            return Err(refuse(words!(
                "name: is not the name of a network device, nor one with %d at its end"
            )));
        }
        let device = NetDevice { name: cstring(name), inside: cstring(inside) };
        if stem.is_none() && fixed.iter().any(|other| other.inside == device.inside) {
            return Err(refuse(words!("name: another device gets it already")));
        }
        let list = if stem.is_some() { &mut templates } else { &mut fixed };
        list.push(device);
    }
    fixed.append(&mut templates);
    plan.net_devices = fixed.leak();
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};

    /// The names inside, or the refusal.
    fn compile(devices: &str) -> core::result::Result<Vec<String>, String> {
        let json = format!("{{\"linux\": {{\"netDevices\": {devices}}}}}");
        let config: &mut Config<'_> = crate::config::parse("config.json", json.as_bytes()).unwrap();
        let mut plan = Plan::default();
        plan.namespaces.new = u64::from(CLONE_NEWNET);
        net_devices(config, &mut plan)
            .map(|()| plan.net_devices.iter().map(|device| device.inside.to_str().unwrap().into()).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_device_keeps_its_name_or_gets_the_one_given() {
        let plan = compile(
            r#"{"eth0": {}, "eth1": {"name": "n%d"}, "eth2": {"name": "n0"}, "eth3": {"name": "n%d"}}"#,
        );
        assert_eq!(plan.unwrap(), ["eth0", "n0", "n%d", "n%d"]);
    }

    #[test]
    fn what_the_kernel_would_not_take_is_refused_by_its_name() {
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a:1",
            "a b",
            "a\\tb",
            "sixteen-letters-",
            "%d",
            "a%db",
            "a%d%d",
            "a%",
            "\u{e0}",
        ] {
            for json in [format!(r#"{{"{name}": {{}}}}"#), format!(r#"{{"eth0": {{"name": "{name}"}}}}"#)] {
                // No name at all is the host's.
                let refused = compile(&json).err();
                assert_eq!(refused.is_none(), json.contains(r#""name": """#), "{json}: {refused:?}");
                assert!(refused.is_none_or(|text| text.contains("linux.netDevices")));
            }
        }
        assert_eq!(compile(r#"{"fifteen-letters": {}}"#).unwrap(), ["fifteen-letters"]);
        assert!(
            compile(r#"{"eth0": {"name": "eth1"}, "eth1": {}}"#)
                .unwrap_err()
                .contains("\"eth1\": name: another")
        );
    }

    #[test]
    fn a_network_namespace_is_needed() {
        let config: &mut Config<'_> =
            crate::config::parse("config.json", br#"{"linux": {"netDevices": {"eth0": {}}}}"#).unwrap();
        let refused = net_devices(config, &mut Plan::default()).unwrap_err().to_string();
        assert!(refused.contains("network namespace"), "{refused}");
    }
}
