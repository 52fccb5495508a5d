//! The table of calls by which a plan goes over ([`crate::cross`]): what is left of it, as a program.

use alloc::vec::Vec;

use plan::{Call, Execute, Failure, Plan, Step};
use sys::Errno;
use sys::calls::{self, NOWHERE, ROW, Row, SHARED, SHARED_END, TABLE};
use sys::exec::Argument;
use sys::process::Pid;

/// The numbers that are passed.
const NOTES: u64 = 3;
const ACCOUNT: u64 = 4;
/// Size of the notes.
pub const PAGE: u64 = 4096;

/// The table of calls: the address of its first row, texts and vectors, the rows.
#[derive(Debug)]
pub struct Table {
    pub bytes: Vec<u8>,
    /// Size of the account.
    pub account: u64,
    /// The step that goes over.
    cross: usize,
    /// What the notes are of, in their order behind the pid of who was born.
    before: Vec<Call>,
    /// What the account is of, in its order: the step, and which answer it is.
    after: Vec<(usize, Answer)>,
}

/// What a noted answer is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Of(Call),
    /// Whether a program could be executed.
    Execution,
    /// Behind that, whether it exists.
    Existence,
}

impl Table {
    pub fn new(plan: &Plan<'_>) -> sys::Result<Self> {
        const AT: u64 = SHARED + PAGE;
        let cross = plan.steps.iter().position(|step| matches!(step, Step::Cross)).ok_or(Errno::INVAL)?;
        let mut draft = Draft { bytes: alloc::vec![0; 8], rows: Vec::new() };
        // The answer of the clone is there: who is born has not got the notes, and writes down that it is.
        let mut after = alloc::vec![(cross, Answer::Of(Call::Clone))];
        for (number, step) in plan.steps.iter().enumerate().skip(cross + 1) {
            let mut note = |answer| {
                after.push((number, answer));
                AT + 8 * (after.len() as u64 - 1)
            };
            draft.step(step, &mut note)?;
        }
        let account = (8 * after.len() as u64).next_multiple_of(PAGE);
        if AT + account > SHARED_END {
            return Err(Errno::TOOBIG);
        }
        let mut inside = core::mem::take(&mut draft.rows);
        let mut before = Vec::new();
        let mut note = |call| {
            before.push(call);
            SHARED + 8 * before.len() as u64
        };
        draft.row(Row::share(SHARED, PAGE, NOTES), NOWHERE);
        // From here on there is somewhere to put an answer.
        draft.row(Row::share(AT, account, ACCOUNT), note(Call::Map));
        draft.row(Row::keep_from_child(SHARED, PAGE), note(Call::Map));
        draft.row(Row::close_others(), note(Call::Close));
        draft.row(Row::undumpable(), note(Call::Control));
        let clone = draft.row(Row::clone_sibling(SHARED), AT);
        draft.rows[clone].positive = LEAVE;
        let behind = draft.rows.len() as u64;
        for target in inside.iter_mut().flat_map(targets).filter(|target| **target < LEAVE) {
            *target += behind;
        }
        draft.rows.append(&mut inside);
        let leave = draft.row(Row::leave(), NOWHERE);
        // It does not return, but where a filter has it so: then again, until it is killed.
        targets(&mut draft.rows[leave]).into_iter().for_each(|target| *target = LEAVE);
        Ok(Self { bytes: draft.finish(), account, cross, before, after })
    }

    /// Who was born; or why nobody was.
    pub fn born(&self, notes: &[i64], account: &[i64]) -> Result<Pid, Failure> {
        if let Some(pid) = notes.first().and_then(|pid| Pid::from_raw(*pid as i32)) {
            return Ok(pid);
        }
        let step = u16::try_from(self.cross).unwrap_or(u16::MAX);
        let noted = self.before.iter().zip(notes.iter().skip(1));
        let noted = noted.chain([(&Call::Clone, account.first().unwrap_or(&0))]);
        let mut failed = noted.filter_map(|(call, answer)| calls::error(*answer).map(|errno| (*call, errno)));
        // Nothing is noted where something has killed it: a filter, or somebody.
        let (call, errno) = failed.next().unwrap_or((Call::Clone, Errno::CANCELED));
        Err(Failure { step, call, errno })
    }

    /// Why the one that was born has not become its program, by its own account; `None` where it has.
    pub fn failure(&self, account: &[i64]) -> Option<Failure> {
        let (mut refused, mut missing) = (None, None);
        let mut answers = self.after.iter().zip(account).skip(1);
        while let Some(((step, what), answer)) = answers.next() {
            let failure =
                |call, errno| Some(Failure { step: u16::try_from(*step).unwrap_or(u16::MAX), call, errno });
            match (what, calls::error(*answer)) {
                // It is none, or another session's.
                (Answer::Of(Call::Terminal), _) | (Answer::Of(_) | Answer::Existence, None) => {}
                (Answer::Of(call), Some(errno)) => return failure(*call, errno),
                // It has become this one.
                (Answer::Execution, None) => return None,
                (Answer::Execution | Answer::Existence, Some(errno)) => {
                    let exists = answers.next().is_none_or(|(_, answer)| calls::error(*answer).is_none());
                    match (errno, exists) {
                        // A name is looked for in other directories too.
                        (Errno::ACCESS, _) => refused = failure(Call::Execute, errno),
                        (Errno::NOTDIR, _) | (Errno::NOENT, false) => {
                            missing = missing.or(failure(Call::Execute, errno));
                        }
                        (Errno::NOENT, true) => return failure(Call::Interpreter, errno),
                        (_, true) => return failure(Call::Execute, errno),
                        (_, false) => refused = failure(Call::Execute, errno),
                    }
                }
            }
        }
        refused.or(missing)
    }
}

/// An unfinished table: rows refer to others by their number.
struct Draft {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

/// The row behind this one, in place of a number.
const NEXT: u64 = u64::MAX;
/// The last row.
const LEAVE: u64 = NEXT - 1;

fn targets(row: &mut Row) -> [&mut u64; 3] {
    [&mut row.next, &mut row.positive, &mut row.failed]
}

impl Draft {
    /// Puts bytes, and says where they are.
    fn put(&mut self, bytes: &[u8]) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let address = TABLE + self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        address
    }

    fn words(&mut self, words: &[u64]) -> u64 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(&bytes)
    }

    fn vector(&mut self, vector: &[Argument<'_>]) -> u64 {
        let texts = vector.iter().map_while(|entry| entry.text());
        let mut words: Vec<u64> = texts.map(|text| self.put(text.to_bytes_with_nul())).collect();
        words.push(0);
        self.words(&words)
    }

    /// Adds a row, and says its number.
    fn row(&mut self, mut row: Row, answer: u64) -> usize {
        (row.answer, row.next, row.positive, row.failed) = (answer, NEXT, NEXT, LEAVE);
        self.rows.push(row);
        self.rows.len() - 1
    }

    /// The rows of a step that is done by who is born.
    fn step(&mut self, step: &Step<'_>, note: &mut impl FnMut(Answer) -> u64) -> sys::Result<()> {
        match *step {
            Step::NewSession => {
                self.row(Row::new_session(), note(Answer::Of(Call::Session)));
            }
            Step::TakeTerminal => {
                let row = self.row(Row::take_terminal(), note(Answer::Of(Call::Terminal)));
                self.rows[row].failed = NEXT;
            }
            Step::Seccomp { filter, flags } => {
                let instructions: Vec<u8> = filter.iter().flat_map(|one| one.bytes()).collect();
                let address = self.put(&instructions);
                let length = u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?;
                let program = self.words(&calls::filter_program(length, address));
                self.row(Row::filter(flags, program), note(Answer::Of(Call::Seccomp)));
            }
            Step::Execute(ref program) => self.execute(program, note)?,
            _ => return Err(Errno::NOSYS),
        }
        Ok(())
    }

    /// Rows that look for the program and execute it, as [`plan`] does it.
    fn execute(&mut self, program: &Execute<'_>, note: &mut impl FnMut(Answer) -> u64) -> sys::Result<()> {
        const NOT_HERE: u64 = 1 << Errno::NOTDIR.raw_os_error() | 1 << Errno::ACCESS.raw_os_error();
        let (argv, envp) = (self.vector(program.argv), self.vector(program.envp));
        let file = program.file.to_bytes();
        let mut paths = Vec::new();
        if file.contains(&b'/') {
            paths.push(self.put(program.file.to_bytes_with_nul()));
        } else if !file.is_empty() {
            for directory in program.search.to_bytes().split(|byte| *byte == b':') {
                let directory = if directory.is_empty() { b"." } else { directory };
                paths.push(self.put(&[directory, b"/", file, b"\0"].concat()));
            }
        }
        for path in &paths {
            let execution = self.row(Row::execute(*path, argv, envp), note(Answer::Execution));
            let existence = self.row(Row::exists(*path), note(Answer::Existence));
            let further = existence as u64 + 1;
            self.rows[execution].tolerated = NOT_HERE;
            (self.rows[execution].next, self.rows[execution].failed) = (further, existence as u64);
            // One that exists is the one that was meant.
            (self.rows[existence].next, self.rows[existence].failed) = (LEAVE, further);
        }
        if paths.is_empty() { Err(Errno::NOENT) } else { Ok(()) }
    }

    /// With the rows, whose numbers become addresses.
    fn finish(mut self) -> Vec<u8> {
        let start = self.put(&[]);
        let address = |number: usize| start + (number * ROW) as u64;
        let last = self.rows.len() - 1;
        for (number, mut row) in core::mem::take(&mut self.rows).into_iter().enumerate() {
            for target in targets(&mut row) {
                *target = match *target {
                    NEXT => address(number + 1),
                    LEAVE => address(last),
                    other => address(other as usize),
                };
            }
            self.words(&row.words());
        }
        self.bytes[..8].copy_from_slice(&start.to_le_bytes());
        self.bytes
    }
}
