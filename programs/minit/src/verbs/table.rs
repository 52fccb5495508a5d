//! Objects of an answer, as a table.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use husk_client::{Message, member};
use wire::json::Value;

use crate::help::print;

/// A column: its title, and the member that it shows, by way of the objects that it is in.
pub type Column = (&'static str, &'static [&'static str]);

/// Prints the objects of an answer's array.
pub fn show(answer: &Message, array: &str, columns: &[Column]) {
    let rows = member(answer.value(), array).and_then(Value::elements);
    let cells =
        rows.into_iter().flatten().map(|row| columns.iter().map(|(_, path)| cell(row, path)).collect());
    let titles = columns.iter().map(|(title, _)| Cow::Borrowed(*title)).collect();
    print(&lines(&core::iter::once(titles).chain(cells).collect::<Vec<_>>()));
}

/// Lines of columns, each as wide as its widest cell; the last one takes what it needs.
fn lines(rows: &[Vec<Cow<'_, str>>]) -> String {
    let mut text = String::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if index + 1 < row.len() {
                let width =
                    rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count()).max();
                let blanks = width.unwrap_or(0).saturating_sub(cell.chars().count()) + 2;
                text.extend(core::iter::repeat_n(' ', blanks));
            }
        }
        text.push('\n');
    }
    text
}

/// What a member says; nothing where it is not there.
fn cell<'a>(row: Value<'a>, path: &[&str]) -> Cow<'a, str> {
    let found = path.iter().try_fold(row, |object, name| member(object, name));
    found.and_then(|value| value.string().or_else(|| value.digits().map(Cow::Borrowed))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let row = |cells: [&'static str; 3]| cells.map(Cow::Borrowed).to_vec();
        assert_eq!(lines(&[row(["A", "B", "C"]), row(["abc", "", "d e"])]), "A    B  C\nabc     d e\n");
    }

    #[test]
    fn cells_are_members_and_members_of_members() {
        let row = Value::parse(r#"{"a":"x\ty","b":{"c":7}}"#).expect("JSON");
        assert_eq!(
            (&*cell(row, &["a"]), &*cell(row, &["b", "c"]), &*cell(row, &["b", "d"])),
            ("x\ty", "7", "")
        );
    }
}
