//! Random layers, merged by overlayfs, against a slow model that applies one archive after the other to a map
//! of names, as the specification tells it (OCI image-spec, layer.md).

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;

use image::{Compression, Config, Format, Limits, MergedTree};

use crate::ground::{Ground, list, name};
use crate::tar::Tar;

/// A generator of numbers that are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn path(&mut self) -> String {
        let depth = 1 + self.roll(3);
        let parts: Vec<&str> =
            (0..depth).map(|_| ["a", "b", "c"][usize::try_from(self.roll(3)).unwrap()]).collect();
        parts.join("/")
    }
}

/// What a name stands for, in lines as `list` makes them.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Node {
    Directory,
    File(String),
    Symlink,
}

type Model = BTreeMap<String, Node>;

fn remove_below(model: &mut Model, path: &str) {
    let prefix = format!("{path}/");
    model.retain(|name, _| !name.starts_with(&prefix));
}

/// Makes the directories above a path; false if something else is in the way of this very layer.
fn make_parents(model: &mut Model, own: &mut Model, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let above: Vec<String> = (1..parts.len()).map(|end| parts[..end].join("/")).collect();
    if above.iter().any(|parent| own.get(parent).is_some_and(|node| *node != Node::Directory)) {
        return false;
    }
    for parent in above {
        // A lower layer's file gives way to a directory of this one.
        model.insert(parent.clone(), Node::Directory);
        own.insert(parent, Node::Directory);
    }
    true
}

/// One random layer: its archive, and the model after it.
fn layer(dice: &mut Dice, model: &mut Model) -> Vec<u8> {
    let mut tar = Tar::new();
    // What this layer itself has: it is not touched by the layer's own whiteouts.
    let mut own = Model::new();
    for number in 0..dice.roll(12) {
        let path = dice.path();
        if !make_parents(model, &mut own, &path) {
            continue;
        }
        match dice.roll(6) {
            0 | 1 => {
                let content = format!("{number}");
                tar = tar.file(&path, &content);
                put(model, &mut own, &path, Node::File(content));
            }
            2 => {
                tar = tar.symlink(&path, "nowhere");
                put(model, &mut own, &path, Node::Symlink);
            }
            3 => {
                tar = tar.directory(&path);
                if own.get(&path).is_some_and(|node| *node != Node::Directory) {
                    remove_below(model, &path);
                }
                model.insert(path.clone(), Node::Directory);
                own.insert(path, Node::Directory);
            }
            4 => {
                let (parent, last) = path.rsplit_once('/').map_or(("", path.as_str()), |halves| halves);
                tar = tar.file(format!("{parent}/.wh.{last}").trim_start_matches('/'), "");
                hide(model, &own, &path);
            }
            _ => {
                tar = tar.file(&format!("{path}/.wh..wh..opq"), "");
                if own.get(&path).is_some_and(|node| *node != Node::Directory) {
                    return layer_again(tar);
                }
                model.insert(path.clone(), Node::Directory);
                own.insert(path.clone(), Node::Directory);
                hide_below(model, &own, &path);
            }
        }
    }
    tar.finish()
}

/// An opaque mark below the layer's own file: the archive is refused, which the caller sees.
fn layer_again(tar: Tar) -> Vec<u8> {
    tar.finish()
}

fn put(model: &mut Model, own: &mut Model, path: &str, node: Node) {
    for map in [model, own] {
        remove_below(map, path);
        map.insert(path.to_owned(), node.clone());
    }
}

fn hide(model: &mut Model, own: &Model, path: &str) {
    hide_below(model, own, path);
    if !own.contains_key(path) {
        model.remove(path);
    }
}

fn hide_below(model: &mut Model, own: &Model, path: &str) {
    let prefix = format!("{path}/");
    model.retain(|name, _| !name.starts_with(&prefix) || own.contains_key(name));
}

fn lines(model: &Model) -> Vec<String> {
    let mut lines: Vec<String> = model
        .iter()
        .map(|(path, node)| match node {
            Node::Directory => format!("d {path}"),
            Node::File(content) => format!("f {path}={content}"),
            Node::Symlink => format!("l {path}>nowhere"),
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn random_layers_merge_to_what_the_specification_says() {
    let ground = Ground::new();
    let limits = Limits::default();
    let mut dice = Dice(20_261_130);
    let (mut merges, mut refusals) = (0, 0);
    for round in 0..150 {
        let mut model = Model::new();
        let mut layers = Vec::new();
        for depth in 0..1 + dice.roll(5) {
            let mut next = model.clone();
            let archive = layer(&mut dice, &mut next);
            match ground.import(archive, &format!("r{round}-{depth}"), &limits) {
                Ok(imported) => {
                    layers.extend(imported.image.layers);
                    model = next;
                }
                // Only for what is below a file of the layer itself, or for a layer of nothing.
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("on its way") || text.contains("has nothing in it"), "{text}");
                    refusals += 1;
                }
            }
        }
        let Ok(merged) = MergedTree::new(&ground.store, &layers) else {
            assert!(layers.is_empty());
            continue;
        };
        let root = format!("/proc/self/fd/{}/", merged.root().as_raw_fd());
        assert_eq!(list(root.as_ref()), lines(&model), "round {round}");
        merges += 1;
        if round % 10 == 0 {
            let wanted = (&name(&format!("flat{round}")), Config::default());
            let flat = ground.store.commit_flat(merged.root(), wanted, &limits, &mut ()).unwrap().image;
            assert_eq!(list(&ground.store.layer_paths(&flat)[0]), lines(&model), "round {round}");
            let mut whole = ground.store.image(&name(&format!("flat{round}"))).unwrap();
            whole.layers = layers;
            let mut bytes = Vec::new();
            let form = (Format::OciArchive, Compression::Plain);
            ground.store.export(&whole, form, &mut bytes, &mut ()).unwrap();
            let again = ground.import(bytes, &format!("again{round}"), &limits).unwrap().image;
            let merged = MergedTree::new(&ground.store, &again.layers).unwrap();
            let root = format!("/proc/self/fd/{}/", merged.root().as_raw_fd());
            assert_eq!(list(root.as_ref()), lines(&model), "round {round} exported");
        }
    }
    assert!(merges > 100 && refusals < 100, "{merges} merges, {refusals} refusals");
}
