#![allow(clippy::print_stdout, missing_docs)] // an example prints, and is printed in the README
use jraft_core::{App, RaftGroupService};
use serde::{Deserialize, Serialize};
use std::{env::args, error::Error, io::stdin};

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    total: i64,
}

impl App for Counter {
    type Cmd = i64;
    type Out = i64;

    fn apply(&mut self, add: i64) -> i64 {
        self.total += add;
        self.total
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [_, me, peers, data] = args().collect::<Vec<_>>().try_into().expect("ME PEERS DATA_DIR");
    let builder = RaftGroupService::builder("counter", me).initial_conf(peers).data_dir(data);
    let service = builder.start_app(Counter::default()).await?;
    let counter = service.handle();
    for line in stdin().lines() {
        match line?.trim() {
            "get" => println!("{}", counter.read(|counter| counter.total).await?),
            number => println!("{}", counter.propose(number.parse()?).await?),
        }
    }
    service.shutdown().await;
    Ok(())
}
