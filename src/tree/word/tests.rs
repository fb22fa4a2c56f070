//! The word by itself.

use super::*;

#[test]
fn a_word_is_born_calm_or_marked() {
    let word = Word::born(Role::Task, false, 2);
    assert_eq!((word.role(), word.references(), word.own()), (Role::Task, 2, 0));
    assert!(word.is_calm() && !word.is_cancelled());
    assert!(Word::born(Role::Scope, true, 1).is_cancelled());
}

#[test]
fn the_own_count_saturates_and_touches_nothing_else() {
    let slot = AtomicWord::new();
    slot.init(Word(Word::born(Role::Fork, false, 3).0 | (OWN_MAX - 1) << OWN_SHIFT));
    slot.count_cancel();
    slot.count_cancel();
    let word = slot.load();
    assert_eq!((word.own(), word.references(), word.role()), (OWN_MAX, 3, Role::Fork));
    assert!(!word.is_inherited() && !word.is_closed());
}

#[test]
fn closing_gives_up_the_places_reference() {
    let slot = AtomicWord::new();
    slot.init(Word::born(Role::Scope, false, 2));
    assert!(!slot.close().1, "a handle is left");
    assert!(slot.load().is_closed() && slot.load().is_closing());
    assert!(slot.drop_reference(false), "the handle was the last");
}

/// A word with these bits, of a scope to which nothing else has happened.
fn with(bits: u64) -> Word {
    Word(Word::born(Role::Scope, false, 1).0 | bits)
}

#[test]
fn each_flag_is_its_own_answer() {
    type Question = (u64, fn(Word) -> bool);
    let questions: [Question; 9] = [
        (INHERITED, Word::is_inherited),
        (ABANDONED, Word::is_abandoned),
        (CLOSING, Word::is_closing),
        (CLOSED, Word::is_closed),
        (ADRIFT, Word::is_adrift),
        (ATTEND, Word::must_attend),
        (FORSAKEN, Word::is_forsaken),
        (UNASKED, Word::is_unasked),
        (GUARDED, Word::is_guarded),
    ];
    let all = questions.iter().fold(0, |all, (flag, _)| all | flag);
    assert_eq!(all.count_ones(), 9);
    assert_eq!(all & (ROLE | OWN), 0, "beside the role and the count");
    assert_eq!((all | ROLE | OWN).trailing_ones(), REF_SHIFT, "and below the references");
    for (flag, ask) in questions {
        assert!(ask(with(flag)) && ask(with(all)));
        assert!(!ask(with(0)) && !ask(with(all & !flag)));
    }
}

/// What every poll, every admission and every cancel asks of several bits at once.
#[test]
fn questions_to_several_bits() {
    let flags = [INHERITED, ABANDONED, CLOSING, CLOSED, ADRIFT, ATTEND, FORSAKEN, UNASKED, GUARDED];
    for bits in flags.into_iter().chain([0, OWN_ONE, OWN]) {
        let word = with(bits);
        let among = |of: &[u64]| of.contains(&bits);
        let cancels = among(&[INHERITED, ABANDONED, OWN_ONE, OWN]);
        assert_eq!(word.is_cancelled(), cancels, "{word:?}");
        assert_eq!(word.is_calm(), !(cancels || among(&[ATTEND])), "{word:?}");
        assert_eq!(word.admits(), !(cancels || among(&[CLOSED, GUARDED])), "{word:?}");
        assert_eq!(word.is_counted() || word.is_zombie(), among(&[FORSAKEN]), "{word:?}");
    }
    assert!(!with(FORSAKEN | CLOSED).is_zombie());
}

#[test]
fn a_word_shows_its_flags_by_name() {
    let slot = AtomicWord::new();
    slot.init(Word::born(Role::Fork, true, 2));
    slot.begin_closing();
    slot.count_cancel();
    assert_eq!(format!("{:?}", slot.load()), "[Fork, INHERITED, CLOSING, own=1 refs=2]");
}
