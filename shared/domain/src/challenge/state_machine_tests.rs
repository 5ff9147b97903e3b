use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60;

fn key() -> ChallengeKey {
    serde_json::from_str("\"key\"").unwrap()
}

/// Stands for a code: the number of its issue.
fn seal(issue: u64) -> Sealed {
    Sealed(issue.to_string())
}

const ASK: Ask = Ask { channel: Channel::Sms, decoy: false, same_account: true };

fn start(present: Option<&Challenge>, now: i64) -> Result<Start, TooManyCodes> {
    Challenge::start(present, &key(), ASK, Timestamp(now), &Policy::default(), seal)
}

fn sent(start: Result<Start, TooManyCodes>) -> Challenge {
    match start.unwrap() {
        Start::Send(challenge) => challenge,
        Start::Alive | Start::Unsent(_) => panic!("nothing was sent"),
    }
}

fn fresh(now: i64) -> Challenge {
    sent(start(None, now))
}

fn guess(challenge: &Challenge, right: bool, now: i64) -> Result<Verdict, GuessRefusal> {
    challenge.verify(Guess::Code, right, Timestamp(now), &Policy::default())
}

fn handed_over(challenge: &Challenge, send_number: u64, now: i64) -> Option<Challenge> {
    challenge.hand_over(send_number, 7, None, Timestamp(now))
}

fn wrong(challenge: &Challenge, now: i64) -> (Challenge, usize) {
    match guess(challenge, false, now).unwrap() {
        Verdict::Wrong { next, attempts_left } => (next, attempts_left),
        Verdict::Correct { .. } => panic!("a wrong guess was right"),
    }
}

fn right(challenge: &Challenge, now: i64) -> Challenge {
    match guess(challenge, true, now).unwrap() {
        Verdict::Correct { next } => next,
        Verdict::Wrong { .. } => panic!("a right guess was wrong"),
    }
}

#[test]
fn numbers_never_come_again_after_the_item_was_deleted() {
    let (first, later) = (fresh(1_000), fresh(1_000 + 90_000));
    assert!(later.issue > first.issue && later.send_number > first.send_number, "{later:?}");
    assert_eq!(first.issue, 1_000_000, "the time of issue in milliseconds");
    let again = sent(start(Some(&first), 1_060));
    assert!(!later.waits(again.send_number), "a message of the deleted challenge");
}

#[test]
fn numbers_of_earlier_versions_and_of_a_clock_that_went_back_grow() {
    let counted = Challenge { issue: 7, send_number: 9, ..fresh(0) };
    let next = sent(start(Some(&counted), 300));
    assert_eq!((next.issue, next.send_number), (300_000, 300_000));
    let ahead = Challenge { issue: 500_000, send_number: 600_000, ..counted };
    let next = sent(start(Some(&ahead), 300));
    assert_eq!((next.issue, next.send_number), (500_001, 600_001));
}

#[test]
fn a_code_lives_five_minutes_to_the_second() {
    let challenge = fresh(0);
    right(&challenge, 5 * MINUTE - 1);
    assert_eq!(guess(&challenge, true, 5 * MINUTE), Err(GuessRefusal::Expired));
    assert_eq!(guess(&challenge, true, 5 * MINUTE + 1), Err(GuessRefusal::Expired));
}

#[test]
fn the_sixth_guess_is_not_looked_at_even_if_it_is_right() {
    let mut challenge = fresh(0);
    for left in (0..5).rev() {
        let (next, attempts_left) = wrong(&challenge, 1);
        assert_eq!(attempts_left, left);
        challenge = next;
    }
    assert_eq!(guess(&challenge, true, 2), Err(GuessRefusal::TooManyAttempts { until: Timestamp(MINUTE) }));
}

fn unsent(present: Option<&Challenge>, failure: Option<DeliveryFailure>, now: i64) -> Start {
    Challenge::start_unsent(present, &key(), ASK, Timestamp(now), &Policy::default(), failure, seal)
}

fn saved(start: Start) -> Challenge {
    match start {
        Start::Unsent(challenge) => challenge,
        other => panic!("{other:?}"),
    }
}

fn used_by(challenge: &Challenge, guess: Guess<'_>, now: i64) -> bool {
    matches!(challenge.verify(guess, true, Timestamp(now), &Policy::default()), Ok(Verdict::Correct { .. }))
}

#[test]
fn without_a_message_a_challenge_is_open_and_nothing_is_counted() {
    let challenge = saved(unsent(None, None, 0));
    assert_eq!(
        (challenge.delivery_status(Timestamp(1), &Policy::default()), challenge.sends.len()),
        (DeliveryStatus::None, 0)
    );
    assert!(!challenge.accepts_code(Timestamp(1), &Policy::default()));
    assert!(!challenge.waits(challenge.send_number), "nothing to send");
    assert_eq!(challenge.resend(Timestamp(60), &Policy::default()), Err(ResendRefusal::Expired));
    assert_eq!(unsent(Some(&challenge), None, 100), Start::Alive);
    assert!(used_by(&challenge, Guess::Totp { from: "owner" }, 299));
    assert_eq!(saved(unsent(Some(&challenge), None, 250)).expires_at, Timestamp(550), "a new one in the last minute");
}

#[test]
fn a_challenge_whose_message_must_wait_is_open_and_its_code_can_be_sent_later() {
    let locked = (0..5).fold(fresh(0), |challenge, _| wrong(&challenge, 1).0);
    assert_eq!(start(Some(&locked), 10), Err(TooManyCodes { until: Timestamp(60) }));
    let same = saved(unsent(Some(&locked), Some(DeliveryFailure::TooManyCodes), 10));
    assert_eq!(
        (same.issue, same.delivery, same.failure),
        (locked.issue, Delivery::Failed, Some(DeliveryFailure::TooManyCodes))
    );
    assert!(
        used_by(&same, Guess::RecoveryCode { from: "owner" }, 10)
            && !same.accepts_code(Timestamp(10), &Policy::default())
    );

    let used = right(&sent(start(Some(&fresh(0)), 60)), 61);
    let full = (0..3).fold(used, |challenge, round| right(&sent(start(Some(&challenge), 62 + round)), 62 + round));
    assert!(matches!(start(Some(&full), 100), Err(TooManyCodes { .. })), "five messages in an hour");
    let waiting = saved(unsent(Some(&full), Some(DeliveryFailure::TooManyCodes), 100));
    assert_ne!(waiting.issue, full.issue);
    assert_eq!(waiting.sends, full.sends);
    assert!(matches!(waiting.resend(Timestamp(101), &Policy::default()), Err(ResendRefusal::TooManyCodes { .. })));
    assert_eq!(
        start(Some(&waiting), 3_550).map(|start| matches!(start, Start::Send(_))),
        Err(TooManyCodes { until: Timestamp(3_600) })
    );
}

#[test]
fn each_kind_of_guess_has_limits_of_its_own() {
    let policy = Policy::default();
    let mut challenge = fresh(0);
    for _ in 0..5 {
        challenge = wrong(&challenge, 1).0;
    }
    for guess in [Guess::Totp { from: "thief" }, Guess::RecoveryCode { from: "thief" }] {
        for left in (0..5).rev() {
            let verdict = challenge.verify(guess, false, Timestamp(2), &policy).unwrap();
            let Verdict::Wrong { next, attempts_left } = verdict else { panic!("{verdict:?}") };
            assert_eq!(attempts_left, left);
            challenge = next;
        }
        let locked = challenge.verify(guess, true, Timestamp(3), &policy);
        assert_eq!(locked, Err(GuessRefusal::TooManyAttempts { until: Timestamp(302) }));
    }
    assert!(
        used_by(&challenge, Guess::Totp { from: "owner" }, 3)
            && used_by(&challenge, Guess::RecoveryCode { from: "owner" }, 3)
    );
}

#[test]
fn nothing_is_correct_for_a_decoy() {
    let decoy = Challenge { decoy: true, ..fresh(0) };
    for guess in [Guess::Code, Guess::Totp { from: "a" }, Guess::RecoveryCode { from: "a" }] {
        assert!(!used_by(&decoy, guess, 1), "{guess:?}");
    }
}

#[test]
fn a_right_code_is_right_once() {
    let used = right(&fresh(0), 1);
    assert_eq!(guess(&used, true, 2), Err(GuessRefusal::Used));
    assert_eq!(used.resend(Timestamp(100), &Policy::default()), Err(ResendRefusal::Used));
}

#[test]
fn asking_again_sends_the_same_code_and_only_after_the_cooldown() {
    let first = fresh(0);
    assert_eq!(start(Some(&first), 59), Ok(Start::Alive));
    let again = sent(start(Some(&first), 60));
    assert_eq!((again.issue, &again.sealed, again.expires_at), (first.issue, &first.sealed, first.expires_at));
    assert!(again.send_number > first.send_number);
    assert_eq!(again.resend_at(&Policy::default()), Timestamp(60 + 120));
}

#[test]
fn the_cooldown_doubles_up_to_half_an_hour_and_the_hour_s_limit_holds() {
    let policy = Policy { sends_per_hour: 100, sends_per_day: 100, ..Policy::default() };
    let mut challenge = fresh(0);
    let mut waits = Vec::new();
    for _ in 0..7 {
        let at = challenge.resend_at(&policy);
        waits.push(at.0 - challenge.sends.last().unwrap().0);
        challenge = sent(Challenge::start(Some(&challenge), &key(), ASK, at, &policy, seal));
    }
    assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 1920]);
}

#[test]
fn a_code_in_its_last_minute_is_replaced() {
    let first = sent(start(Some(&fresh(0)), 60));
    assert_eq!(first.resend(Timestamp(241), &Policy::default()), Err(ResendRefusal::Expired));
    let second = sent(start(Some(&first), 241));
    assert!(second.issue > first.issue);
    assert_eq!(second.attempts_left, 5);
    assert_ne!(second.sealed, first.sealed);
}

#[test]
fn five_wrong_guesses_leave_no_code_and_the_cooldown_goes_on() {
    let mut challenge = fresh(0);
    for _ in 0..5 {
        challenge = wrong(&challenge, 1).0;
    }
    assert_eq!(start(Some(&challenge), 10), Err(TooManyCodes { until: Timestamp(60) }));
    assert!(sent(start(Some(&challenge), 60)).issue > challenge.issue);
}

#[test]
fn a_new_code_does_not_reset_the_failures_and_the_twentieth_locks_for_a_day() {
    let policy = Policy { sends_per_hour: 100, longest_cooldown: Duration::from_secs(60), ..Policy::default() };
    let mut now = 0;
    let mut challenge = fresh(now);
    for _ in 0..4 {
        for _ in 0..5 {
            challenge = wrong(&challenge, now).0;
        }
        now += 60;
        if challenge.failures.len() < 20 {
            challenge = sent(Challenge::start(Some(&challenge), &key(), ASK, Timestamp(now), &policy, seal));
        }
    }
    let until = Timestamp(24 * 60 * MINUTE);
    let refused = Challenge::start(Some(&challenge), &key(), ASK, Timestamp(now), &policy, seal);
    assert_eq!(refused, Err(TooManyCodes { until }), "a code that nobody may enter is not sent");
    assert!(
        Challenge::start(Some(&challenge), &key(), ASK, until, &policy, seal).is_ok(),
        "the lock ends by the clock"
    );
}

#[test]
fn a_success_ends_the_cooldown_and_the_failures_but_not_the_hour_s_count() {
    let mut challenge = fresh(0);
    for now in 1..5 {
        challenge = right(&wrong(&challenge, now).0, now);
        assert!(challenge.failures.is_empty());
        challenge = sent(start(Some(&challenge), now));
        assert_eq!(start(Some(&challenge), now), Ok(Start::Alive), "the cooldown begins again");
    }
    challenge = right(&challenge, 5);
    assert_eq!(start(Some(&challenge), 6), Err(TooManyCodes { until: Timestamp(60 * MINUTE) }));
}

#[test]
fn a_decoy_has_no_right_code_and_is_replaced_when_its_number_gets_an_account() {
    let decoy = sent(Challenge::start(
        None,
        &key(),
        Ask { decoy: true, same_account: true, ..ASK },
        Timestamp(0),
        &Policy::default(),
        seal,
    ));
    assert!(matches!(guess(&decoy, true, 1), Ok(Verdict::Wrong { attempts_left: 4, .. })));
    assert!(handed_over(&decoy, 1, 1).is_some(), "it goes the way of a message, up to the provider");
    let ask = Ask { decoy: false, same_account: false, ..ASK };
    let real = sent(Challenge::start(Some(&decoy), &key(), ask, Timestamp(1), &Policy::default(), seal));
    assert!(!real.decoy && real.issue > decoy.issue);
    assert!(handed_over(&real, real.send_number, 1).is_some());
}

#[test]
fn a_message_is_handed_over_once_and_only_while_its_code_is_of_use() {
    let challenge = fresh(0);
    assert!(challenge.waits(1));
    let sending = handed_over(&challenge, 1, 1).unwrap();
    assert_eq!((sending.attempt, sending.waits(1)), (Some(7), false));
    assert_eq!(handed_over(&sending, 1, 1), None, "handed over already");
    assert_eq!(handed_over(&challenge, 1, 300), None, "expired");
    let used = right(&challenge, 1);
    assert_eq!((handed_over(&used, 1, 1), used.waits(1)), (None, false), "used");
    let again = sent(start(Some(&challenge), 60));
    assert_eq!((handed_over(&again, 1, 60), again.waits(1)), (None, false), "a newer message took its place");
    let deferred = sending.record_delivery(1, Delivery::Deferred, Timestamp(2)).unwrap();
    assert!(handed_over(&deferred, 1, 3).is_some(), "what the provider put off may be handed over again");
    let unknown = sending.record_delivery(1, Delivery::Unknown, Timestamp(2)).unwrap();
    assert_eq!(handed_over(&unknown, 1, 3), None, "perhaps sent");
}

#[test]
fn an_attempt_that_sent_nothing_can_be_taken_back_by_its_own_number_only() {
    let sending = handed_over(&fresh(0), 1, 1).unwrap();
    assert!(sending.clone().taken_back(Some(7)).waits(1));
    for other in [Some(8), None] {
        assert_eq!(sending.clone().taken_back(other), sending, "{other:?}");
    }
    let sent = sending.record_delivery(1, Delivery::Sent, Timestamp(2)).unwrap();
    assert_eq!(sent.clone().taken_back(Some(7)), sent);
    let legacy = Challenge { attempt: None, ..sending };
    assert_eq!(legacy.clone().taken_back(None), legacy, "handed over by a version that numbered no attempts");
}

#[test]
fn a_message_that_waits_can_be_refused_with_a_reason_and_one_that_was_handed_over_cannot() {
    let challenge = fresh(0);
    let failure = DeliveryFailure::BudgetSpent;
    let refused = challenge.refuse(1, failure, Timestamp(1)).unwrap();
    assert_eq!((refused.delivery, refused.delivery_failure(Timestamp(1))), (Delivery::Failed, Some(failure)));
    assert_eq!(refused.refuse(1, DeliveryFailure::NotAllowed, Timestamp(1)), None, "the first reason stays");
    assert_eq!(handed_over(&challenge, 1, 1).unwrap().refuse(1, failure, Timestamp(1)), None);
    assert_eq!(right(&challenge, 1).refuse(1, failure, Timestamp(1)), None, "used");
}

#[test]
fn a_message_that_waits_until_its_code_expires_has_failed_and_says_so() {
    let (challenge, policy) = (fresh(0), Policy::default());
    assert_eq!(challenge.delivery_failure(Timestamp(299)), None);
    assert_eq!(challenge.delivery_status(Timestamp(300), &policy), DeliveryStatus::Failed);
    assert_eq!(challenge.delivery_failure(Timestamp(300)), Some(DeliveryFailure::NotSentInTime));
}

#[test]
fn a_notice_waits_for_a_day() {
    let notice = Challenge::notice(&key(), Channel::Sms, seal(0), Timestamp(0), &Policy::default());
    assert!(handed_over(&notice, 1, 24 * 60 * MINUTE - 1).is_some());
    assert_eq!(handed_over(&notice, 1, 24 * 60 * MINUTE), None);
    assert!(notice.ttl > notice.expires_at);
}

#[test]
fn news_of_a_message_moves_forward_only() {
    let policy = Policy::default();
    let sending = handed_over(&fresh(0), 1, 1).unwrap();
    assert_eq!(sending.delivery_status(Timestamp(2), &policy), DeliveryStatus::Pending);
    assert_eq!(sending.delivery_status(Timestamp(61), &policy), DeliveryStatus::Unknown, "no answer for a minute");
    let delivered = sending.record_delivery(1, Delivery::Delivered, Timestamp(2)).unwrap();
    for late in [Delivery::Sending, Delivery::Sent, Delivery::Failed, Delivery::Unknown, Delivery::Delivered] {
        assert_eq!(delivered.record_delivery(1, late, Timestamp(3)), None, "{late:?}");
    }
    assert_eq!(sending.record_delivery(2, Delivery::Delivered, Timestamp(2)), None, "of no message that was sent");
    let never_sent = fresh(0);
    assert_eq!(never_sent.record_delivery(1, Delivery::Delivered, Timestamp(2)), None);
    assert_eq!(never_sent.delivery_status(Timestamp(300), &policy), DeliveryStatus::Failed, "dropped with its code");
}

#[test]
fn messages_that_were_not_sent_do_not_count_at_the_number() {
    let record = |challenge: &Challenge, failure, now: i64| {
        let claimed = handed_over(challenge, challenge.send_number, now).unwrap();
        claimed.record_failure(challenge.send_number, failure, Timestamp(now)).unwrap()
    };
    let first = fresh(0);
    let held_back = first.refuse(first.send_number, DeliveryFailure::HeldBack, Timestamp(1)).unwrap();
    let second = sent(start(Some(&held_back), 60));
    assert_eq!(second.messages_before(), 0);
    let refused = record(&second, DeliveryFailure::NumberRefused, 61);
    let third = sent(start(Some(&refused), 180));
    assert_eq!(third.messages_before(), 0, "refused by the provider");
    let lost = record(&third, DeliveryFailure::NotDelivered, 181);
    let fourth = sent(start(Some(&lost), 420));
    assert_eq!(fourth.messages_before(), 1, "a message that did not arrive was sent");
    let tomorrow = sent(start(Some(&fourth), 420 + 24 * 60 * MINUTE));
    assert_eq!((tomorrow.messages_before(), tomorrow.unsent.len()), (0, 0));
}

fn asked(at: i64) -> Asked {
    Asked {
        at: Timestamp(at),
        country: crate::country::Country::parse("ES").unwrap(),
        trust: crate::account::PhoneTrust::New,
        signs_in: true,
        in_country: true,
        range: None,
        in_range: 0,
    }
}

#[test]
fn a_person_is_counted_once_until_they_answer() {
    let asked_once = fresh(0).with_asked(Some(asked(0)));
    let again = sent(start(Some(&asked_once), 60));
    assert_eq!(again.asked.as_deref(), Some(&asked(0)), "sent again");
    let new_code = sent(start(Some(&again), 400));
    assert_eq!(new_code.asked.as_deref(), Some(&asked(0)), "a new code for the same person");
    let used = right(&new_code, 401);
    assert_eq!(used.asked.as_deref(), Some(&asked(0)), "the write that used the code says who answered");
    let claimed = Challenge { delivery: Delivery::Sent, ..used.clone() };
    let reported = claimed.record_delivery(claimed.send_number, Delivery::Delivered, Timestamp(402)).unwrap();
    assert_eq!(reported.asked, None, "and a later one does not say it again");
    assert_eq!(sent(start(Some(&used), 403)).asked, None, "then the person is asked anew");
    assert_eq!(sent(start(Some(&asked_once), 24 * 60 * MINUTE)).asked, None, "and so after a day");
    assert_eq!(asked_once.clone().with_asked(None), asked_once);
}

#[test]
fn a_refused_message_leaves_a_code_that_is_alive_as_it_is() {
    let failure = Some(DeliveryFailure::TooManyCodes);
    let alive = fresh(0);
    assert_eq!(unsent(Some(&alive), failure, 70), Start::Alive, "its message may have arrived");
    let lost = handed_over(&alive, alive.send_number, 1).unwrap();
    let lost = lost.record_failure(lost.send_number, DeliveryFailure::NotDelivered, Timestamp(2)).unwrap();
    assert_eq!(unsent(Some(&lost), failure, 70), Start::Alive, "and its failure says more");
    let first = saved(unsent(None, failure, 0));
    assert!(!first.accepts_code(Timestamp(1), &Policy::default()) && !first.waits(first.send_number));
    assert_eq!(unsent(Some(&first), failure, 70), Start::Alive);
    let later = sent(start(Some(&first), 70));
    assert_eq!((later.issue, later.failure), (first.issue, None), "then the same code is sent");
    let of_another = Ask { same_account: false, ..ASK };
    let policy = Policy::default();
    let replaced = Challenge::start_unsent(Some(&alive), &key(), of_another, Timestamp(70), &policy, failure, seal);
    assert!(saved(replaced).issue > alive.issue, "a code for the account as it was");
}

#[test]
fn only_the_code_answers() {
    let asked_once = fresh(0).with_asked(Some(asked(0)));
    for guess in [Guess::Totp { from: "a" }, Guess::RecoveryCode { from: "a" }] {
        let verdict = asked_once.verify(guess, true, Timestamp(1), &Policy::default());
        let Ok(Verdict::Correct { next }) = verdict else { panic!("{verdict:?}") };
        assert_eq!(next.asked, None, "the message may not have arrived");
    }
}

/// What anyone can do to a challenge, in any order.
#[derive(Clone, Debug)]
enum Step {
    Start { same_account: bool },
    Resend,
    Guess { right: bool },
    Wait { seconds: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Start { same_account: true }),
        1 => Just(Step::Start { same_account: false }),
        3 => Just(Step::Resend),
        10 => Just(Step::Guess { right: false }),
        1 => Just(Step::Guess { right: true }),
        3 => (1_i64..120).prop_map(|seconds| Step::Wait { seconds }),
        3 => (1_i64..2_400).prop_map(|seconds| Step::Wait { seconds }),
        1 => (1_i64..90_000).prop_map(|seconds| Step::Wait { seconds }),
    ];
    prop::collection::vec(step, 1..200)
}

/// What happened, kept apart from the machine, to judge it by.
#[derive(Default)]
struct Ledger {
    sends: Vec<i64>,
    failures: Vec<i64>,
    guesses_of_issue: std::collections::HashMap<u64, usize>,
    successes_of_issue: std::collections::HashMap<u64, usize>,
    issued_at: std::collections::HashMap<u64, i64>,
}

fn in_window(events: &[i64], now: i64, window: i64) -> usize {
    events.iter().filter(|event| **event > now - window).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// The promises of the machine under every order of operations and every movement of the clock.
    #[test]
    fn no_order_of_steps_breaks_a_limit(steps in steps()) {
        let policy = Policy::default();
        let (hour, day) = (3_600, 86_400);
        let mut now = 1_000_000;
        let mut challenge: Option<Challenge> = None;
        let mut ledger = Ledger::default();
        for step in steps {
            match step {
                Step::Wait { seconds } => now += seconds,
                Step::Start { same_account } => {
                    let ask = Ask { decoy: false, same_account, ..ASK };
                    if let Ok(Start::Send(next)) = Challenge::start(challenge.as_ref(), &key(), ask, Timestamp(now), &policy, seal) {
                        let former = challenge.as_ref();
                        if former.is_none_or(|former| former.issue != next.issue) {
                            ledger.issued_at.insert(next.issue, now);
                        }
                        let kept = former.map_or(0, |former| in_window(&former.failures.iter().map(|at| at.0).collect::<Vec<_>>(), now, day));
                        prop_assert_eq!(next.failures.len(), kept, "a new code must not reset the failures");
                        ledger.sends.push(now);
                        challenge = Some(next);
                    }
                }
                Step::Resend => {
                    if let Some(next) = challenge.as_ref().and_then(|present| present.resend(Timestamp(now), &policy).ok()) {
                        prop_assert_eq!(&next.sealed, &challenge.as_ref().unwrap().sealed, "resend never makes a new code");
                        ledger.sends.push(now);
                        challenge = Some(next);
                    }
                }
                Step::Guess { right } => {
                    let Some(present) = &challenge else { continue };
                    let Ok(verdict) = present.verify(Guess::Code, right, Timestamp(now), &policy) else { continue };
                    let issue = present.issue;
                    let guesses = ledger.guesses_of_issue.entry(issue).or_default();
                    *guesses += 1;
                    prop_assert!(*guesses <= 5, "a sixth guess on one code");
                    prop_assert!(now < ledger.issued_at[&issue] + 300, "a guess after expiry");
                    prop_assert!(!ledger.successes_of_issue.contains_key(&issue), "a guess after success");
                    challenge = Some(match verdict {
                        Verdict::Correct { next } => {
                            ledger.successes_of_issue.insert(issue, 1);
                            ledger.failures.clear();
                            next
                        }
                        Verdict::Wrong { next, .. } => {
                            ledger.failures.push(now);
                            next
                        }
                    });
                    prop_assert!(in_window(&ledger.failures, now, day) <= 20, "a twenty-first failure in a day");
                }
            }
            prop_assert!(in_window(&ledger.sends, now, hour) <= 5, "a sixth message in an hour");
            prop_assert!(in_window(&ledger.sends, now, day) <= 10, "an eleventh message in a day");
        }
    }

    /// Without a success, messages keep their distance: 60 s, then double.
    #[test]
    fn messages_keep_their_distance(waits in prop::collection::vec(0_i64..4_000, 1..100)) {
        let mut now = 0;
        let mut challenge = fresh(now);
        let mut last = now;
        let mut streak = 1_u32;
        for wait in waits {
            now += wait;
            if let Ok(Start::Send(next)) = start(Some(&challenge), now) {
                let distance = (60_i64 * 2_i64.pow((streak - 1).min(5))).min(1_920);
                prop_assert!(now - last >= distance, "{} s after the last of {streak}", now - last);
                streak = if next.sends.len() == 1 { 1 } else { streak + 1 };
                last = now;
                challenge = next;
            }
        }
    }
}

#[test]
fn a_message_that_was_reported_as_failed_can_still_arrive() {
    let first = fresh(0);
    let number = first.send_number;
    let sent = handed_over(&first, number, 1).unwrap().record_delivery(number, Delivery::Sent, Timestamp(2)).unwrap();
    let report = |challenge: &Challenge, reported| challenge.record_report(number, reported, Timestamp(3));
    for failure in [DeliveryFailure::NotDelivered, DeliveryFailure::AccountRefused] {
        let failed = report(&sent, Reported::Failed(failure)).unwrap();
        assert_eq!((failed.delivery, failed.failure), (Delivery::Failed, Some(failure)));
        assert_eq!(report(&failed, Reported::Sent), None);
        assert_eq!(failed.record_report(number + 1, Reported::Delivered, Timestamp(3)), None, "of another message");
        let arrived = report(&failed, Reported::Delivered).unwrap();
        assert_eq!((arrived.delivery, arrived.failure, &arrived.unsent), (Delivery::Delivered, None, &sent.unsent));
        assert_eq!(report(&arrived, Reported::Failed(failure)), None);
    }
    let refused = handed_over(&first, number, 1).unwrap();
    let refused = refused.record_failure(number, DeliveryFailure::NumberRefused, Timestamp(2)).unwrap();
    assert_eq!(report(&refused, Reported::Delivered), None, "it was never accepted");
}
