//! Serves a sandbox folder on loopback until it is interrupted: `serve DIR PORT`.

use std::{error::Error, net::Ipv4Addr};

use formwork_sandbox::Sandbox;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(port)) = (args.next(), args.next()) else {
        return Err("usage: serve DIR PORT".into());
    };
    let sandbox = Sandbox::open(dir)?;
    let server = sandbox.serve((Ipv4Addr::LOCALHOST, port.parse()?).into()).await?;
    println!("{}", server.endpoint());
    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    Ok(())
}
