use super::{Action, Deed, Edit, Focus, Key, Step, of};

#[test]
fn the_keys_that_operators_know_do_what_they_expect() {
    for (key, action) in [
        (Key::Char('q'), Action::Quit),
        (Key::Char('?'), Action::Help),
        (Key::F(1), Action::Help),
        (Key::Char('/'), Action::TypeFilter),
        (Key::Char('s'), Action::ChooseSort),
        (Key::Char('r'), Action::Reverse),
        (Key::Char(' '), Action::Pause),
        (Key::Tab, Action::NextGrouping),
        (Key::BackTab, Action::PreviousGrouping),
        (Key::Enter, Action::Open),
        (Key::Esc, Action::Back),
        (Key::Char('j'), Action::Move(Step::Down)),
        (Key::Down, Action::Move(Step::Down)),
        (Key::Char('k'), Action::Move(Step::Up)),
        (Key::Char('g'), Action::Move(Step::First)),
        (Key::Char('G'), Action::Move(Step::Last)),
        (Key::PageDown, Action::Move(Step::PageDown)),
        (Key::Ctrl('u'), Action::Move(Step::HalfPageUp)),
        (Key::Left, Action::SortLeft),
        (Key::Char('>'), Action::SortRight),
        (Key::Char('x'), Action::Act(Deed::Reset)),
        (Key::Char('b'), Action::Act(Deed::Block)),
    ] {
        assert_eq!(of(key, Focus::Screen), Some(action), "{key:?}");
    }
    assert_eq!(of(Key::Char('y'), Focus::Screen), None);
}

#[test]
fn in_the_prompt_letters_are_letters() {
    for letter in ['q', 's', ' ', '?', '/', 'j', '漢'] {
        assert_eq!(
            of(Key::Char(letter), Focus::Prompt),
            Some(Action::Edit(Edit::Insert(letter)))
        );
    }
    assert_eq!(of(Key::Enter, Focus::Prompt), Some(Action::Accept));
    assert_eq!(of(Key::Esc, Focus::Prompt), Some(Action::Back));
    assert_eq!(
        of(Key::Ctrl('u'), Focus::Prompt),
        Some(Action::Edit(Edit::Clear))
    );
    assert_eq!(of(Key::Up, Focus::Prompt), None);
}

#[test]
fn one_can_always_leave() {
    for focus in [Focus::Screen, Focus::Prompt, Focus::Menu, Focus::Help] {
        assert_eq!(of(Key::Ctrl('c'), focus), Some(Action::Quit));
        assert_eq!(of(Key::Esc, focus), Some(Action::Back));
    }
}
