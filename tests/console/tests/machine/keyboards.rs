//! Keyboards that are there, that come, and that go.

use console_test::Guest;

use crate::{left, open, stays_down};

/// How often the thread that watches has waited.
fn waits(guest: &mut Guest) -> String {
    guest.run("grep voluntary_ctxt_switches /proc/$(pids 'stand-in /run.*')/status | head -1")
}

pub fn other_keys_do_not_wake_it(guest: &mut Guest) {
    let before = waits(guest);
    guest.type_text("some words");
    stays_down(guest);
    assert_eq!(waits(guest), before);
    // A modifier does, or the look above would not see anything.
    guest.machine.press("ctrl-j");
    stays_down(guest);
    assert_ne!(waits(guest), before);
}

pub fn a_keyboard_that_is_plugged_in_works(guest: &mut Guest) {
    guest.machine.command("device_add virtio-keyboard-pci,id=second");
    guest.machine.until("console: plugged");
    // Its driver takes keys some moments after it has told of it.
    std::thread::sleep(crate::WHILE);
    // Keys go to the keyboard that came last.
    open(guest);
    guest.type_line("exit");
    left(guest);
}

pub fn a_keyboard_that_is_pulled_out_releases_its_keys(guest: &mut Guest) {
    guest.machine.command("sendkey ctrl-alt 2000");
    std::thread::sleep(std::time::Duration::from_millis(300));
    guest.machine.command("device_del second");
    guest.machine.until("console: unplugged");
    // QEMU releases the keys on the other keyboard, where they are not pressed.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    guest.machine.press("j");
    stays_down(guest);
    open(guest);
    guest.type_line("exit");
    left(guest);
}
