//! `ping`: a health check.

use alloc::string::{String, ToString};

use husk_client::{Error, Until};

use super::Outcome;
use super::options::Options;
use crate::help::print;

/// Between two attempts to reach a server that is not there yet, in nanoseconds.
const PAUSE: i64 = 20_000_000;

/// `ping`: for health checks. 0 where the server answers, else 1.
pub fn ping(options: &mut Options<'_>) -> Outcome {
    let mut wait = 0;
    while let Some((_, value)) = options.next()? {
        wait = options.time(value)?;
    }
    options.rest(0, 0)?;
    let until = Until::in_ms(wait);
    loop {
        match options.connect(wait.clamp(1000, 5000)).and_then(|client| client.ping()) {
            Ok(pong) => {
                let mut line = String::from("minit ");
                line.push_str(&pong.version);
                for (name, value) in [(" pid ", pong.pid), (" up ", pong.uptime_secs)] {
                    line.push_str(name);
                    line.push_str(&value.to_string());
                }
                line.push_str("s\n");
                print(&line);
                return Ok(0);
            }
            // Not there, or no longer: it may come.
            Err(Error::Connect { .. } | Error::Lost { .. } | Error::Late { .. }) if !until.has_passed() => {
                let _ = sys::thread::nanosleep(&sys::thread::Timespec { tv_sec: 0, tv_nsec: PAUSE });
            }
            Err(error) => {
                options.refuse("", error.to_string().as_bytes(), "unhealthy");
                return Ok(1);
            }
        }
    }
}
