//! How many calls it takes, and how many at once.

use std::time::Duration;

use futures_util::future::join_all;
use rmachine_digitalocean_server::{At, What, When};
use rmachine_driver::{BatchStates, Driver, Firewall, Prices, State};
use tokio::time::Instant;

use super::rig::{Memory, Rig};

#[tokio::test(start_paused = true)]
async fn a_create_takes_four_calls_and_the_looks() {
    let rig = Rig::new();
    let mut machine = rig.machine(&[]);
    // Its price was shown first.
    rig.driver.quote(&machine.view()).await.unwrap();
    let began = Instant::now();
    machine.create(&rig).await.unwrap();
    let log = rig.cloud.log();
    let looks = log.iter().filter(|l| l.method == "GET" && l.path.starts_with("/v2/droplets/")).count();
    assert!(log.len() - looks <= 4, "{log:#?}");
    assert!(looks <= 3 && began.elapsed() < Duration::from_secs(6), "{looks} looks in {:?}", began.elapsed());
}

/// Three more for a firewall: the VPC's range, itself, and who we are.
#[tokio::test(start_paused = true)]
async fn a_guarded_create_takes_seven_calls_and_the_looks() {
    let rig = Rig::new();
    let mut machine = rig.machine(&[("firewall", "auto")]);
    machine.create(&rig).await.unwrap();
    rig.driver.admit_caller(&mut machine.handle(), "198.51.100.9".parse().unwrap()).await.unwrap();
    let log = rig.cloud.log();
    let looks = log.iter().filter(|l| l.method == "GET" && l.path.starts_with("/v2/droplets/")).count();
    assert!(log.len() - looks <= 7, "{log:#?}");
}

#[tokio::test(start_paused = true)]
async fn looks_become_rarer() {
    let rig = Rig::new();
    rig.cloud.knobs(|k| k.stuck_new = true);
    let mut machine = rig.machine(&[]);
    machine.create(&rig).await.unwrap_err();
    let log = rig.cloud.log();
    let looks = log.iter().filter(|l| l.method == "GET" && l.path.starts_with("/v2/droplets/")).count();
    // 1, 1.5, 2.25, 3.4 and then 5 seconds, for ten minutes.
    assert!((110..=126).contains(&looks), "{looks}");
    assert!(rig.cloud.holds().is_empty());
}

#[tokio::test(start_paused = true)]
async fn five_hundred_states_take_three_calls() {
    let rig = Rig::new();
    let ids = rig.cloud.populate(500, &["rmachine"]);
    rig.cloud.populate(300, &["web"]);
    let mut machine = rig.machine(&[]);
    machine.create(&rig).await.unwrap();
    let journal: Memory = machine.journal.clone();
    let machines: Vec<_> = ids
        .iter()
        .map(|id| {
            let mut one = rig.machine(&[]);
            one.state.set("DropletID", *id);
            one.journal = journal.clone();
            one
        })
        .collect();
    rig.cloud.forget_log();
    let views: Vec<_> = machines.iter().map(super::rig::Machine::view).collect();
    let states = rig.driver.states(&views).await;
    assert!(states.iter().all(|s| matches!(s, Ok(State::Running))));
    assert!(rig.cloud.calls() <= 3, "{:#?}", rig.cloud.log());
    rig.assert_described();
}

#[tokio::test(start_paused = true)]
async fn ten_at_once_within_five_a_second() {
    let rig = Rig::new();
    rig.cloud.limit(5);
    let mut machines: Vec<_> = (0..10).map(|i| rig.named(&format!("web{i}"), &[])).collect();
    let made = join_all(machines.iter_mut().map(|m| m.create(&rig))).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let log = rig.cloud.log();
    let refused = log.iter().filter(|l| l.status == 429).count();
    assert!(refused > 0, "the limit was never reached");
    // One burst at most: whoever was refused waits, and comes through the next time.
    assert!(refused <= 10, "{refused} of {}", log.len());
    let first = log.iter().position(|l| l.status == 429).unwrap();
    let after: Vec<_> = log[first..].iter().skip_while(|l| l.status == 429).collect();
    assert!(after.iter().all(|l| l.status != 429), "refused again after a pause: {log:#?}");
    assert_eq!(rig.cloud.holds().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_was_asked_for_is_kept() {
    let rig = Rig::new();
    rig.cloud.fault(At::Path("POST", "/v2/droplets"), When::Before, What::RetryAfter(40));
    let mut machine = rig.machine(&[]);
    let began = Instant::now();
    machine.create(&rig).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(40));
    rig.cloud.fault(At::Path("GET", "/v2/droplets"), When::Before, What::RetryAfter(4000));
    let error = rig.driver.state(&machine.view()).await.unwrap_err();
    assert!(error.message.contains("4000 s"), "{error}");
}
