//! Our types of config.json beside those of the crate `oci-spec`: what it reads ours read, and alike.

mod corpus;

use std::collections::{BTreeMap, BTreeSet};

use oci::Spec;
use oci::spec::{CapabilityNames, Linux, Process, Resources};
use serde_json::{Value, json};

/// A value below another, by keys; null where there is none.
fn at<'v>(value: &'v Value, keys: &[&str]) -> &'v Value {
    keys.iter().fold(value, |value, key| value.get(key).unwrap_or(&Value::Null))
}

/// Elements of a list; none where it is absent.
fn list<'v>(value: &'v Value, keys: &[&str]) -> Vec<&'v Value> {
    at(value, keys).as_array().map_or_else(Vec::new, |list| list.iter().collect())
}

fn text(value: &Value, keys: &[&str]) -> String {
    at(value, keys).as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value, keys: &[&str]) -> Vec<String> {
    list(value, keys).iter().map(|one| text(one, &[])).collect()
}

fn number(value: &Value, keys: &[&str]) -> i128 {
    let value = at(value, keys);
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from)).unwrap_or_default()
}

/// The fields of both that are compared, by name: ours, theirs.
struct Fields(BTreeMap<&'static str, (String, String)>);

impl Fields {
    fn add(&mut self, name: &'static str, ours: impl std::fmt::Debug, theirs: impl std::fmt::Debug) {
        self.0.insert(name, (format!("{ours:?}"), format!("{theirs:?}")));
    }
}

fn add_process(fields: &mut Fields, ours: &Process, theirs: &Value) {
    let strings = |list: &[std::ffi::OsString]| -> Vec<String> {
        list.iter().map(|text| text.to_string_lossy().into_owned()).collect()
    };
    fields.add("args", strings(&ours.args), texts(theirs, &["args"]));
    fields.add("env", strings(&ours.env), texts(theirs, &["env"]));
    fields.add("cwd", &ours.cwd, text(theirs, &["cwd"]));
    fields.add("terminal", ours.terminal, at(theirs, &["terminal"]) == &json!(true));
    let no_new_privileges = at(theirs, &["noNewPrivileges"]) == &json!(true);
    fields.add("noNewPrivileges", ours.no_new_privileges, no_new_privileges);
    let user = (i128::from(ours.user.uid), i128::from(ours.user.gid));
    fields.add("user", user, (number(theirs, &["user", "uid"]), number(theirs, &["user", "gid"])));
    let groups: Vec<i128> = ours.user.additional_gids.iter().map(|gid| i128::from(*gid)).collect();
    let others: Vec<i128> =
        list(theirs, &["user", "additionalGids"]).iter().map(|gid| number(gid, &[])).collect();
    fields.add("additionalGids", groups, others);
    fields.add("oomScoreAdj", ours.oom_score_adj.unwrap_or(0), number(theirs, &["oomScoreAdj"]));
    let limits: Vec<(String, i128, i128)> = ours
        .rlimits
        .iter()
        .map(|limit| (limit.kind.clone(), i128::from(limit.soft), i128::from(limit.hard)))
        .collect();
    let others: Vec<(String, i128, i128)> = list(theirs, &["rlimits"])
        .iter()
        .map(|one| (text(one, &["type"]), number(one, &["soft"]), number(one, &["hard"])))
        .collect();
    fields.add("rlimits", limits, others);
    let none = CapabilityNames::default();
    let ours = ours.capabilities.as_ref().unwrap_or(&none);
    for (name, list) in [
        ("bounding", &ours.bounding),
        ("effective", &ours.effective),
        ("permitted", &ours.permitted),
        ("inheritable", &ours.inheritable),
        ("ambient", &ours.ambient),
    ] {
        let theirs: BTreeSet<String> = texts(theirs, &["capabilities", name]).into_iter().collect();
        fields.add(name, list.iter().cloned().collect::<BTreeSet<_>>(), theirs);
    }
}

fn add_linux(fields: &mut Fields, ours: &Linux, theirs: &Value) {
    let namespaces: Vec<(String, String)> =
        ours.namespaces.iter().map(|one| (one.kind.clone(), one.path.clone())).collect();
    let others: Vec<(String, String)> = list(theirs, &["namespaces"])
        .iter()
        .map(|one| (text(one, &["type"]), text(one, &["path"])))
        .collect();
    fields.add("namespaces", namespaces, others);
    fields.add("maskedPaths", &ours.masked_paths, texts(theirs, &["maskedPaths"]));
    fields.add("readonlyPaths", &ours.readonly_paths, texts(theirs, &["readonlyPaths"]));
    fields.add("rootfsPropagation", &ours.rootfs_propagation, text(theirs, &["rootfsPropagation"]));
    fields.add("cgroupsPath", &ours.cgroups_path, text(theirs, &["cgroupsPath"]));
    for (name, maps) in [("uidMappings", &ours.uid_mappings), ("gidMappings", &ours.gid_mappings)] {
        let maps: Vec<[i128; 3]> =
            maps.iter().map(|map| [map.container_id, map.host_id, map.size].map(i128::from)).collect();
        let others: Vec<[i128; 3]> = list(theirs, &[name])
            .iter()
            .map(|map| ["containerID", "hostID", "size"].map(|key| number(map, &[key])))
            .collect();
        fields.add(name, maps, others);
    }
    let sysctls: BTreeMap<String, String> = at(theirs, &["sysctl"])
        .as_object()
        .map(|all| all.iter().map(|(key, value)| (key.clone(), text(value, &[]))).collect())
        .unwrap_or_default();
    fields.add("sysctl", &ours.sysctl, sysctls);
    let rules = ours.seccomp.as_ref().map_or_else(Vec::new, |seccomp| {
        seccomp.syscalls.iter().map(|rule| (rule.names.clone(), rule.action.clone())).collect()
    });
    let others: Vec<(Vec<String>, String)> = list(theirs, &["seccomp", "syscalls"])
        .iter()
        .map(|rule| (texts(rule, &["names"]), text(rule, &["action"])))
        .collect();
    fields.add("seccomp", rules, others);
    let none = Resources::default();
    add_resources(fields, ours.resources.as_ref().unwrap_or(&none), at(theirs, &["resources"]));
}

fn add_resources(fields: &mut Fields, ours: &Resources, theirs: &Value) {
    let memory = ours.memory.clone().unwrap_or_default();
    for (name, value) in [("limit", memory.limit), ("reservation", memory.reservation), ("swap", memory.swap)]
    {
        fields.add(name, value.unwrap_or(0), number(theirs, &["memory", name]));
    }
    let cpu = ours.cpu.clone().unwrap_or_default();
    let numbers = [
        ("shares", cpu.shares.map(i128::from)),
        ("quota", cpu.quota.map(i128::from)),
        ("period", cpu.period.map(i128::from)),
        ("burst", cpu.burst.map(i128::from)),
    ];
    for (name, value) in numbers {
        fields.add(name, value.unwrap_or(0), number(theirs, &["cpu", name]));
    }
    fields.add("cpus", &cpu.cpus, text(theirs, &["cpu", "cpus"]));
    let pids = ours.pids.as_ref().and_then(|pids| pids.limit).unwrap_or(0);
    fields.add("pids", pids, number(theirs, &["pids", "limit"]));
    let unified: BTreeMap<String, String> = at(theirs, &["unified"])
        .as_object()
        .map(|all| all.iter().map(|(key, value)| (key.clone(), text(value, &[]))).collect())
        .unwrap_or_default();
    fields.add("unified", &ours.unified, unified);
}

fn fields(ours: &Spec, theirs: &Value) -> Fields {
    let mut fields = Fields(BTreeMap::new());
    fields.add("ociVersion", &ours.oci_version, text(theirs, &["ociVersion"]));
    fields.add("hostname", &ours.hostname, text(theirs, &["hostname"]));
    fields.add("domainname", &ours.domainname, text(theirs, &["domainname"]));
    let root = ours.root.clone().unwrap_or_default();
    let readonly = at(theirs, &["root", "readonly"]) == &json!(true);
    fields.add("root", (root.path, root.readonly), (text(theirs, &["root", "path"]), readonly));
    let mounts: Vec<(String, String, String, Vec<String>)> = ours
        .mounts
        .iter()
        .cloned()
        .map(|mount| (mount.destination, mount.kind, mount.source, mount.options))
        .collect();
    let others: Vec<(String, String, String, Vec<String>)> = list(theirs, &["mounts"])
        .iter()
        .map(|one| {
            let named = ["destination", "type", "source"].map(|key| text(one, &[key]));
            let [destination, kind, source] = named;
            (destination, kind, source, texts(one, &["options"]))
        })
        .collect();
    fields.add("mounts", mounts, others);
    let (process, linux) = (ours.process.clone().unwrap_or_default(), ours.linux.clone().unwrap_or_default());
    add_process(&mut fields, &process, at(theirs, &["process"]));
    add_linux(&mut fields, &linux, at(theirs, &["linux"]));
    fields
}

#[test]
fn what_the_reference_reads_is_read_alike() {
    let (mut read, mut compared) = (0, 0);
    let mut wrong = String::new();
    for config in corpus::all() {
        let theirs = match serde_json::from_slice::<oci_spec::runtime::Spec>(&config.text) {
            Ok(theirs) => theirs,
            Err(why) => {
                println!("not read by the reference: {}: {why}", config.name);
                continue;
            }
        };
        read += 1;
        let ours = match Spec::from_json(&config.text) {
            Ok(ours) => ours,
            Err(error) => {
                wrong += &format!("{}: read by the reference, not by us: {error}\n", config.name);
                continue;
            }
        };
        let theirs = serde_json::to_value(&theirs).expect("what was read can be written");
        for (name, (ours, theirs)) in fields(&ours, &theirs).0 {
            compared += 1;
            if ours != theirs {
                wrong += &format!("{}: {name}: {ours}, and the reference has {theirs}\n", config.name);
            }
        }
    }
    println!("{read} configurations, {compared} fields");
    assert!(read > 200 && compared > 5_000, "{read} configurations, {compared} fields");
    assert!(wrong.is_empty(), "\n{wrong}");
}
