//! What takes long with one instance or image delays nobody who wants something of another.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bed::Bed;
use crate::client::{Client, of};

/// How many names the large image has for its one file (ext4 allows 65,000): to copy or remove them takes many times as
/// long as what is done beside it.
const NAMES: usize = 60_000;

/// An image `large`.
fn large(bed: &Bed) {
    let files = bed.directory.join("large");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("file"), "content").unwrap();
    for number in 0..NAMES {
        let directory = files.join((number / 1000).to_string());
        if number % 1000 == 0 {
            fs::create_dir(&directory).unwrap();
        }
        fs::hard_link(files.join("file"), directory.join(number.to_string())).unwrap();
    }
    bed.client().done(&json!({"type": "seed", "directory": files, "image": "large"}));
    fs::remove_dir_all(&files).unwrap();
}

/// Sends a request, the answer to which is not waited for.
fn begin(bed: &Bed, request: &Value) -> Client {
    let mut client = bed.client();
    client.send(request, None).unwrap();
    client
}

/// The answer, if it has come.
fn answer(client: &mut Client) -> Option<Value> {
    client.socket.set_nonblocking(true).unwrap();
    let answer = loop {
        match client.next() {
            Some(message) if message["type"] == "progress" => {}
            other => break other,
        }
    };
    client.socket.set_nonblocking(false).unwrap();
    answer
}

/// All that another instance goes through.
fn life(bed: &Bed, name: &str) {
    let mut client = bed.client();
    client.done(&json!({"type": "new", "name": name, "image": "box", "settings": {"command": ["/bin/sleep", "1000"]}}));
    client.done(&of("run", name));
    client.done(&json!({"type": "ls", "what": "instances"}));
    client.done(&json!({"type": "stop", "name": name, "grace_ms": 0}));
    // Whatever has no image and no instance any more is looked for.
    client.done(&of("rm", name));
}

#[test]
fn a_copy_and_the_removal_of_layers_delay_no_other_instance() {
    let bed = Bed::new();
    large(&bed);
    let request = json!({"type": "new", "name": "big", "image": "large", "files": "copy"});
    // It says how far it is, and ends with its client.
    let mut copy = begin(&bed, &request);
    assert_eq!(copy.next().unwrap()["type"], "progress");
    drop(copy);
    bed.await_rest(0);
    assert_eq!(bed.state("big"), "gone");
    bed.check();

    let mut copy = begin(&bed, &request);
    assert_eq!(copy.next().unwrap()["type"], "progress");
    // Its image goes meanwhile, and the layer stays as long as somebody copies it.
    bed.client().done(&json!({"type": "rmi", "image": "large"}));
    let mut lives = 0;
    let copied = loop {
        if let Some(answer) = answer(&mut copy) {
            break answer;
        }
        life(&bed, &format!("i{lives}"));
        lives += 1;
    };
    assert_eq!(copied["type"], "ok", "{copied}");
    assert!(lives >= 3, "{lives} lives beside a copy");
    let copied = bed.directory.join("root/instances/big/rootfs");
    assert_eq!(fs::read_dir(&copied).unwrap().count(), 1 + NAMES / 1000);
    assert_eq!(fs::read(copied.join("59").join("59999")).unwrap(), b"content");

    // With the instance goes the layer, that nobody else has.
    let layers = || fs::read_dir(bed.directory.join("root/layers")).unwrap().count();
    assert_eq!(layers(), 2);
    let mut removal = begin(&bed, &of("rm", "big"));
    while layers() > 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut client = bed.client();
    client.done(&json!({"type": "new", "name": "web", "image": "box"}));
    client.done(&of("rm", "web"));
    assert_eq!(answer(&mut removal), None, "others have waited for the removal of a layer");
    assert_eq!(removal.next().unwrap()["type"], "ok");
    bed.check();
}
