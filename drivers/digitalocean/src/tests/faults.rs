//! Each call goes wrong in each way, before and after its effect. Whatever was said, nothing is lost: another run
//! finishes the machine or removes it, and the provider holds nothing that was not there before.

use std::time::Duration;

use rmachine_digitalocean_server::{At, What, When};
use rmachine_driver::{Driver, DriverErrorKind, Firewall, State};

use super::rig::{Machine, Rig};

/// Everything that is made, so that each kind of call is among those that fail.
const ALL: [(&str, &str); 4] = [
    ("volumes", "506f78a4-e098-11e5-ad9f-000f53306ae1"),
    ("firewall", "198.51.100.7/32"),
    ("reserved-ip", "new"),
    ("project", "4e1bfbc3-dc3e-41f2-a18f-1b4d7ba71679"),
];

fn ways() -> Vec<What> {
    let statuses = [401, 404, 422, 429, 500, 503].map(What::Status);
    let rest = [
        What::RetryAfter(7),
        What::Slow(Duration::from_secs(20)),
        What::Slow(Duration::from_secs(40)),
        What::Hang,
        What::Reset,
        What::Truncated,
        What::Garbage,
    ];
    statuses.into_iter().chain(rest).collect()
}

/// So many calls take a create and a remove that nothing disturbs.
async fn undisturbed() -> (usize, usize) {
    let rig = Rig::new();
    let mut machine = rig.machine(&ALL);
    machine.create(&rig).await.unwrap();
    let create = rig.cloud.calls();
    machine.remove(&rig).await.unwrap();
    (create, rig.cloud.calls() - create)
}

/// The machine is finished, or removed, by a process that knows only what was written down.
async fn recovers(rig: &Rig, machine: &mut Machine, resumed: bool, what: &str) {
    rig.cloud.clear_faults();
    let later = rig.another();
    listed_as_it_is(&later, machine, what).await;
    if resumed {
        let done = machine.resume(&later).await;
        assert!(done.is_ok(), "{what}: not resumed: {done:?}");
        let state = later.driver.state(&machine.view()).await.unwrap();
        assert_eq!(state, State::Running, "{what}");
        let droplets = rig.cloud.holds().iter().filter(|h| h.starts_with("droplet")).count();
        assert_eq!(droplets, 1, "{what}: {:?}", rig.cloud.holds());
    }
    let removed = machine.remove(&later).await;
    assert!(removed.is_ok(), "{what}: not removed: {removed:?}");
    assert_eq!(rig.cloud.holds(), Vec::<String>::new(), "{what}: left behind");
    rig.assert_described();
}

/// What `ls` says of it is true, whatever went wrong before.
async fn listed_as_it_is(rig: &Rig, machine: &Machine, what: &str) {
    let told = rig.driver.state(&machine.view()).await;
    let id = machine.state.int("DropletID");
    match rig.cloud.status_of(id.unsigned_abs()) {
        _ if id == 0 => assert!(matches!(told, Ok(State::None)), "{what}: {told:?}"),
        None => assert!(told.is_err_and(|e| e.kind == DriverErrorKind::Missing), "{what}: it is gone"),
        Some("new") => assert!(matches!(told, Ok(State::Starting | State::Running)), "{what}: {told:?}"),
        Some("active") => assert!(matches!(told, Ok(State::Running)), "{what}: {told:?}"),
        Some(other) => panic!("{what}: {other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn at_each_call_of_a_create() {
    let (calls, _) = undisturbed().await;
    assert!(calls >= 9, "{calls}");
    for nth in 1..=calls {
        for way in ways() {
            for when in [When::Before, When::After] {
                for resumed in [false, true] {
                    let rig = Rig::new();
                    rig.cloud.fault(At::Call(nth), when, way.clone());
                    let mut machine = rig.machine(&ALL);
                    let done = machine.create(&rig).await;
                    let what = format!("call {nth} {when:?} {way:?}: {done:?}");
                    assert_eq!(rig.cloud.hits(), 1, "{what}");
                    if let Err(e) = &done {
                        // It cleaned up after itself, or said what it could not remove.
                        let clean = rig.cloud.holds().is_empty();
                        let told = e.leftovers != rmachine_driver::Leftovers::None;
                        assert!(clean || told, "{what}: {:?}", rig.cloud.holds());
                    }
                    recovers(&rig, &mut machine, resumed, &what).await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn at_each_call_of_a_remove() {
    let (_, calls) = undisturbed().await;
    for nth in 1..=calls {
        for way in ways() {
            for when in [When::Before, When::After] {
                let rig = Rig::new();
                let mut machine = rig.machine(&ALL);
                machine.create(&rig).await.unwrap();
                rig.cloud.fault(At::Call(rig.cloud.calls() + nth), when, way.clone());
                let done = machine.remove(&rig).await;
                let what = format!("call {nth} {when:?} {way:?}: {done:?}");
                assert_eq!(rig.cloud.hits(), 1, "{what}");
                assert!(done.is_err() || rig.cloud.holds().is_empty(), "{what}: {:?}", rig.cloud.holds());
                recovers(&rig, &mut machine, false, &what).await;
            }
        }
    }
}

/// Dropped in the middle of each call, as a kill would: what is left is what was journaled.
#[tokio::test(start_paused = true)]
async fn given_up_at_each_call() {
    let (calls, _) = undisturbed().await;
    for nth in 1..=calls {
        for when in [When::Before, When::After] {
            for resumed in [false, true] {
                let rig = Rig::new();
                rig.cloud.fault(At::Call(nth), when, What::Hang);
                let mut machine = rig.machine(&ALL);
                let before = machine.state.clone();
                let cut = async {
                    while rig.cloud.hits() == 0 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                };
                tokio::select! {
                    done = machine.create(&rig) => panic!("{done:?}"),
                    () = cut => {}
                }
                // The state is saved at the end alone.
                machine.state = before;
                recovers(&rig, &mut machine, resumed, &format!("given up at call {nth} {when:?}")).await;
            }
        }
    }
}

/// The provider is gone for good, or says no for good.
#[tokio::test(start_paused = true)]
async fn from_some_call_on() {
    let (calls, _) = undisturbed().await;
    for nth in 1..=calls {
        for way in [What::Status(401), What::Status(500), What::Reset] {
            let rig = Rig::new();
            for later in nth..nth + 400 {
                rig.cloud.fault(At::Call(later), When::Before, way.clone());
            }
            let mut machine = rig.machine(&ALL);
            let what = format!("from call {nth} on {way:?}");
            let error = machine.create(&rig).await.expect_err(&what);
            let told = error.leftovers != rmachine_driver::Leftovers::None;
            assert!(told || rig.cloud.holds().is_empty(), "{what}: {error:?}");
            recovers(&rig, &mut machine, true, &what).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stuck_droplets_are_given_up_and_removed() {
    let rig = Rig::new();
    rig.cloud.knobs(|k| k.stuck_new = true);
    let mut machine = rig.machine(&ALL);
    let error = machine.create(&rig).await.unwrap_err();
    assert!(error.message.contains("still \"new\"") && rig.cloud.holds().is_empty(), "{error}");

    let mut kept = rig.machine(&[]);
    kept.keep_on_failure = true;
    let error = kept.create(&rig).await.unwrap_err();
    assert!(error.leftovers.to_string().contains("droplet") && rig.cloud.holds().len() == 2, "{error:?}");
    rig.cloud.knobs(|k| k.stuck_new = false);
    recovers(&rig, &mut kept, true, "kept").await;
}

#[tokio::test(start_paused = true)]
async fn actions_that_fail_are_told() {
    let rig = Rig::new();
    let mut machine = rig.machine(&[]);
    machine.create(&rig).await.unwrap();
    rig.cloud.knobs(|k| k.actions_fail = true);
    let error = rig.driver.kill(&mut machine.handle()).await.unwrap_err();
    assert!(error.message.contains("failed"), "{error}");
    assert_eq!(rig.driver.state(&machine.view()).await.unwrap(), State::Running);
}

/// Who may get in is said in one call; whatever becomes of it, the next run says it again, and all of it is removed.
#[tokio::test(start_paused = true)]
async fn at_each_call_that_tells_the_firewall_who_we_are() {
    let from = "198.51.100.9".parse().unwrap();
    for way in ways() {
        for when in [When::Before, When::After] {
            let rig = Rig::new();
            let mut machine = rig.machine(&[("firewall", "auto")]);
            machine.create(&rig).await.unwrap();
            rig.cloud.fault(At::Call(rig.cloud.calls() + 1), when, way.clone());
            let done = rig.driver.admit_caller(&mut machine.handle(), from).await;
            let what = format!("{when:?} {way:?}: {done:?}");
            assert_eq!(rig.cloud.hits(), 1, "{what}");
            rig.cloud.clear_faults();
            rig.another().driver.admit_caller(&mut machine.handle(), from).await.expect(&what);
            assert_eq!(rig.cloud.firewalls().len(), 1, "{what}");
            assert_eq!(rig.cloud.open_to("22"), ["198.51.100.9/32"], "{what}");
            recovers(&rig, &mut machine, false, &what).await;
        }
    }
}

/// Power is switched once more, when nobody knows whether it was.
#[tokio::test(start_paused = true)]
async fn at_each_call_of_a_stop_and_a_start() {
    for nth in 1..=8 {
        for way in [
            What::Status(500),
            What::Status(503),
            What::Hang,
            What::Reset,
            What::Garbage,
            What::RetryAfter(3),
        ] {
            for when in [When::Before, When::After] {
                let rig = Rig::new();
                let mut machine = rig.machine(&[]);
                machine.create(&rig).await.unwrap();
                rig.cloud.fault(At::Call(rig.cloud.calls() + nth), when, way.clone());
                let what = format!("call {nth} {when:?} {way:?}");
                rig.driver.stop(&mut machine.handle()).await.expect(&what);
                assert_eq!(rig.driver.state(&machine.view()).await.unwrap(), State::Stopped, "{what}");
                rig.driver.start(&mut machine.handle()).await.expect(&what);
                assert_eq!(rig.driver.state(&machine.view()).await.unwrap(), State::Running, "{what}");
            }
        }
    }
}
