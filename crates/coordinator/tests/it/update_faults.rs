//! An update that changes the data key, on a store that fails: the old deployment or the new one, never recovery.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use marblerun_core::keys::FreshKeys;
use marblerun_core::update::{Making, PreparedUpdate, Sent, begin_update, prepare_update};
use marblerun_core::{Abilities, Command, Deployment, Phase, User};
use marblerun_store::MemoryStore;
use marblerun_store::faulty::{Fault, Faulty, Plan};
use serde_json::{Value, json};

use crate::disk::{Life, is_not_durable};
use crate::holders::{self, Holder, ONE, TWO};
use crate::users::Person;

#[test]
fn whatever_call_fails_the_old_or_the_new_deployment_goes_on() {
    let owner = Person::new("owner");
    let mut refused = 0;
    for fault in [Fault::Refuse(ErrorKind::StorageFull), Fault::Doubt] {
        for nth in 0..5 {
            let store = MemoryStore::new();
            let plan = Plan::new();
            let life = Life::begin(Box::new(Faulty::new(store.clone(), plan.clone()))).unwrap();
            life.submit(Command::SetManifest(life.prepared(&manifest(&owner, &[ONE])))).unwrap();
            life.count().unwrap();
            plan.fail_after(nth, fault);
            let case = format!("{fault:?} at call {nth}");
            let first = life.submit(Command::Update(update(&life, &owner)));
            if first.is_err() {
                refused += 1;
                assert!(is_not_durable(&first), "{case}: {first:?}");
                assert_eq!(holders_of(&life), 1, "{case}: memory as before");
                // A kill at this moment finds one of the two.
                let killed = Life::begin(Box::new(store.clone())).unwrap();
                assert_eq!((killed.phase(), killed.counted()), (Phase::AcceptingMarbles, 1), "{case}");
                killed.end();
                life.count().unwrap_or_else(|error| panic!("{case}: goes on: {error}"));
                life.submit(Command::Update(update(&life, &owner))).unwrap_or_else(|e| panic!("{case}: {e}"));
            }
            let counted = life.counted();
            assert_eq!(holders_of(&life), 2, "{case}");
            life.end();
            let restarted = Life::begin(Box::new(store)).unwrap();
            assert_eq!((holders_of(&restarted), restarted.counted()), (2, counted), "{case}");
            restarted.end();
        }
    }
    assert!(refused >= 4, "{refused} attempts were refused");
}

fn manifest(owner: &Person, holders: &[Holder]) -> Value {
    let mut manifest = holders::manifest(holders, 0);
    manifest["Roles"]["owner"] = json!({"ResourceType": "Manifest", "Actions": ["UpdateManifest"]});
    manifest["Users"]["owner"] = json!({"Certificate": owner.pem, "Roles": ["owner"]});
    manifest
}

fn update(life: &Life, owner: &Person) -> Arc<PreparedUpdate> {
    let deployment: Deployment = life.published.load().deployment().unwrap().clone();
    let user = User::login(&deployment, &owner.certificate).unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let raw = manifest(owner, &[ONE, TWO]).to_string();
    let Sent::Ready(ready) =
        begin_update(&deployment, &user, raw.as_bytes(), &Abilities::default(), now).unwrap()
    else {
        panic!("one owner is enough")
    };
    let making = Making { names: &[], addresses: &[], keys: &FreshKeys, now };
    Arc::new(prepare_update(&deployment, user, ready, making).unwrap())
}

fn holders_of(life: &Life) -> usize {
    life.published.load().deployment().unwrap().manifest.recovery_keys.len()
}
