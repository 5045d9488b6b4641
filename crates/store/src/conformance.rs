//! What every store must do, as named checks that any engine can be run through.
//!
//! An engine's own tests add what is particular to it: permissions, quotas, leases.

use crate::{Loaded, Position, Store, StoreError};

/// A place in which stores of one kind live.
pub trait Engine {
    /// Empties the place. No store of it is open.
    fn clear(&mut self);

    /// Opens what is in the place, as a process does when it starts.
    ///
    /// # Errors
    /// As the engine's own way to open.
    fn open(&mut self) -> Result<Box<dyn Store>, StoreError>;

    /// Whether several processes may have the place open at once. If not, a second one must be refused.
    fn is_shared(&self) -> bool;
}

/// Why a check failed, or that it did not.
pub type Outcome = Result<(), String>;

/// Runs every check on an empty place and says how each ended.
pub fn run(engine: &mut dyn Engine) -> Vec<(&'static str, Outcome)> {
    CHECKS
        .iter()
        .map(|(name, check)| {
            engine.clear();
            (*name, check(engine))
        })
        .collect()
}

type Check = fn(&mut dyn Engine) -> Outcome;

const CHECKS: &[(&str, Check)] = &[
    ("an empty place holds nothing", empty),
    ("replaced data is there after a restart", replace_lasts),
    ("empty data differs from none", empty_data),
    ("appended data is there, in order, after a restart", append_lasts),
    ("many small appends add up", many_appends),
    ("large data is kept whole", large),
    ("a restart goes on where the last process stopped", append_after_restart),
    ("appending where there is no data is refused", append_without_data),
    ("a stale position cannot append", stale_append),
    ("a stale position cannot replace", stale_replace),
    ("a position from before a replacement of the same length is stale", stale_generation),
    ("loading changes nothing and agrees with the last position", load_agrees),
    ("the key is replaced as a whole and does not touch the data", key),
    ("a copy aside leaves everything in place", aside_keeps),
    ("a label is never used twice", aside_twice),
    ("a label that is no plain name is refused", aside_label),
    ("a cleared place is empty, keeps what is aside, and can be used again", cleared),
    ("a second process is kept out or conflicts", second_process),
];

fn empty(engine: &mut dyn Engine) -> Outcome {
    let found = restart(engine)?;
    same((found.key, found.data), (None, None))?;
    same(found.position.length, 0)
}

fn replace_lasts(engine: &mut dyn Engine) -> Outcome {
    let mut store = started(engine, b"one")?.0;
    let position = load(&mut store)?.position;
    ok(store.replace(position, b"another"))?;
    drop(store);
    same(restart(engine)?.data, Some(b"another".to_vec()))
}

fn empty_data(engine: &mut dyn Engine) -> Outcome {
    drop(started(engine, b"")?);
    same(restart(engine)?.data, Some(Vec::new()))
}

fn append_lasts(engine: &mut dyn Engine) -> Outcome {
    let (mut store, position) = started(engine, b"a")?;
    let position = ok(store.append(position, b"bc"))?;
    let position = ok(store.append(position, b""))?;
    let position = ok(store.append(position, b"def"))?;
    same(position.length, 6)?;
    drop(store);
    same(restart(engine)?.data, Some(b"abcdef".to_vec()))
}

fn many_appends(engine: &mut dyn Engine) -> Outcome {
    let (mut store, mut position) = started(engine, b"")?;
    let mut expected = Vec::new();
    for n in 0..100_u8 {
        position = ok(store.append(position, &[n; 3]))?;
        expected.extend([n; 3]);
    }
    drop(store);
    same(restart(engine)?.data, Some(expected))
}

fn large(engine: &mut dyn Engine) -> Outcome {
    let half: Vec<u8> = (0..500_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let (mut store, position) = started(engine, &half)?;
    ok(store.append(position, &half))?;
    drop(store);
    let data = restart(engine)?.data;
    if data == Some([half.clone(), half].concat()) { Ok(()) } else { Err("other bytes came back".into()) }
}

fn append_after_restart(engine: &mut dyn Engine) -> Outcome {
    drop(started(engine, b"first")?);
    let mut store = ok(engine.open())?;
    let position = load(&mut store)?.position;
    ok(store.append(position, b", second"))?;
    drop(store);
    same(restart(engine)?.data, Some(b"first, second".to_vec()))
}

fn append_without_data(engine: &mut dyn Engine) -> Outcome {
    let mut store = ok(engine.open())?;
    let position = load(&mut store)?.position;
    refused(store.append(position, b"x"))?;
    drop(store);
    same(restart(engine)?.data, None)
}

fn stale_append(engine: &mut dyn Engine) -> Outcome {
    let (mut store, old) = started(engine, b"a")?;
    let new = ok(store.append(old, b"b"))?;
    conflict(store.append(old, b"c"), old, new)?;
    conflict(store.append(Position { length: new.length + 1, ..new }, b"c"), new, new)?;
    ok(store.append(new, b"d"))?;
    drop(store);
    same(restart(engine)?.data, Some(b"abd".to_vec()))
}

fn stale_replace(engine: &mut dyn Engine) -> Outcome {
    let (mut store, old) = started(engine, b"a")?;
    let new = ok(store.append(old, b"b"))?;
    conflict(store.replace(old, b"c"), old, new)?;
    drop(store);
    same(restart(engine)?.data, Some(b"ab".to_vec()))
}

fn stale_generation(engine: &mut dyn Engine) -> Outcome {
    let (mut store, old) = started(engine, b"a")?;
    let new = ok(store.replace(old, b"b"))?;
    conflict(store.append(old, b"c"), old, new)?;
    conflict(store.replace(old, b"c"), old, new)?;
    drop(store);
    same(restart(engine)?.data, Some(b"b".to_vec()))
}

fn load_agrees(engine: &mut dyn Engine) -> Outcome {
    let (mut store, position) = started(engine, b"a")?;
    let position = ok(store.append(position, b"b"))?;
    let first = load(&mut store)?;
    same(first.position, position)?;
    same(load(&mut store)?, first)?;
    ok(store.append(position, b"c")).map(drop)
}

fn key(engine: &mut dyn Engine) -> Outcome {
    let (mut store, position) = started(engine, b"data")?;
    ok(store.write_key(b"a rather long key"))?;
    ok(store.write_key(b"short"))?;
    ok(store.append(position, b"!"))?;
    drop(store);
    let found = restart(engine)?;
    same((found.key, found.data), (Some(b"short".to_vec()), Some(b"data!".to_vec())))
}

fn aside_keeps(engine: &mut dyn Engine) -> Outcome {
    let (mut store, position) = started(engine, b"data")?;
    ok(store.write_key(b"key"))?;
    same(ok(store.copy_aside("before-it"))?, "before-it".to_owned())?;
    same(load(&mut store)?.position, position)?;
    ok(store.append(position, b"!"))?;
    drop(store);
    let found = restart(engine)?;
    same((found.key, found.data), (Some(b"key".to_vec()), Some(b"data!".to_vec())))
}

fn aside_twice(engine: &mut dyn Engine) -> Outcome {
    let mut store = started(engine, b"data")?.0;
    let first = ok(store.copy_aside("old"))?;
    let second = ok(store.copy_aside("old"))?;
    if first == second { Err(format!("{first:?} was used twice")) } else { Ok(()) }
}

fn aside_label(engine: &mut dyn Engine) -> Outcome {
    let mut store = started(engine, b"data")?.0;
    for label in ["", "../up", "a/b", "a.b", "nul\0", &"x".repeat(65)] {
        refused(store.copy_aside(label)).map_err(|why| format!("{label:?}: {why}"))?;
    }
    Ok(())
}

fn cleared(engine: &mut dyn Engine) -> Outcome {
    let (mut store, old) = started(engine, b"data")?;
    ok(store.write_key(b"key"))?;
    let label = ok(store.copy_aside("old"))?;
    ok(store.clear())?;
    ok(store.clear())?;
    let found = load(&mut store)?;
    same((found.key, found.data, found.position.length), (None, None, 0))?;
    conflict(store.append(old, b"x"), old, found.position)?;
    refused(store.append(found.position, b"x"))?;
    let position = ok(store.replace(found.position, b"new"))?;
    ok(store.append(position, b"!"))?;
    if ok(store.copy_aside("old"))? == label {
        return Err("what was kept aside is gone".into());
    }
    drop(store);
    same(restart(engine)?.data, Some(b"new!".to_vec()))
}

fn second_process(engine: &mut dyn Engine) -> Outcome {
    let (mut first, position) = started(engine, b"a")?;
    if !engine.is_shared() {
        return match engine.open() {
            Err(StoreError::Locked(_)) => Ok(()),
            Err(other) => Err(format!("refused, but not as locked: {other}")),
            Ok(_) => Err("it was let in".into()),
        };
    }
    let mut second = ok(engine.open())?;
    same(load(&mut second)?.position, position)?;
    let moved = ok(second.append(position, b"b"))?;
    conflict(first.append(position, b"c"), position, moved)?;
    same(load(&mut first)?.data, Some(b"ab".to_vec()))
}

/// A store with this data in it.
fn started(engine: &mut dyn Engine, data: &[u8]) -> Result<(Box<dyn Store>, Position), String> {
    let mut store = ok(engine.open())?;
    let position = load(&mut store)?.position;
    let position = ok(store.replace(position, data))?;
    same(position.length, data.len() as u64)?;
    Ok((store, position))
}

/// What a new process finds.
fn restart(engine: &mut dyn Engine) -> Result<Loaded, String> {
    load(&mut ok(engine.open())?)
}

fn load(store: &mut Box<dyn Store>) -> Result<Loaded, String> {
    ok(store.load())
}

fn ok<T>(result: Result<T, StoreError>) -> Result<T, String> {
    result.map_err(|error| format!("refused: {error}"))
}

fn refused<T>(result: Result<T, StoreError>) -> Outcome {
    match result {
        Err(StoreError::Io { .. }) => Ok(()),
        Err(other) => Err(format!("refused, but not as such: {other}")),
        Ok(_) => Err("it was accepted".into()),
    }
}

/// `result` is a conflict that tells what there is. (`stale` differs from `found` in what it names only.)
fn conflict(result: Result<Position, StoreError>, stale: Position, found: Position) -> Outcome {
    match result {
        Err(StoreError::Conflict { found: told, .. }) => same(told, found),
        Err(other) => Err(format!("refused, but not as a conflict: {other}")),
        Ok(_) => Err(format!("{stale:?} was accepted")),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("found {found:?} instead of {expected:?}")) }
}
