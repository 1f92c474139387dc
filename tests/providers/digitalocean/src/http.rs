//! The same over HTTP/1.1 on a loopback port. By hand: answers are to be cut off, withheld and reset.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::{Cloud, Outcome, Reply, Request};

/// A server that ends with this.
pub struct Served {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Served {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cloud {
    pub async fn serve(&self) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let cloud = self.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let cloud = cloud.clone();
                tokio::spawn(async move {
                    let _ = converse(&cloud, stream).await;
                });
            }
        });
        Served { address, task }
    }
}

async fn converse(cloud: &Cloud, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let worker = cloud.clone();
        let outcome = tokio::task::spawn_blocking(move || worker.call(&request)).await.expect("the cloud");
        match outcome {
            Outcome::Answer(reply) => write(&mut stream, &reply, None).await?,
            Outcome::Slow(pause, reply) => {
                tokio::time::sleep(pause).await;
                write(&mut stream, &reply, None).await?;
            }
            Outcome::Truncated(reply) => return write(&mut stream, &reply, Some(20)).await,
            Outcome::Garbage(status) => {
                let text = format!("HTTP/1.1 {status} X\r\ncontent-length: 9\r\n\r\n<html>oh!");
                stream.write_all(text.as_bytes()).await?;
            }
            Outcome::Hang => std::future::pending().await,
            Outcome::Reset => {
                // Closed with the answer outstanding.
                let stream = stream.into_inner().into_std()?;
                return stream.shutdown(std::net::Shutdown::Both);
            }
        }
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request::new(method, target);
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or_default(),
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "authorization" => request.token = value.strip_prefix("Bearer ").map(str::to_owned),
            _ => {}
        }
    }
    let body = if chunked { chunks(stream).await? } else { exactly(stream, length).await? };
    request.body = if body.is_empty() { None } else { serde_json::from_slice::<Value>(&body).ok() };
    Ok(Some(request))
}

async fn exactly(stream: &mut BufReader<TcpStream>, length: usize) -> std::io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

async fn chunks(stream: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        stream.read_line(&mut size).await?;
        let length = usize::from_str_radix(size.trim(), 16).unwrap_or_default();
        body.extend(exactly(stream, length).await?);
        let mut end = String::new();
        stream.read_line(&mut end).await?;
        if length == 0 {
            return Ok(body);
        }
    }
}

/// `only`: so many bytes of the body, and then the end.
async fn write(stream: &mut BufReader<TcpStream>, reply: &Reply, only: Option<usize>) -> std::io::Result<()> {
    let body = reply.body.as_ref().map(Value::to_string).unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if reply.body.is_some() {
        head.push_str("content-type: application/json\r\n");
    }
    if reply.status != 204 {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let shown = &body.as_bytes()[..only.unwrap_or(body.len()).min(body.len())];
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(shown).await?;
    stream.flush().await
}
