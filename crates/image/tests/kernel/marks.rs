//! Whiteouts, and what looks like them.

use crate::ground::{refused, taken};
use crate::tar::Tar;

#[test]
fn a_whiteout_is_a_character_device_0_0_and_an_opaque_directory_has_its_mark() {
    let tar = Tar::new().file("etc/.wh.passwd", "").file("var/.wh..wh..opq", "").file(".wh.top", "");
    assert_eq!(taken(tar.finish()).list(), ["d etc", "o var", "w etc/passwd", "w top"]);
}

#[test]
fn the_root_can_be_opaque() {
    assert_eq!(taken(Tar::new().file(".wh..wh..opq", "").finish()).list(), ["o ."]);
}

#[test]
fn a_whiteout_of_a_parent_or_of_nothing_is_refused() {
    for name in [".wh...", "a/.wh...", ".wh..", ".wh.", "a/.wh."] {
        refused(
            Tar::new().directory("a").file(name, "").finish(),
            "a whiteout of no name, or of `.` or `..`",
        );
    }
}

#[test]
fn a_whiteout_does_not_remove_what_the_same_layer_has_whichever_comes_first() {
    let file = Tar::new().file("f", "new").file(".wh.f", "");
    assert_eq!(taken(file.finish()).list(), ["f f=new"]);
    let file = Tar::new().file(".wh.f", "").file("f", "new");
    assert_eq!(taken(file.finish()).list(), ["f f=new"]);
}

#[test]
fn a_directory_beside_its_whiteout_is_opaque_whichever_comes_first() {
    let after = Tar::new().directory("d").file("d/x", "").file(".wh.d", "");
    assert_eq!(taken(after.finish()).list(), ["f d/x=", "o d"]);
    let before = Tar::new().file(".wh.d", "").directory("d").file("d/x", "");
    assert_eq!(taken(before.finish()).list(), ["f d/x=", "o d"]);
    let implicit = Tar::new().file(".wh.d", "").file("d/x", "");
    assert_eq!(taken(implicit.finish()).list(), ["f d/x=", "o d"]);
}

#[test]
fn a_whiteout_through_a_symlink_stays_in_the_layer() {
    let tar = Tar::new().directory("real").symlink("s", "/real").file("s/.wh.x", "");
    assert_eq!(taken(tar.finish()).list(), ["d real", "l s>/real", "w real/x"]);
}

#[test]
fn a_whiteout_of_a_whiteout_is_one_of_a_name_that_begins_so() {
    assert_eq!(taken(Tar::new().file(".wh..wh", "").finish()).list(), ["w .wh"]);
}

#[test]
fn bookkeeping_of_aufs_is_passed_over() {
    let tar = Tar::new().directory(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "x").file(".wh..wh.aufs", "");
    assert_eq!(taken(tar.file("f", "").finish()).list(), ["f f="]);
}

#[test]
fn nothing_is_below_a_whiteout() {
    refused(Tar::new().file(".wh.d/x", "").finish(), "below a name that begins with `.wh.`");
    refused(Tar::new().file(".wh.d/.wh..wh..opq", "").finish(), "below a name that begins with `.wh.`");
}

#[test]
fn a_hard_link_to_a_whiteout_is_refused() {
    refused(Tar::new().file(".wh.x", "").hard_link("h", "x").finish(), "which is no file");
    refused(Tar::new().file(".wh.x", "").hard_link("h", ".wh.x").finish(), "not in the layer so far");
}

#[test]
fn a_whiteout_is_one_whatever_kind_of_entry_says_it() {
    let tar = Tar::new().symlink(".wh.a", "/etc").directory(".wh.b").device(b'3', ".wh.c", (1, 1));
    assert_eq!(taken(tar.finish()).list(), ["w a", "w b", "w c"]);
}
