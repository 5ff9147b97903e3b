//! Tests of retries, with a function that fails on some records.

use serde_json::json;

use super::*;

const NOW: u64 = 1_800_000_000_000;

fn policy() -> Policy {
    Policy { batch_size: 10, bisects: false, maximum_age: None, maximum_retries: None }
}

fn lane(numbers: std::ops::RangeInclusive<u32>) -> Lane {
    let mut lane = Lane::default();
    for number in numbers {
        lane.push(record(number, 1_800_000_000));
    }
    lane
}

fn record(number: u32, created: u64) -> Value {
    json!({ "dynamodb": { "SequenceNumber": number.to_string(), "ApproximateCreationDateTime": created } })
}

fn partly(number: u32) -> Outcome {
    Outcome::Partly(vec![number.to_string()])
}

/// Invokes `function` with each batch until the lane is empty, at most fifty times. Returns the batches.
fn run(lane: &mut Lane, policy: &Policy, mut function: impl FnMut(&[u32]) -> Outcome) -> Vec<Vec<u32>> {
    let mut batches = Vec::new();
    while batches.len() < 50 {
        let Some(batch) = lane.batch(policy, NOW) else { break };
        let numbers: Vec<u32> = batch.iter().map(|record| sequence_number(record).parse().unwrap()).collect();
        let outcome = function(&numbers);
        batches.push(numbers);
        lane.settle(&outcome, policy);
    }
    batches
}

#[test]
fn the_lowest_failed_record_is_tried_again_with_everything_behind_it() {
    let mut failures = 2;
    let batches = run(&mut lane(1..=5), &policy(), |batch| {
        if batch.contains(&3) && failures > 0 {
            failures -= 1;
            // The order of the reported failures doesn't matter.
            return Outcome::Partly(vec!["5".into(), "3".into()]);
        }
        Outcome::Succeeded
    });
    assert_eq!(batches, [vec![1, 2, 3, 4, 5], vec![3, 4, 5], vec![3, 4, 5]]);
}

#[test]
fn records_behind_a_failing_batch_wait_for_it() {
    let policy = Policy { batch_size: 2, maximum_retries: Some(1), ..policy() };
    let batches =
        run(&mut lane(1..=4), &policy, |batch| if batch.contains(&2) { partly(2) } else { Outcome::Succeeded });
    assert_eq!(batches, [vec![1, 2], vec![2], vec![3, 4]], "2 is skipped after its one retry");
}

#[test]
fn a_failed_batch_is_tried_again_as_a_whole_until_its_retries_are_used_up() {
    let policy = Policy { batch_size: 3, maximum_retries: Some(2), ..policy() };
    let batches =
        run(&mut lane(1..=4), &policy, |batch| if batch.contains(&3) { Outcome::Failed } else { Outcome::Succeeded });
    assert_eq!(batches, [vec![1, 2, 3], vec![1, 2, 3], vec![1, 2, 3], vec![4]]);
}

#[test]
fn bisecting_finds_the_record_that_fails_and_loses_no_other() {
    let policy = Policy { bisects: true, maximum_retries: Some(1), ..policy() };
    let mut done = Vec::new();
    let batches = run(&mut lane(1..=4), &policy, |batch| {
        if batch.contains(&3) {
            return Outcome::Failed;
        }
        done.extend_from_slice(batch);
        Outcome::Succeeded
    });
    assert_eq!(batches, [vec![1, 2, 3, 4], vec![1, 2], vec![3, 4], vec![3], vec![3], vec![4]]);
    assert_eq!(done, [1, 2, 4]);
}

#[test]
fn without_a_limit_a_batch_is_tried_until_it_is_too_old() {
    let policy = Policy { maximum_age: Some(Duration::from_secs(300)), ..policy() };
    let mut lane = lane(1..=2);
    let later = |seconds: u64| NOW + seconds * 1_000;
    for _ in 0..100 {
        assert_eq!(lane.batch(&policy, later(300)).map(<[Value]>::len), Some(2));
        assert!(!lane.settle(&Outcome::Failed, &policy), "it pauses before the retry");
    }
    lane.push(record(3, 1_800_000_010));
    let batch = lane.batch(&policy, later(301)).unwrap();
    assert_eq!(batch.iter().map(sequence_number).collect::<Vec<_>>(), ["3"]);
    assert!(lane.settle(&Outcome::Succeeded, &policy));
    assert!(lane.is_empty());
}

#[test]
fn a_lane_is_full_with_a_whole_batch_or_one_to_try_again() {
    let policy = Policy { batch_size: 2, ..policy() };
    let mut lane = lane(1..=1);
    assert!(!lane.is_full(&policy) && !lane.is_empty());
    lane.push(record(2, 1_800_000_000));
    assert!(lane.is_full(&policy));
    lane.batch(&policy, NOW);
    lane.settle(&partly(2), &policy);
    assert!(lane.is_full(&policy));
}
