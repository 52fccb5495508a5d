//! Names of users and groups (passwd(5), group(5)), looked up in the files themselves: there is no C library
//! here that would.

use alloc::string::String;
use alloc::vec::Vec;

use wire::{Id, Quoted, User};

use crate::proc;

/// The most that is read of either file.
const MAX_FILE: usize = 1 << 20;

/// Who a command runs as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
    /// Of /etc/group, where the user has a name.
    pub groups: Vec<u32>,
    pub home: Option<Vec<u8>>,
}

/// Finds a user and group by number or name.
///
/// # Errors
/// In words, where a name is unknown.
pub fn find(user: &User) -> Result<Account, String> {
    let passwd = proc::read("/etc/passwd", MAX_FILE).unwrap_or_default();
    let group = proc::read("/etc/group", MAX_FILE).unwrap_or_default();
    resolve(user, &passwd, &group)
}

/// The same, with the text of both files.
pub fn resolve(user: &User, passwd: &[u8], group: &[u8]) -> Result<Account, String> {
    let number = id(user.user.as_bytes());
    // name:password:uid:gid:comment:home:shell
    let entry = lines(passwd).find_map(|fields| {
        let uid = id(fields.get(2)?)?;
        let gid = id(fields.get(3)?)?;
        let fits = number.map_or(fields[0] == user.user.as_bytes(), |number| number == uid);
        fits.then(|| (fields[0].to_vec(), uid, gid, fields.get(5).map(|home| home.to_vec())))
    });
    let (name, uid, own_group, home) = match (entry, number) {
        (Some((name, uid, gid, home)), _) => (Some(name), uid, Some(gid), home),
        (None, Some(uid)) => (None, uid, None, None),
        (None, None) => return Err(alloc::format!("no user {} in /etc/passwd", Quoted(&user.user))),
    };
    let gid = match &user.group {
        None => own_group.unwrap_or(uid),
        Some(name) => group_id(name, group)?,
    };
    let mut groups = Vec::new();
    if let Some(name) = name.filter(|_| user.group.is_none()) {
        // name:password:gid:member,member
        groups.extend(lines(group).filter_map(|fields| {
            let members = fields.get(3)?.split(|byte| *byte == b',');
            members.into_iter().any(|member| member == name).then(|| id(fields[2])).flatten()
        }));
    }
    Ok(Account { uid, gid, groups, home })
}

fn group_id(name: &str, group: &[u8]) -> Result<u32, String> {
    if let Some(id) = id(name.as_bytes()) {
        return Ok(id);
    }
    lines(group)
        .find_map(|fields| (fields[0] == name.as_bytes()).then(|| id(fields.get(2)?)).flatten())
        .ok_or_else(|| alloc::format!("no group {} in /etc/group", Quoted(name)))
}

fn lines(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| line.split(|byte| *byte == b':').collect())
}

/// Digits alone: `+0` is a name like any other, and must not become root.
fn id(text: &[u8]) -> Option<u32> {
    let digits = text.iter().all(u8::is_ascii_digit);
    digits.then(|| proc::number(text)).flatten().and_then(Id::new).map(Id::get)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\nbroken\nbad:x:4294967295:1::/:\nann:x:1000:100:Ann:/srv/ann:/bin/sh\n";
    const GROUP: &[u8] = b"root:x:0:\nusers:x:100:\naudio:x:29:bob,ann\nvideo:x:44:ann\nbroken\n";

    fn account(user: &str, group: Option<&str>) -> Result<Account, String> {
        let user = User { user: user.to_string(), group: group.map(ToString::to_string) };
        resolve(&user, PASSWD, GROUP)
    }

    #[test]
    fn names_bring_their_groups_and_home() {
        let home = Some(b"/srv/ann".to_vec());
        let ann = Account { uid: 1000, gid: 100, groups: alloc::vec![29, 44], home };
        assert_eq!(account("ann", None), Ok(ann.clone()));
        assert_eq!(account("1000", None), Ok(ann));
    }

    #[test]
    fn a_group_that_is_named_is_the_only_one() {
        let ann = account("ann", Some("video")).unwrap();
        assert_eq!((ann.gid, ann.groups), (44, alloc::vec![]));
        assert_eq!(account("ann", Some("7")).unwrap().gid, 7);
    }

    #[test]
    fn numbers_need_no_entry_and_names_do() {
        assert_eq!(account("4242", None).unwrap().gid, 4242);
        assert!(account("nobody", None).unwrap_err().contains("no user \"nobody\""));
        assert!(account("root", Some("nogroup")).unwrap_err().contains("no group \"nogroup\""));
        assert!(account("bad", None).is_err());
    }

    #[test]
    fn a_number_with_a_sign_is_a_name() {
        assert!(account("+0", None).unwrap_err().contains("no user \"+0\""));
        assert!(account("ann", Some("+0")).unwrap_err().contains("no group \"+0\""));
    }
}
