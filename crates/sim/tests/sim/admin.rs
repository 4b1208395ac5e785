//! The admin listener.

use clearline_sim::{Options, Sim};
use serde_json::json;
use tokio::net::TcpStream;

use crate::common::{Client, bare, connect, message, sim_with};

async fn start() -> (Sim, Client<TcpStream>) {
    let options = Options { admin: Some("127.0.0.1:0".parse().unwrap()), ..Options::default() };
    let sim = sim_with("", options).await;
    let admin = Client::over(TcpStream::connect(sim.admin_addr().unwrap()).await.unwrap());
    (sim, admin)
}

#[tokio::test]
async fn events_and_counts_are_told_and_forgotten() {
    let (sim, mut admin) = start().await;
    assert_eq!(admin.ask(&bare("GET", "/healthz", "", "")).await.status, 200);
    assert_eq!(admin.ask(&bare("GET", "/events", "", "")).await.json(), json!({"events": []}));
    // Asked before there is anything: the answer comes with the first event.
    admin.send(&bare("GET", "/events?after=0&wait_ms=60000", "", "")).await;
    let mut client = connect(&sim).await;
    let events = admin.reply(false).await.json();
    assert_eq!((&events["events"][0]["n"], &events["events"][0]["kind"]), (&json!(1), &json!("accepted")));
    client.ask(&message(false)).await;
    let stats = admin.ask(&bare("GET", "/stats", "", "")).await.json();
    assert_eq!((&stats["statuses"]["200"], &stats["paths"]["/v1/messages"]), (&json!(1), &json!(1)));
    assert_eq!(admin.ask(&bare("POST", "/reset", "", "")).await.status, 200);
    assert_eq!(admin.ask(&bare("GET", "/stats", "", "")).await.json()["requests"], 0);
    assert!(sim.events().is_empty());
    assert_eq!(admin.ask(&bare("GET", "/nothing", "", "")).await.status, 404);
}

#[tokio::test]
async fn a_scenario_is_replaced_or_its_mistake_told() {
    let (sim, mut admin) = start().await;
    let mut client = connect(&sim).await;
    let wrong = admin.ask(&bare("PUT", "/scenario", "", "[[fault]]\nname = \"a\"\nstattus = 500\n")).await;
    assert_eq!(wrong.status, 400);
    let text = wrong.json()["error"].as_str().unwrap().to_owned();
    assert!(text.starts_with("line 3, column 1: ") && text.contains("`status`"), "{text}");
    assert_eq!(client.ask(&message(false)).await.status, 200);
    let right = admin.ask(&bare("PUT", "/scenario", "", "[[fault]]\nname = \"a\"\nstatus = 500\n")).await;
    assert_eq!(right.status, 200);
    assert_eq!(client.ask(&message(false)).await.status, 500);
    assert_eq!(admin.ask(&bare("GET", "/stats", "", "")).await.json()["faults"], json!({"a": 1}));
}
