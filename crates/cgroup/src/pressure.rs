//! How much is waited for, and how much is read and written: cpu.pressure, memory.pressure, io.pressure, io.stat.

use crate::decimal::number;

/// For how long tasks had to wait for a resource (the kernel's accounting/psi).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pressure {
    /// At least one task had to.
    pub some: Stall,
    /// All had to at once. For processors there is none before Linux 5.13.
    pub full: Option<Stall>,
}

/// One line of a pressure file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stall {
    /// Hundredths of a percent of the last 10, 60 and 300 seconds.
    pub averages: [u64; 3],
    /// Microseconds in all.
    pub total_usec: u64,
}

impl Pressure {
    /// Reads the text of a pressure file.
    pub fn parse(text: &str) -> Option<Pressure> {
        let line = |kind| text.lines().find_map(|line| Stall::parse(line.strip_prefix(kind)?));
        Some(Pressure { some: line("some ")?, full: line("full ") })
    }
}

impl Stall {
    fn parse(line: &str) -> Option<Stall> {
        let value = |key| line.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let average = |key| {
            let (whole, part) = value(key)?.split_once('.')?;
            Some(number(whole)? * 100 + number(part.get(..2)?)?)
        };
        let averages = [average("avg10")?, average("avg60")?, average("avg300")?];
        Some(Stall { averages, total_usec: number(value("total")?.trim_end())? })
    }
}

/// The sums of io.stat over all devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IoStat {
    /// Bytes read.
    pub rbytes: u64,
    /// Bytes written.
    pub wbytes: u64,
    /// Reads.
    pub rios: u64,
    /// Writes.
    pub wios: u64,
}

impl IoStat {
    /// Reads the text of an io.stat; without a device everything is 0.
    pub fn parse(text: &str) -> IoStat {
        let sum = |key| {
            let words = text.split([' ', '\n']);
            words.filter_map(|word| word.strip_prefix(key)?.strip_prefix('=').and_then(number)).sum()
        };
        IoStat { rbytes: sum("rbytes"), wbytes: sum("wbytes"), rios: sum("rios"), wios: sum("wios") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_has_averages_and_a_total() {
        let text = "some avg10=1.50 avg60=0.07 avg300=12.00 total=4711\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n";
        let pressure = Pressure::parse(text).unwrap();
        assert_eq!(pressure.some, Stall { averages: [150, 7, 1200], total_usec: 4711 });
        assert_eq!(pressure.full.unwrap().total_usec, 9);
        assert_eq!(Pressure::parse(text.lines().next().unwrap()).unwrap().full, None);
        assert_eq!(Pressure::parse(""), None);
    }

    #[test]
    fn reads_and_writes_of_all_devices_are_added() {
        let text =
            "8:0 rbytes=10 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=1 rios=1 wios=1\n";
        assert_eq!(IoStat::parse(text), IoStat { rbytes: 11, wbytes: 3, rios: 4, wios: 5 });
        assert_eq!(IoStat::parse(""), IoStat::default());
    }
}
