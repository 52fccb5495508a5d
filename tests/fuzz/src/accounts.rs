//! passwd(5) and group(5): the reader of the first process, the one of the server, and a model of both find the
//! same user.

use minit::accounts::{User, group_in, user_in};
use minit::lines::{LONGEST, each_line_of};
use wire::Request;

use crate::served_accounts::resolve;
use crate::source::Source;

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let cut = source.below(200) + 1;
    let name = source.until(b'\n');
    let text = stretched(source.rest());
    let text = text.as_slice();
    if name.is_empty() || name.contains(&0) {
        return;
    }
    let user = user_in(name, |take| each_line_of(&mut reader(text, cut), take));
    let group = group_in(name, |take| each_line_of(&mut reader(text, cut), take));
    assert_eq!(user.ok(), model_of_user(name, text), "first process");
    assert_eq!(group.ok(), model_of_group(name, text), "first process");
    if text.split(|byte| *byte == b'\n').all(|line| line.len() <= LONGEST) {
        served(name, text);
    }
}

/// The text with many letters for each `~`: lines that are too long are out of reach for an input otherwise.
fn stretched(text: &[u8]) -> Vec<u8> {
    let letters = [b'x'; 500];
    text.iter()
        .flat_map(|byte| if *byte == b'~' { &letters[..] } else { std::slice::from_ref(byte) })
        .copied()
        .collect()
}

/// read(2) of a file that gives `cut` bytes at a time.
fn reader(mut text: &[u8], cut: usize) -> impl FnMut(&mut [u8]) -> sys::Result<usize> {
    move |space| {
        let count = cut.min(space.len()).min(text.len());
        let (piece, rest) = text.split_at(count);
        space[..count].copy_from_slice(piece);
        text = rest;
        Ok(count)
    }
}

fn number(text: &[u8]) -> Option<u32> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten();
    number.filter(|number| *number != u32::MAX)
}

/// The fields of each line that counts.
fn lines(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line.len() <= LONGEST);
    lines.map(|line| line.split(|byte| *byte == b':').collect())
}

fn model_of_user(name: &[u8], text: &[u8]) -> Option<User> {
    let wanted = number(name);
    let found = lines(text).find_map(|fields| {
        let (uid, gid) = (number(fields.get(2)?)?, number(fields.get(3)?)?);
        let fits = wanted.map_or(fields[0] == name, |wanted| wanted == uid);
        fits.then_some(User { uid, gid: Some(gid) })
    });
    found.or(wanted.map(|uid| User { uid, gid: None }))
}

fn model_of_group(name: &[u8], text: &[u8]) -> Option<u32> {
    let named = |fields: Vec<&[u8]>| (fields[0] == name).then(|| number(fields.get(2)?)).flatten();
    number(name).or_else(|| lines(text).find_map(named))
}

/// The server, with a name that the protocol lets through to it.
fn served(name: &[u8], text: &[u8]) {
    let Ok(name) = std::str::from_utf8(name) else { return };
    let mut line = Vec::new();
    let mut message = wire::json::Object::message(&mut line, "exec");
    message.text("cmd", "true").text("user", name);
    message.line();
    let Ok(Request::Exec(exec)) = Request::parse(&line) else { return };
    let user = exec.user.expect("it was given");
    let account = resolve(&user, text, text).ok();
    let expected = model_of_user(user.user.as_bytes(), text);
    let group = user.group.as_ref().map(|group| model_of_group(group.as_bytes(), text));
    let Some(account) = account else {
        assert!(expected.is_none() || group == Some(None), "the server does not find {user:?}");
        return;
    };
    let expected = expected.unwrap_or_else(|| panic!("the server finds {user:?}: {account:?}"));
    assert_eq!(account.uid, expected.uid, "{user:?}");
    let own = expected.gid.unwrap_or(expected.uid);
    assert_eq!(Some(account.gid), group.unwrap_or(Some(own)), "{user:?}");
    let known =
        |gid: &u32| lines(text).any(|fields| fields.get(2).is_some_and(|id| number(id) == Some(*gid)));
    assert!(account.groups.iter().all(known), "{:?}", account.groups);
}
