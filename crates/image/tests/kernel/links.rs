//! Links that lead out of the layer, in circles, or to what must not be linked.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::ground::{Ground, refused, taken, taken_from};
use crate::tar::Tar;

#[test]
fn a_file_below_an_absolute_symlink_stays_in_the_layer() {
    let found = taken_from(|canary| {
        let tar = Tar::new().symlink("out", canary).directory(&canary[1..]).file("out/secret", "mine");
        tar.finish()
    });
    let inside = found.tree.join(&found.ground.canary()[1..]).join("secret");
    assert_eq!(fs::read(inside).unwrap(), b"mine");
}

#[test]
fn a_file_below_a_symlink_to_a_directory_that_only_the_host_has_is_refused() {
    let ground = Ground::new();
    let tar = Tar::new().symlink("out", &ground.canary()).file("out/secret", "mine").finish();
    let error = ground.import(tar, "hostile", &Default::default()).unwrap_err().to_string();
    assert!(error.contains("the symbolic link out on its way leads nowhere"), "{error}");
}

#[test]
fn a_symlink_upwards_ends_at_the_root_of_the_layer() {
    let tar =
        Tar::new().symlink("up", "../../../../../..").directory("canary").file("up/canary/secret", "mine");
    assert_eq!(taken(tar.finish()).list(), ["d canary", "f canary/secret=mine", "l up>../../../../../.."]);
}

#[test]
fn a_file_over_a_symlink_replaces_it() {
    let found =
        taken_from(|canary| Tar::new().symlink("f", &format!("{canary}/secret")).file("f", "mine").finish());
    assert_eq!(found.list(), ["f f=mine"]);
}

#[test]
fn a_directory_over_a_symlink_replaces_it() {
    let found = taken_from(|canary| {
        Tar::new().symlink("d", canary).directory("d/").file("d/secret", "mine").finish()
    });
    assert_eq!(found.list(), ["f d/secret=mine", "o d"]);
}

#[test]
fn symlinks_in_a_circle_are_refused_on_the_way_and_kept_as_they_are() {
    let circle = Tar::new().symlink("a", "b").symlink("b", "a").symlink("self", "self");
    assert_eq!(taken(circle.clone().finish()).list(), ["l a>b", "l b>a", "l self>self"]);
    refused(circle.clone().file("a/x", "").finish(), "the symbolic link a on its way leads nowhere");
    refused(circle.file("self/x", "").finish(), "the symbolic link self on its way leads nowhere");
}

#[test]
fn a_file_below_a_dangling_symlink_is_refused() {
    refused(Tar::new().symlink("s", "nothing").file("s/x", "").finish(), "leads nowhere");
}

#[test]
fn a_file_below_a_file_is_refused() {
    refused(Tar::new().file("f", "").file("f/x", "").finish(), "f on its way is no directory");
}

#[test]
fn a_magic_link_of_proc_is_not_followed() {
    let tar = Tar::new().symlink("p", "/proc/self/root").file("p/tmp/x", "");
    refused(tar.finish(), "leads nowhere");
}

#[test]
fn a_chain_of_symlinks_stays_in_the_layer() {
    let tar = Tar::new()
        .directory("real")
        .symlink("a", "real")
        .symlink("b", "a/../a")
        .file("b/x", "1")
        .file("a/y", "2")
        .file("real/z", "3");
    let found = taken(tar.finish());
    assert_eq!(found.list(), ["d real", "f real/x=1", "f real/y=2", "f real/z=3", "l a>real", "l b>a/../a"]);
    assert_eq!(fs::metadata(found.tree.join("real")).unwrap().mtime(), 1_000_000_000);
}

#[test]
fn a_directory_replaced_through_its_other_name_is_not_written_to_any_more() {
    let tar = Tar::new()
        .directory("d")
        .symlink("d/l", "/")
        .file("d/l/d", "now a file")
        .file("x", "")
        .directory("d")
        .file("d/y", "");
    assert_eq!(taken(tar.finish()).list(), ["f d/y=", "f x=", "o d"]);
}

#[test]
fn a_hard_link_out_of_the_layer_is_refused() {
    let ground = Ground::new();
    for target in [format!("{}/secret", ground.canary()), "../canary/secret".to_owned(), "nothing".to_owned()]
    {
        let tar = Tar::new().hard_link("h", &target).finish();
        let error = ground.import(tar, "hostile", &Default::default()).unwrap_err().to_string();
        assert!(error.contains("a hard link to"), "{error}");
    }
}

#[test]
fn a_hard_link_through_a_symlink_out_of_the_layer_is_refused() {
    let ground = Ground::new();
    let tar = Tar::new().symlink("out", &ground.canary()).hard_link("h", "out/secret").finish();
    let error = ground.import(tar, "hostile", &Default::default()).unwrap_err().to_string();
    assert!(error.contains("which is not in the layer so far"), "{error}");
}

#[test]
fn a_hard_link_to_a_symlink_is_another_name_of_the_symlink() {
    let found = taken_from(|canary| {
        let tar = Tar::new().symlink("s", &format!("{canary}/secret")).hard_link("h", "s").file("h", "mine");
        tar.finish()
    });
    assert_eq!(found.list()[0], "f h=mine");
}

#[test]
fn a_file_over_a_hard_link_leaves_the_other_name_as_it_is() {
    let tar = Tar::new().file("a", "first").hard_link("b", "a").file("b", "second");
    assert_eq!(taken(tar.finish()).list(), ["f a=first", "f b=second"]);
}

#[test]
fn a_hard_link_to_itself_changes_nothing() {
    let tar = Tar::new().file("a", "x").hard_link("a", "a").hard_link("b", "/./a").hard_link("b", "a");
    let found = taken(tar.finish());
    assert_eq!(found.list(), ["f a=x", "f b=x"]);
    assert_eq!(fs::metadata(found.tree.join("a")).unwrap().nlink(), 2);
}

#[test]
fn a_hard_link_to_a_directory_or_to_the_root_is_refused() {
    refused(Tar::new().directory("d").hard_link("h", "d").finish(), "which is no file");
    refused(Tar::new().hard_link("h", "/").finish(), "a hard link to the root");
}

#[test]
fn a_hard_link_over_the_directory_that_has_its_target_is_refused() {
    refused(Tar::new().file("d/f", "").hard_link("d", "d/f").finish(), "No such file or directory");
}

#[test]
fn a_hard_link_that_claims_content_has_none() {
    let tar = Tar::new().file("a", "x").with(
        crate::tar::header(b'1', b"b", 512),
        |block| block[157..158].copy_from_slice(b"a"),
        b"",
    );
    assert_eq!(taken(tar.file("c", "y").finish()).list(), ["f a=x", "f b=x", "f c=y"]);
}

#[test]
fn a_symlink_to_nothing_is_refused() {
    refused(Tar::new().symlink("s", "").finish(), "a symbolic link to nothing");
}

#[test]
fn a_symlink_with_a_target_longer_than_any_path_is_refused() {
    refused(Tar::new().long(b'K', &[b'x'; 5000]).symlink("s", "x").finish(), "more than 4095 bytes");
}
