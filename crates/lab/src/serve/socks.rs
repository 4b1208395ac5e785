//! SOCKS5, as much of it as clients use: no login or a password, CONNECT, all three kinds of address.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::pipe::Wire;
use super::proxy::Running;
use crate::Problem;

/// Reply codes.
const DENIED: u8 = 2;
const UNREACHABLE: u8 = 4;
const REFUSED: u8 = 5;

/// Reads on until there are so many bytes, and takes them.
async fn take<C: Wire>(client: &mut C, bytes: &mut Vec<u8>, wanted: usize) -> Result<Vec<u8>, Problem> {
    while bytes.len() < wanted {
        if client.read_buf(bytes).await? == 0 {
            return Err("the client left within the SOCKS handshake".into());
        }
    }
    let rest = bytes.split_off(wanted);
    Ok(std::mem::replace(bytes, rest))
}

/// Serves a client whose first bytes were read.
pub(crate) async fn serve<C: Wire>(
    mut client: C,
    mut bytes: Vec<u8>,
    running: &Running,
) -> Result<(), Problem> {
    let greeting = take(&mut client, &mut bytes, 2).await?;
    let methods = take(&mut client, &mut bytes, greeting.get(1).copied().unwrap_or(0).into()).await?;
    let wanted = if running.proxy.login.is_some() { 2 } else { 0 };
    if !methods.contains(&wanted) {
        running.say("socks login needed");
        client.write_all(&[5, 0xff]).await?;
        return Ok(());
    }
    client.write_all(&[5, wanted]).await?;
    client.flush().await?;
    if wanted == 2 && !login(&mut client, &mut bytes, running).await? {
        return Ok(());
    }
    let (host, port) = target(&mut client, &mut bytes).await?;
    let is_name = host.parse::<IpAddr>().is_err();
    running.say(&format!("socks {} {host}", if is_name { "name" } else { "address" }));
    let reply = |code: u8| [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    if running.denies(&host) {
        client.write_all(&reply(DENIED)).await?;
        return Ok(());
    }
    let Some(addr) = running.address(&host) else {
        client.write_all(&reply(UNREACHABLE)).await?;
        return Ok(());
    };
    let Some(server) = running.connect(SocketAddr::new(addr, port)).await else {
        client.write_all(&reply(REFUSED)).await?;
        return Ok(());
    };
    client.write_all(&reply(0)).await?;
    client.flush().await?;
    running.tunnel(client, &host, server).await;
    Ok(())
}

/// Checks a name and a password (RFC 1929).
async fn login<C: Wire>(client: &mut C, bytes: &mut Vec<u8>, running: &Running) -> Result<bool, Problem> {
    let first = take(client, bytes, 2).await?;
    let user = take(client, bytes, first.get(1).copied().unwrap_or(0).into()).await?;
    let length = take(client, bytes, 1).await?;
    let password = take(client, bytes, length.first().copied().unwrap_or(0).into()).await?;
    let given = [&user[..], b":", &password].concat();
    let fits = running.proxy.login.as_deref().is_some_and(|l| l.as_bytes() == given);
    client.write_all(&[1, u8::from(!fits)]).await?;
    client.flush().await?;
    Ok(fits)
}

/// Where the client wants to go.
async fn target<C: Wire>(client: &mut C, bytes: &mut Vec<u8>) -> Result<(String, u16), Problem> {
    let head = take(client, bytes, 4).await?;
    let host = match head.get(3) {
        Some(1) => {
            let octets: [u8; 4] = take(client, bytes, 4).await?.try_into().unwrap_or_default();
            IpAddr::from(octets).to_string()
        }
        Some(4) => {
            let octets: [u8; 16] = take(client, bytes, 16).await?.try_into().unwrap_or_default();
            IpAddr::from(octets).to_string()
        }
        _ => {
            let length = take(client, bytes, 1).await?.first().copied().unwrap_or(0);
            String::from_utf8_lossy(&take(client, bytes, length.into()).await?).into_owned()
        }
    };
    let port = take(client, bytes, 2).await?;
    Ok((host, u16::from_be_bytes(port.try_into().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::super::proxy::tests::proxy;
    use super::*;

    /// The method, the reply's code, and what came through.
    async fn through(settings: &str, methods: &[u8], name: &str) -> (u8, u8, Vec<u8>) {
        let (addr, port) = proxy(settings).await;
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(&[&[5, u8::try_from(methods.len()).unwrap()], methods].concat()).await.unwrap();
        let mut method = [0; 2];
        stream.read_exact(&mut method).await.unwrap();
        if method[1] == 0xff {
            return (0xff, 0, Vec::new());
        }
        let length = u8::try_from(name.len()).unwrap();
        let request = [&[5, 1, 0, 3, length], name.as_bytes(), &port.to_be_bytes()].concat();
        stream.write_all(&request).await.unwrap();
        let mut reply = [0; 10];
        stream.read_exact(&mut reply).await.unwrap();
        let mut rest = Vec::new();
        let _reset = stream.read_to_end(&mut rest).await;
        (method[1], reply[1], rest)
    }

    #[tokio::test]
    async fn a_name_is_resolved_at_the_proxy() {
        assert_eq!(through("", &[0, 2], "far.example").await, (0, 0, b"pong".to_vec()));
        assert_eq!(through("", &[0], "gone.example").await.1, UNREACHABLE);
        assert_eq!(through("deny = [\".example\"]", &[0], "far.example").await.1, DENIED);
        assert_eq!(through("login = \"a:b\"", &[0], "far.example").await.0, 0xff);
    }
}
