//! What an init costs while nothing happens: memory and wake-ups.

use std::fs;
use std::thread;
use std::time::Duration;

use load::Client;
use load::process::figure;

use super::bed::{CORE, LOAD, MINIT, TINI_STATIC, first, serving};
use crate::Result;
use crate::bench::table::{Goal, Table};

/// Ten minutes, for which wake-ups are promised.
pub const LONG: Duration = Duration::from_secs(600);

/// Adds the lines about the sizes of the files.
pub fn sizes(table: &mut Table) -> Result<()> {
    let size = |path: &str| {
        let length = fs::metadata(path).map_err(|why| format!("{path}: {why}"))?.len();
        Ok::<f64, String>(length as f64 / 1024.0)
    };
    let peer = format!("tini-static {:.0} KiB", size(TINI_STATIC)?);
    table.add("file, with everything", &peer, size(MINIT)?, "KiB", Goal::AtMost(128.0));
    table.add("file, built without api", &peer, size(CORE)?, "KiB", Goal::AtMost(32.0));
    Ok(())
}

/// Adds the lines about memory and wake-ups; these are counted for so long.
pub fn measure(table: &mut Table, time: Duration) -> Result<()> {
    // Pages of a file that was just built count as dirty, and as those of who maps them, until they are on the disk.
    fs::File::open(MINIT).and_then(|file| file.sync_all()).map_err(|why| format!("{MINIT}: {why}"))?;
    let (minit, socket) = serving()?;
    let mut client = Client::connect(&socket)?;
    client.time(r#"{"type":"ping"}"#)?;
    drop(client);
    let tini = first(&[TINI_STATIC, "--", LOAD, "rest"])?;
    // Until both have settled; minit gives a new connection some seconds for its first line.
    thread::sleep(Duration::from_secs(6));
    let roles = [minit.pid, minit.api()?];
    let sum = |pids: &[u32], key: &str| {
        pids.iter().map(|pid| figure(*pid, "smaps_rollup", key)).sum::<Result<u64>>()
    };
    println!("\n| idle | RSS kB | PSS kB | private dirty kB |\n|---|---|---|---|");
    for (name, pids) in
        [("process 1", &roles[..1]), ("api", &roles[1..]), ("both", &roles[..]), ("tini-static", &[tini.pid])]
    {
        let [rss, pss, dirty] = ["Rss", "Pss", "Private_Dirty"].map(|key| sum(pids, key));
        println!("| {name} | {} | {} | {} |", rss?, pss?, dirty?);
    }
    let tini_alone = [tini.pid];
    for (key, words, goal) in
        [("Rss", "idle memory, both roles, RSS", 160.0), ("Private_Dirty", "… private dirty", 64.0)]
    {
        let peer = format!("tini-static {} kB", sum(&tini_alone, key)?);
        table.add(words, &peer, sum(&roles, key)? as f64, "kB", Goal::AtMost(goal));
    }
    let wakes = |pids: &[u32]| {
        pids.iter().map(|pid| figure(*pid, "status", "voluntary_ctxt_switches")).sum::<Result<u64>>()
    };
    let before = (wakes(&roles)?, wakes(&tini_alone)?);
    thread::sleep(time);
    let after = (wakes(&roles)?, wakes(&tini_alone)?);
    let peer = format!("tini-static {}", after.1 - before.1);
    let words = format!("idle wake-ups of both roles in {} s", time.as_secs());
    table.add(&words, &peer, (after.0 - before.0) as f64, "", Goal::AtMost(0.0));
    Ok(())
}
