//! Second attempts beside answers that stall, over real sockets: one answer, one loser, which is closed and counted.

#[path = "common/message.rs"]
#[cfg(test)]
mod message;
#[path = "common/records.rs"]
#[cfg(test)]
mod records;

#[cfg(test)]
mod hedged {
    use std::sync::Arc;

    use clearline::{Client, Upstream};
    use clearline_model::{CallRecord, Dur, Outcome};
    use clearline_net::Fence;
    use clearline_policy::{Hedge, Settings};
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;

    use crate::message;
    use crate::records::Records;

    fn ask() -> Value {
        json!({"model": "claude-sonnet-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hello there"}]})
    }

    fn answer(by: &str) -> Vec<u8> {
        let body = json!({"id": by, "type": "message", "content": [], "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 4}})
            .to_string();
        format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// Where the head of an answer ends.
    fn head(answer: &[u8]) -> usize {
        answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4
    }

    /// Serves one request on each connection; of the answer to each so much is sent. Tells when one is closed.
    async fn serve(
        by: &'static str,
        upto: impl Fn(usize, &[u8]) -> usize + Send + 'static,
    ) -> (String, mpsc::UnboundedReceiver<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, closed) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for n in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let all = answer(by);
                let sent = all[..upto(n, &all)].to_vec();
                let tell = tell.clone();
                tokio::spawn(async move {
                    one(stream, &sent).await;
                    // The test may be over.
                    let _over = tell.send(n);
                });
            }
        });
        (url, closed)
    }

    async fn one(mut stream: TcpStream, sent: &[u8]) {
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        while !all.ends_with(b"}") {
            match stream.read(&mut piece).await {
                Ok(n @ 1..) => all.extend_from_slice(&piece[..n]),
                Ok(0) | Err(_) => return,
            }
        }
        if stream.write_all(sent).await.is_ok() {
            while matches!(stream.read(&mut piece).await, Ok(1..)) {}
        }
    }

    fn client(urls: &[&str]) -> (Client, Arc<Records>) {
        let (records, observer) = Records::observed();
        let upstream = |(n, url): (usize, &&str)| Upstream {
            name: format!("u{n}"),
            base_url: (*url).to_owned(),
            weight: 1,
            keys: Vec::new(),
        };
        let client = Client::builder(urls[0])
            .upstreams(urls.iter().enumerate().map(upstream).collect())
            .policy(Settings { hedge: Hedge::After(Dur::millis(30)), ..Settings::default() })
            .fence(Fence::parse(Some("loopback")).unwrap())
            .observer(observer)
            .build()
            .unwrap();
        (client, records)
    }

    async fn asked(client: &Client, records: &Records) -> (Value, CallRecord) {
        let reply = client.call(message::request(&ask())).await.unwrap();
        assert_eq!(reply.status, 200);
        let whole = reply.body.collect().await.unwrap().to_bytes();
        let record = records.0.lock().unwrap().last().cloned().unwrap();
        (serde_json::from_slice(&whole).unwrap(), record)
    }

    #[tokio::test]
    async fn an_answer_that_stalls_behind_its_head_loses_against_a_second_one() {
        for part in [0, 1, 20] {
            let (url, mut closed) =
                serve("one", move |n, all| if n == 0 { head(all) + part } else { all.len() }).await;
            let (client, records) = client(&[&url]);
            let (message, record) = asked(&client, &records).await;
            assert_eq!((&message["id"], record.outcome), (&json!("one"), Some(Outcome::Succeeded)));
            let told: Vec<_> = record.attempts.iter().map(|a| (a.hedge, a.aborted)).collect();
            assert_eq!(told, [(false, true), (true, false)], "{part}");
            assert_eq!(record.wasted(), 1, "the first may have been billed");
            // The loser is closed, before or after the other one.
            while closed.recv().await != Some(0) {}
            assert_eq!((client.view().calls, client.view().in_flight), (0, 0));
        }
    }

    #[tokio::test]
    async fn the_second_one_goes_to_another_upstream_where_there_is_one() {
        let (slow, mut closed) = serve("slow", |_, all| head(all)).await;
        let (quick, _closed) = serve("quick", |_, all| all.len()).await;
        let (client, records) = client(&[&slow, &quick]);
        // Whichever the first goes to, the quick one answers.
        let mut hedges = 0;
        for _ in 0..8 {
            let (message, record) = asked(&client, &records).await;
            assert_eq!(message["id"], "quick");
            if record.attempts.len() > 1 {
                hedges += 1;
                assert_ne!(record.attempts[0].upstream, record.attempts[1].upstream);
                assert!(closed.recv().await.is_some());
            }
        }
        assert!(hedges > 0, "it never began at the slow one");
    }
}
