//! Archives of images: OCI layouts and what `docker save` writes, honest and not.

use image::{Config, Limits, Source};
use serde_json::{Value, json};

use crate::ground::{Ground, list, name, refused, refused_within};
use crate::streams::{gzip, zstd};
use crate::tar::Tar;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The digest of bytes, as the specification spells it.
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    let digits: String = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()})
}

/// Blobs on their way into an archive.
#[derive(Default)]
struct Layout(Vec<(String, Vec<u8>)>);

impl Layout {
    fn blob(&mut self, kind: &str, bytes: Vec<u8>) -> Value {
        let descriptor = descriptor(kind, &bytes);
        self.0.push((format!("blobs/sha256/{}", &digest(&bytes)[7..]), bytes));
        descriptor
    }

    /// An image of these layers, packed and not; the architecture is a word.
    fn image(&mut self, layers: &[(Vec<u8>, Vec<u8>)], architecture: &str) -> Value {
        let diff_ids: Vec<String> = layers.iter().map(|(_, plain)| digest(plain)).collect();
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": {
                "User": "1000:1000", "Env": ["PATH=/bin"], "Entrypoint": ["/init"], "Cmd": null,
                "WorkingDir": "/srv", "ExposedPorts": {"80/tcp": {}}, "Labels": {"a": "b"},
                "StopSignal": "SIGINT", "Volumes": {"/data": {}}
            },
            "rootfs": {"type": "layers", "diff_ids": diff_ids}
        });
        let config = self.blob(CONFIG, config.to_string().into_bytes());
        let layers: Vec<Value> = layers.iter().map(|(packed, _)| self.blob(LAYER, packed.clone())).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        self.blob(MANIFEST, manifest.to_string().into_bytes())
    }

    fn finish(mut self, manifests: &[Value]) -> Vec<u8> {
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        self.0.push(("index.json".to_owned(), index.to_string().into_bytes()));
        self.0.push(("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
        archive(&self.0)
    }
}

/// An image of these layers for this machine, as an OCI archive.
pub fn oci(layers: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut layout = Layout::default();
    let image = layout.image(layers, own());
    layout.finish(&[image])
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    files.iter().fold(Tar::new(), |tar, (name, bytes)| tar.entry(b'0', name.as_bytes(), bytes)).finish()
}

fn layer(file: &str, content: &str) -> Vec<u8> {
    Tar::new().file(file, content).finish()
}

/// Two layers, one compressed with gzip and one with zstd, whatever their media type says.
fn two_layers() -> [(Vec<u8>, Vec<u8>); 2] {
    let (bottom, top) = (layer("a", "bottom"), Tar::new().file("a", "top").file(".wh.b", "").finish());
    [(gzip(&bottom), bottom), (zstd(&top), top)]
}

fn own() -> &'static str {
    if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" }
}

fn expected() -> Config {
    Config {
        entrypoint: vec!["/init".to_owned()],
        env: vec!["PATH=/bin".to_owned()],
        user: "1000:1000".to_owned(),
        workdir: "/srv".to_owned(),
        exposed_ports: ["80/tcp".to_owned()].into(),
        volumes: ["/data".to_owned()].into(),
        labels: [("a".to_owned(), "b".to_owned())].into(),
        stop_signal: "SIGINT".to_owned(),
        cmd: Vec::new(),
    }
}

fn saved(prefix: &str, layers: &[(String, Vec<u8>)], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|(_, bytes)| digest(bytes)).collect();
    let config = json!({"architecture": own(), "os": "linux", "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = config.to_string().into_bytes();
    let config_name = format!("{prefix}{}.json", &digest(&config)[7..]);
    let names: Vec<&String> = layers.iter().map(|(name, _)| name).collect();
    let mut manifest = json!([{"Config": config_name, "RepoTags": ["x:latest"], "Layers": names}]);
    change(&mut manifest);
    let mut files = layers.to_vec();
    files.push((config_name, config));
    files.push(("manifest.json".to_owned(), manifest.to_string().into_bytes()));
    files.push(("repositories".to_owned(), b"{}".to_vec()));
    archive(&files)
}

#[test]
fn an_oci_archive_is_taken_from_a_stream_from_a_file_and_from_a_directory() {
    let mut layout = Layout::default();
    let image = layout.image(&two_layers(), own());
    let bytes = layout.finish(&[image]);
    let ground = Ground::new();
    let streamed = ground.import(bytes.clone(), "streamed", &Limits::default()).unwrap().image;
    let packed = ground.import(gzip(&bytes), "packed", &Limits::default()).unwrap().image;
    let path = ground.at.join("store/archive");
    std::fs::write(&path, &bytes).unwrap();
    let other = Ground::new();
    let file = other.store.import(Source::open(&path).unwrap(), &name("file"), &Limits::default(), &mut ());
    let file = file.unwrap().image;
    let status = std::process::Command::new("tar")
        .arg("-xf")
        .arg(&path)
        .arg("--one-top-level=layout")
        .current_dir(ground.at.join("store"))
        .status();
    assert!(status.unwrap().success());
    let third = Ground::new();
    let source = Source::open(&ground.at.join("store/layout")).unwrap();
    let directory =
        third.store.import(source, &name("directory"), &Limits::default(), &mut ()).unwrap().image;
    for image in [&streamed, &packed, &file, &directory] {
        assert_eq!(image.layers, streamed.layers);
        assert_eq!(image.config, expected());
    }
    let paths = ground.store.layer_paths(&streamed);
    assert_eq!(list(&paths[0]), ["f a=top", "w b"]);
    assert_eq!(list(&paths[1]), ["f a=bottom"]);
}

#[test]
fn of_an_index_the_image_for_this_machine_is_taken_also_from_an_index_within() {
    let mut layout = Layout::default();
    let with = |mut descriptor: Value, architecture: &str| {
        descriptor["platform"] = json!({"architecture": architecture, "os": "linux"});
        descriptor
    };
    let other = layout.image(&[(layer("other", ""), layer("other", ""))], "riscv64");
    let ours = layout.image(&[(layer("ours", ""), layer("ours", ""))], own());
    let absent = json!({"mediaType": MANIFEST, "digest": digest(b"absent"), "size": 6,
        "platform": {"architecture": "unknown", "os": "unknown"}});
    let inside = json!({"schemaVersion": 2, "mediaType": INDEX,
        "manifests": [with(other, "riscv64"), absent, with(ours, own())]});
    let index = layout.blob(INDEX, inside.to_string().into_bytes());
    let ground = Ground::new();
    let image = ground.import(layout.finish(&[index]), "ours", &Limits::default()).unwrap().image;
    assert_eq!(list(&ground.store.layer_paths(&image)[0]), ["f ours="]);
}

#[test]
fn an_archive_of_several_images_or_of_none_for_this_machine_is_refused() {
    let mut layout = Layout::default();
    let one = layout.image(&[(layer("a", ""), layer("a", ""))], own());
    let two = layout.image(&[(layer("b", ""), layer("b", ""))], own());
    refused(layout.finish(&[one, two]), "an archive of 2 images");
    let mut layout = Layout::default();
    let other = layout.image(&[(layer("a", ""), layer("a", ""))], "riscv64");
    refused(layout.finish(&[other]), "no image for Linux on this machine");
}

#[test]
fn docker_archives_of_both_styles_are_taken() {
    let bytes = layer("a", "1");
    let old = saved("", &[(format!("{}/layer.tar", "ab".repeat(32)), bytes.clone())], |_| {});
    let new = saved("blobs/sha256/", &[(format!("blobs/sha256/{}", "ab".repeat(32)), bytes)], |_| {});
    for archive in [old, new] {
        let ground = Ground::new();
        let image = ground.import(archive, "docker", &Limits::default()).unwrap().image;
        assert_eq!(list(&ground.store.layer_paths(&image)[0]), ["f a=1"]);
        assert_eq!(image.config.cmd, ["/bin/sh"]);
    }
}

#[test]
fn a_layer_that_an_image_has_twice_is_kept_once_and_stacked_once() {
    let bytes = layer("a", "1");
    let names = ["aa", "bb", "cc"].map(|half| format!("{}/layer.tar", half.repeat(32)));
    let [one, two, three] = names;
    let archive = saved("", &[(one, bytes.clone()), (two, layer("b", "2")), (three, bytes)], |_| {});
    let ground = Ground::new();
    let image = ground.import(archive, "twice", &Limits::default()).unwrap().image;
    assert_eq!(image.layers.len(), 3);
    assert_eq!(ground.layers().len(), 2);
    let stack = ground.store.layer_paths(&image);
    assert_eq!(stack.len(), 2);
    assert_eq!(list(&stack[0]), ["f a=1"]);
}

#[test]
fn a_layer_behind_a_symlink_in_the_archive_is_found_and_one_outside_is_not() {
    let bytes = layer("a", "1");
    let (real, linked) = ("ab".repeat(32), "cd".repeat(32));
    let files = [(format!("{real}/layer.tar"), bytes)];
    let change = |manifest: &mut Value| manifest[0]["Layers"][0] = json!(format!("{linked}/layer.tar"));
    let whole = saved("", &files, change);
    let link = |target: &str| {
        let link = Tar::new().symlink(&format!("{linked}/layer.tar"), target).unfinished();
        [link, whole.clone()].concat()
    };
    let ground = Ground::new();
    ground.import(link(&format!("../{real}/layer.tar")), "linked", &Limits::default()).unwrap();
    refused(link("../../../etc/passwd"), "leads out of the image archive");
    refused(link("/etc/passwd"), "no file");
    refused(link("layer.tar"), "leads to none but others");
}

#[test]
fn names_in_a_manifest_that_lead_out_are_refused() {
    let files = [(format!("{}/layer.tar", "ab".repeat(32)), layer("a", "1"))];
    for (key, at) in [("Config", "/Config"), ("Layers", "/Layers/0")] {
        for path in ["../../../etc/passwd", "/etc/passwd", "", "."] {
            let archive = saved("", &files, |manifest| {
                *manifest[0].pointer_mut(at).unwrap() = json!(path);
            });
            refused(archive, if path.starts_with("..") { "leads out" } else { "has no file" });
        }
        let archive = saved("", &files, |manifest| drop(manifest[0].as_object_mut().unwrap().remove(key)));
        refused(archive, "manifest.json");
    }
}

#[test]
fn a_directory_as_a_layout_is_not_left_by_links() {
    let ground = Ground::new();
    let layout = ground.at.join("store/layout");
    std::fs::create_dir_all(layout.join("blobs")).unwrap();
    let mut real = Layout::default();
    let image = real.image(&two_layers(), own());
    let index = json!({"schemaVersion": 2, "manifests": [image]});
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let outside = ground.at.join("store/outside");
    std::fs::create_dir(&outside).unwrap();
    for (name, bytes) in &real.0 {
        std::fs::write(outside.join(name.rsplit('/').next().unwrap()), bytes).unwrap();
    }
    std::os::unix::fs::symlink(&outside, layout.join("blobs/sha256")).unwrap();
    let source = Source::open(&layout).unwrap();
    let error = ground.store.import(source, &name("x"), &Limits::default(), &mut ()).unwrap_err().to_string();
    assert!(error.contains("Too many levels of symbolic links"), "{error}");
}

#[test]
fn content_that_is_not_what_its_digest_says_is_refused() {
    let build = || {
        let mut layout = Layout::default();
        let image = layout.image(&two_layers(), own());
        (layout, image)
    };
    // In this order: configuration, layers, manifest.
    for (at, words) in [
        (0, "its content is not what its digest and size say"),
        (1, "is not what its digest says"),
        (2, "is not what its digest says"),
        (3, "its content is not what its digest and size say"),
    ] {
        let (mut layout, image) = build();
        let bytes = &mut layout.0[at].1;
        // A byte of gzip's time stamp, of zstd's checksum, of a document's blank: nothing else would notice.
        let place = if at == 1 { 4 } else { bytes.len() - 1 };
        bytes[place] ^= 1;
        let ground = Ground::new();
        let error = ground.import(layout.finish(&[image]), "x", &Limits::default()).unwrap_err().to_string();
        assert!(error.contains(words) || at == 2, "{at}: {error}");
        assert!(ground.layers().is_empty());
    }
    let (layout, mut image) = build();
    image["size"] = json!(1);
    refused(layout.finish(&[image]), "its content is not what its digest and size say");
}

#[test]
fn a_layer_that_is_not_what_the_configuration_says_is_refused() {
    let mut layout = Layout::default();
    let image = layout.image(&[(layer("a", "1"), layer("a", "2"))], own());
    refused(layout.finish(&[image]), "uncompressed, and should be");
}

#[test]
fn unknown_media_types_and_algorithms_are_refused() {
    let mut layout = Layout::default();
    let mut image = layout.image(&two_layers(), own());
    image["mediaType"] = json!("application/vnd.example+json");
    refused(layout.finish(&[image]), "the unknown type application/vnd.example+json");
    let mut layout = Layout::default();
    let mut image = layout.image(&two_layers(), own());
    image["digest"] = json!(format!("sha512:{}", "0".repeat(128)));
    refused(layout.finish(&[image]), "is no digest");
    let mut layout = Layout::default();
    let config = layout.blob("application/vnd.cncf.helm.config.v1+json", b"{}".to_vec());
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": []}).to_string();
    let chart = layout.blob(MANIFEST, manifest.into_bytes());
    refused(layout.finish(&[chart]), "something that is no image");
}

#[test]
fn a_digest_cannot_be_a_path() {
    let mut layout = Layout::default();
    let mut image = layout.image(&two_layers(), own());
    image["digest"] = json!("sha256:../../../../../../etc/passwd");
    refused(layout.finish(&[image]), "is no digest");
}

#[test]
fn indexes_without_end_are_refused() {
    let mut layout = Layout::default();
    let mut inner = layout.image(&two_layers(), own());
    for depth in 0..300 {
        let index =
            json!({"schemaVersion": 2, "manifests": [inner], "annotations": {"depth": depth.to_string()}});
        inner = layout.blob(INDEX, index.to_string().into_bytes());
    }
    refused(layout.finish(&[inner]), "more than 200 documents");
}

#[test]
fn the_same_document_a_million_times_is_read_once() {
    let mut layout = Layout::default();
    let image = layout.image(&two_layers(), own());
    let ground = Ground::new();
    ground.import(layout.finish(&vec![image; 5000]), "x", &Limits::default()).unwrap();
}

#[test]
fn documents_that_are_deep_large_or_no_documents_are_refused() {
    for (text, words) in [
        ("[".repeat(100_000), "invalid type"),
        (
            format!(r#"{{"schemaVersion":2,"manifests":[],"x":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000)),
            "no image for Linux",
        ),
        ("{".to_owned(), "EOF"),
        ("null".to_owned(), "invalid type"),
        (r#"{"schemaVersion":2,"manifests":[{"digest":1}]}"#.to_owned(), "invalid type"),
        (" ".repeat(9 << 20), "too many for a document"),
        (r#"{"schemaVersion":2,"manifests":[]}"#.to_owned(), "no image for Linux"),
    ] {
        refused(archive(&[("index.json".to_owned(), text.into_bytes())]), words);
    }
}

#[test]
fn an_archive_that_lacks_what_it_speaks_of_is_refused() {
    let mut layout = Layout::default();
    let image = layout.image(&two_layers(), own());
    let mut without = Layout(layout.0.split_off(2));
    without.0.remove(0);
    refused(without.finish(&[image]), "has no file blobs/sha256/");
    refused(archive(&[("oci-layout".to_owned(), b"{}".to_vec())]), "neither index.json nor manifest.json");
}

#[test]
fn too_many_layers_and_none_are_refused() {
    let layers: Vec<(String, Vec<u8>)> =
        (0..4).map(|number| (format!("{number:064}/layer.tar"), layer("a", &number.to_string()))).collect();
    let limits = Limits { layers: 3, ..Limits::default() };
    refused_within(saved("", &layers, |_| {}), &limits, "an image of 4 layers; it can have 1 to 3");
    refused(saved("blobs/", &[], |_| {}), "an image of 0 layers");
    refused(saved("", &layers, |manifest| manifest[0]["Layers"] = json!([])), "the configuration 4");
}

#[test]
fn files_in_an_image_archive_are_files() {
    let tar = Tar::new().file("oci-layout", "{}").mode(b'6', "index.json", 0o600);
    refused(tar.finish(), "neither a file nor a directory");
    let tar = Tar::new().file("oci-layout", "{}").device(b'3', "blobs/x", (1, 1));
    refused(tar.finish(), "neither a file nor a directory");
    let many = (0..20_001).fold(Tar::new(), |tar, number| tar.file(&format!("blobs/{number}"), ""));
    refused(many.finish(), "or so many");
}

#[test]
fn a_hostile_layer_refuses_the_image_and_the_layers_below_it() {
    let bad = Tar::new().file("../x", "").finish();
    let mut layout = Layout::default();
    let image = layout.image(&[(layer("a", ""), layer("a", "")), (gzip(&bad), bad)], own());
    refused(layout.finish(&[image]), "leads upwards by `..`");
}

#[test]
fn a_configuration_with_a_nul_is_refused() {
    let files = [(format!("{}/layer.tar", "ab".repeat(32)), layer("a", "1"))];
    let config = json!({"architecture": own(), "os": "linux", "config": {"Env": ["A=\0"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(&files[0].1)]}});
    let manifest = json!([{"Config": "config.json", "Layers": [files[0].0]}]);
    let mut all = files.to_vec();
    all.push(("config.json".to_owned(), config.to_string().into_bytes()));
    all.push(("manifest.json".to_owned(), manifest.to_string().into_bytes()));
    refused(archive(&all), "has a NUL");
}
