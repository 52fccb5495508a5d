//! How long it takes to make a network and to withdraw it, in a network namespace of its own (root):
//! `cargo run --release -p network --example speed`.

use std::error::Error;
use std::time::{Duration, Instant};

use network::{Attachment, Name, Network, Settings, Subnet};

const ROUNDS: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    sys::namespace::unshare_network()?;
    sys::loopback::bring_up()?;
    let mut network = Network::open(Settings::default())?;
    // What is shared is there already, as it is with any instance but the first.
    let _first = network.prepare(&attachment("first", 2, &[])?)?;
    let kinds =
        [("without ports", &[][..]), ("a port of TCP", &["8080:80"]), ("a port of UDP", &["53:53/udp"])];
    for (title, publish) in kinds {
        let attachment = attachment("web", 3, publish)?;
        let (mut prepared, mut withdrawn) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let namespace = network.prepare(&attachment)?;
            prepared.push(begin.elapsed());
            drop(namespace);
            let begin = Instant::now();
            network.withdraw(&attachment.name)?;
            withdrawn.push(begin.elapsed());
        }
        println!("{title}: prepare {:.2} ms, withdraw {:.2} ms", median(prepared), median(withdrawn));
    }
    Ok(())
}

fn attachment(name: &str, number: u32, publish: &[&str]) -> Result<Attachment, network::Error> {
    let address = (Subnet::DEFAULT.network().to_bits() + number).into();
    let publish = publish.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    Ok(Attachment { name: name.parse::<Name>()?, address, publish })
}

/// In milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
