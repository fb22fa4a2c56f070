//! What is printed, and the counts of what is left over.

use std::fs::{DirEntry, read_dir, read_link};
use std::io::ErrorKind;
use std::time::Duration;

use tokio::runtime::Handle;
use umbel::CancelScope;

use crate::journal::Happened;
use crate::lab::Address;
use crate::{AT_ONCE, RACES, Seen};

pub(crate) struct Leftovers {
    /// Sockets of this process; nothing where the system does not tell.
    sockets: Option<usize>,
    /// Tasks of this runtime.
    tasks: usize,
    orphans: usize,
}

impl Leftovers {
    pub(crate) fn count() -> Self {
        let is_socket = |open: &DirEntry| {
            read_link(open.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
        };
        let open = read_dir("/proc/self/fd").ok();
        Self {
            sockets: open.map(|open| open.flatten().filter(is_socket).count()),
            tasks: Handle::current().metrics().num_alive_tasks(),
            orphans: umbel::orphans(),
        }
    }
}

pub(crate) fn intro(addresses: &[Address]) {
    println!(
        "{RACES} races of four addresses: the first to connect wins, the others are closed, \
         nothing stays.\n"
    );
    for to in addresses {
        println!("  {:<13}{:<18}{}", to.name, to.at.to_string(), to.nature);
    }
}

pub(crate) fn one_race(seen: &Seen, addresses: &[Address]) {
    println!("\nOne race, in milliseconds, as the connector tells it:\n");
    for line in seen.journal.notes().lines.iter().take(seen.first) {
        let address = addresses.iter().find(|address| address.at == line.to);
        let who = address.map_or("nobody", |address| address.name);
        let what = match line.happened {
            Happened::Start => "start".to_owned(),
            Happened::Win => "win".to_owned(),
            Happened::Fail(kind) => format!("fail: {kind}"),
            Happened::Lost => "given up: another candidate has won".to_owned(),
            Happened::Other => "something else".to_owned(),
        };
        println!("  {:6.1}  {who:<13}{what}", line.at.as_secs_f64() * 1e3);
    }
    println!("\nThe tree in the middle of it. Two hang, one is gone, one waits for its turn:\n");
    seen.picture.lines().for_each(|line| println!("  {line}"));
}

/// Prints what was counted, and says whether all of it is as it must be.
pub(crate) fn table(seen: &Seen, took: Duration, before: &Leftovers, after: &Leftovers) -> bool {
    let notes = seen.journal.notes();
    let count = |what| notes.lines.iter().filter(|line| line.happened == what).count();
    let refused = Happened::Fail(ErrorKind::ConnectionRefused);
    let on_losers: u64 = notes.scopes.iter().map(CancelScope::cancel_count).sum();
    let during = notes.on_task;
    let [first, last] = seen.on_task;
    let took = took.as_secs_f64();

    println!("\nAll {RACES} races, {AT_ONCE} at a time, in {took:.1} s:\n");
    println!("  {:<44}{:>11}{:>12}", "", "counted", "must be");
    let mut table = Table { wrong: 0 };
    table.row("races won", &seen.won, &RACES);
    table.row("attempts started", &count(Happened::Start), &(4 * RACES));
    table.row("attempts refused", &count(refused), &RACES);
    table.row("attempts given up", &count(Happened::Lost), &(2 * RACES));
    println!("  cancel requests counted");
    table.row("  on the losers' own scopes", &on_losers, &(2 * RACES));
    table.row("  on the request scopes around the races", &seen.on_requests, &0);
    table.row("  on the host scope around those", &seen.on_scope, &0);
    let on_task = format!("{first} / {during} / {last}");
    let what = "  on the host task before / during / after";
    table.row(what, &on_task, &"0 / 0 / 0");
    println!("  left over");
    table.left("sockets", before.sockets, after.sockets);
    table.left("tasks", Some(before.tasks), Some(after.tasks));
    table.left("orphans", Some(before.orphans), Some(after.orphans));
    table.verdict()
}

struct Table {
    wrong: usize,
}

impl Table {
    fn row(&mut self, what: &str, counted: &dyn ToString, must_be: &dyn ToString) {
        let (counted, must_be) = (counted.to_string(), must_be.to_string());
        let right = counted == must_be;
        let mark = if right { "" } else { "   <-- WRONG" };
        println!("  {what:<44}{counted:>11}{must_be:>12}{mark}");
        self.wrong += usize::from(!right);
    }

    fn left(&mut self, what: &str, before: Option<usize>, after: Option<usize>) {
        match before.zip(after) {
            None => println!("    {what}: not counted here"),
            Some((before, after)) => {
                let what = format!("  {what} ({before} before, {after} after)");
                self.row(&what, &after.abs_diff(before), &0);
            }
        }
    }

    fn verdict(self) -> bool {
        match self.wrong {
            0 => println!("\nAll as it must be."),
            wrong => println!("\nNot as it must be: {wrong} of these lines."),
        }
        self.wrong == 0
    }
}
