//! Scenarios on a moved clock: growth, visitors, rivals and attacks in one country.

use super::*;

const START: Timestamp = Timestamp(1_800_000_000);
const MINUTES: i64 = 60;
const HOURS: i64 = 60 * MINUTES;

/// One country, as new numbers find it.
struct Place {
    evidence: Evidence,
    policy: BreakerPolicy,
    usual: u64,
    last: Option<Trip>,
    now: Timestamp,
}

impl Place {
    fn new() -> Self {
        let policy = BreakerPolicy::default();
        Self { evidence: Evidence::default(), policy, usual: 0, last: None, now: START }
    }

    fn wait(&mut self, seconds: i64) {
        self.now.0 += seconds;
    }

    fn case(&self) -> Case<'_> {
        Case {
            level: Level::VerifiedNumbersOnly,
            policy: &self.policy,
            usual: self.usual,
            last: self.last.as_ref(),
            now: self.now,
        }
    }

    fn is_tripped(&self) -> bool {
        self.last.as_ref().is_some_and(|trip| self.now < trip.until)
    }

    /// Whether one more person is asked; the time of that, if so.
    fn ask(&mut self) -> Option<Timestamp> {
        if self.is_tripped() {
            return None;
        }
        let verdict = self.evidence.judge(&self.case());
        let open = !matches!(verdict, Verdict::Close(_));
        if let Verdict::Close(trip) | Verdict::Probe(trip) = verdict {
            self.last = Some(trip);
        }
        if open {
            self.evidence.add(Evidence::minute(self.now), Answers { asked: 1, answered: 0 });
        }
        open.then_some(self.now)
    }

    fn answer(&mut self, asked_at: Timestamp) {
        self.evidence.add(Evidence::minute(asked_at), Answers { asked: 0, answered: 1 });
        let trip = self.last.filter(|trip| self.now < trip.until);
        if let Some(trip) = trip.filter(|trip| self.evidence.lifts(trip, &self.case())) {
            self.last = Some(Trip { until: self.now, lifted: true, ..trip });
        }
    }

    /// `count` people ask, one each `pause` seconds, and none of them answers. Returns how many were asked.
    fn attack(&mut self, count: usize, pause: i64) -> usize {
        (0..count)
            .filter(|_| {
                let asked = self.ask().is_some();
                self.wait(pause);
                asked
            })
            .count()
    }
}

#[test]
fn sixty_registrations_in_a_minute_of_which_85_percent_are_completed_trip_nothing_all_day() {
    let mut place = Place::new();
    let asked: Vec<_> = (0..60)
        .map(|_| {
            place.wait(1);
            place.ask().expect("growth is no attack")
        })
        .collect();
    for (index, at) in asked.into_iter().enumerate() {
        place.wait(5);
        if index % 20 >= 3 {
            place.answer(at);
        }
    }
    for _ in 0..24 * 12 {
        assert!(matches!(place.evidence.judge(&place.case()), Verdict::Open), "at {:?}", place.now);
        place.wait(5 * MINUTES);
    }
}

#[test]
fn a_site_that_grows_fivefold_in_a_day_at_80_percent_trips_nothing() {
    for pattern in [[true, true, true, true, false], [false, true, true, true, true]] {
        let mut place = Place::new();
        place.usual = 80;
        for index in 0..400 {
            let at = place.ask().expect("growth is no attack");
            place.wait(60);
            if pattern[index % 5] {
                place.answer(at);
            }
            place.wait(156);
        }
    }
}

#[test]
fn a_day_of_60_percent_trips_nothing() {
    let mut place = Place::new();
    for index in 0..400 {
        let at = place.ask().expect("two of five give up, which is no attack");
        place.wait(60);
        if index % 5 < 3 {
            place.answer(at);
        }
        place.wait(120);
    }
}

#[test]
fn people_who_do_not_answer_count_once_their_codes_are_over() {
    let mut place = Place::new();
    assert_eq!(place.attack(25, 1), 25);
    place.wait(5 * MINUTES - 25);
    assert!(place.ask().is_some(), "their codes are still valid");
    place.wait(MINUTES);
    assert_eq!(place.ask(), None, "twenty-five did not answer");
    let trip = place.last.unwrap();
    assert_eq!((trip.cause, trip.until), (Cause::UnansweredInAnHour, place.now.plus(5 * MINUTE)));
}

#[test]
fn what_an_attack_left_behind_trips_nothing_once_it_is_over() {
    let mut place = Place::new();
    assert_eq!(place.attack(25, 1), 25);
    place.wait(12 * MINUTES);
    assert_eq!(place.attack(3, 1), 3);
}

#[test]
fn the_threshold_grows_with_what_is_usual_and_with_what_is_answered() {
    let after = |usual: u64, answered: usize, unanswered: usize| {
        let mut place = Place::new();
        place.usual = usual;
        for _ in 0..answered {
            let at = place.ask().unwrap();
            place.answer(at);
        }
        place.attack(unanswered, 0);
        place.wait(6 * MINUTES);
        place.ask().is_some()
    };
    assert!(!after(0, 0, 20) && after(0, 0, 19));
    assert!(!after(1_000, 0, 50) && after(1_000, 0, 49));
    assert!(!after(0, 100, 50) && after(0, 100, 49));
}

#[test]
fn a_fast_attack_is_stopped_in_minutes_and_kept_down_while_it_lasts() {
    let mut place = Place::new();
    assert_eq!(place.attack(120, 5), 84, "those of the first seven minutes, which the budgets bound");
    // Six hours of a request every five seconds: a few of each ten minutes get through, then one an hour or less.
    let hours: Vec<usize> = (0..6).map(|_| place.attack(720, 5)).collect();
    assert!(hours[0] <= 40 && hours[1] <= 40, "{hours:?}");
    assert!(hours[4] <= 1 && hours[5] <= 1, "{hours:?}");
    assert!(hours.iter().sum::<usize>() <= 120, "{hours:?}");
}

#[test]
fn a_country_is_open_again_within_15_minutes_after_an_attack() {
    for (attack, pause) in [(400, 1), (900, 2), (60, 60), (1_440, 5)] {
        let mut place = Place::new();
        let asked = place.attack(attack, pause);
        assert!(asked < attack, "the attack must have tripped it");
        // Whenever people come back: they are let in, and answer.
        for quiet in [15 * MINUTES, 16 * MINUTES, 40 * MINUTES] {
            let mut place = Place {
                evidence: place.evidence.clone(),
                policy: place.policy,
                usual: 0,
                last: place.last,
                now: Timestamp(place.now.0 + quiet),
            };
            for index in 0..30 {
                let at = place.ask().unwrap_or_else(|| panic!("person {index}, {quiet} s after {attack} requests"));
                place.wait(20);
                place.answer(at);
            }
        }
        // Someone who tries every minute is let in after a quarter of an hour at the latest.
        let tries = (0..16).position(|_| {
            let asked = place.ask().is_some();
            place.wait(MINUTES);
            asked
        });
        assert!(tries.is_some(), "after {attack} requests");
    }
}

#[test]
fn codes_that_come_back_end_a_trip_early() {
    let mut place = Place::new();
    place.attack(25, 1);
    place.wait(5 * MINUTES);
    let late: Vec<_> = (0..10).map(|_| place.ask().expect("not tripped yet")).collect();
    place.wait(MINUTES);
    assert_eq!(place.ask(), None);
    for at in late {
        place.answer(at);
    }
    assert!(!place.is_tripped(), "ten people answered since");
    assert!(place.ask().is_some(), "what has tripped once does not trip again");
}

#[test]
fn a_slow_attack_is_closed_out_after_hours_and_one_answer_opens_again() {
    let mut place = Place::new();
    place.wait(10 * MINUTES);
    assert!(place.attack(90, 15 * MINUTES + 1) <= 20, "a day of a registration every 15 minutes");
    assert_eq!(place.last.unwrap().cause, Cause::UnansweredInADay);

    let mut place = Place::new();
    place.attack(20, 15 * MINUTES + 1);
    assert_eq!(place.ask(), None);
    place.wait(2 * HOURS);
    let probe = place.ask().expect("one message, to see");
    assert_eq!(place.ask(), None, "and no other");
    place.wait(30);
    place.answer(probe);
    for _ in 0..10 {
        assert!(place.ask().is_some(), "a code came back");
    }
}

#[test]
fn messages_to_established_numbers_have_a_high_floor_of_their_own() {
    let (policy, now) = (BreakerPolicy::default(), START);
    let after = |asked: u64, answered: u64| {
        let mut evidence = Evidence::default();
        evidence.add(Evidence::minute(now), Answers { asked, answered });
        evidence.is_too_much_for_established(&policy, now)
    };
    assert!(!after(39, 0) && after(40, 0), "beyond the first twenty, which are not watched");
    assert!(!after(500, 300), "an office in the morning");
}
