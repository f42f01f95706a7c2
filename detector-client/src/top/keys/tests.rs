use super::{Action, Command, Edit, Focus, Key, PastStep, Step, of};

#[test]
fn the_keys_that_operators_know_do_what_they_expect() {
    for (key, command) in [
        (Key::Char('q'), Command::Quit),
        (Key::Char('?'), Command::Help),
        (Key::F(1), Command::Help),
        (Key::Char('/'), Command::TypeFilter),
        (Key::Char('s'), Command::ChooseSort),
        (Key::Char('r'), Command::Reverse),
        (Key::Char(' '), Command::Pause),
        (Key::Tab, Command::NextGrouping),
        (Key::BackTab, Command::PreviousGrouping),
        (Key::Enter, Command::Open),
        (Key::Esc, Command::Back),
        (Key::Char('j'), Command::Move(Step::Down)),
        (Key::Down, Command::Move(Step::Down)),
        (Key::Char('k'), Command::Move(Step::Up)),
        (Key::Char('g'), Command::Move(Step::First)),
        (Key::Char('G'), Command::Move(Step::Last)),
        (Key::PageDown, Command::Move(Step::PageDown)),
        (Key::Ctrl('u'), Command::Move(Step::HalfPageUp)),
        (Key::Left, Command::SortLeft),
        (Key::Char('>'), Command::SortRight),
        (Key::Char('x'), Command::Act(Action::Reset)),
        (Key::Char('b'), Command::Act(Action::Block)),
        (Key::Char('p'), Command::Past),
        (Key::Char('T'), Command::Travel(PastStep::Seconds(-1))),
        (Key::Char('t'), Command::Travel(PastStep::Seconds(1))),
        (
            Key::Char('M'),
            Command::Travel(PastStep::Milliseconds(-60_000)),
        ),
        (Key::Char(']'), Command::Travel(PastStep::Incident(true))),
    ] {
        assert_eq!(of(key, Focus::Screen), Some(command), "{key:?}");
    }
    assert_eq!(of(Key::Char('y'), Focus::Screen), None);
}

#[test]
fn in_the_prompt_letters_are_letters() {
    for letter in ['q', 's', ' ', '?', '/', 'j', '漢'] {
        assert_eq!(
            of(Key::Char(letter), Focus::Prompt),
            Some(Command::Edit(Edit::Insert(letter)))
        );
    }
    assert_eq!(of(Key::Enter, Focus::Prompt), Some(Command::Accept));
    assert_eq!(of(Key::Esc, Focus::Prompt), Some(Command::Back));
    assert_eq!(
        of(Key::Ctrl('u'), Focus::Prompt),
        Some(Command::Edit(Edit::Clear))
    );
    assert_eq!(of(Key::Up, Focus::Prompt), None);
}

#[test]
fn one_can_always_leave() {
    for focus in [Focus::Screen, Focus::Prompt, Focus::Menu, Focus::Help] {
        assert_eq!(of(Key::Ctrl('c'), focus), Some(Command::Quit));
        assert_eq!(of(Key::Esc, focus), Some(Command::Back));
    }
}
