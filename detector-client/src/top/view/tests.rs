//! Frames of the test backend against text in `frames/`; `DETECTOR_BLESS=1` writes them anew.

use super::draw;
use crate::columns::Grouping;
use crate::terminal::Capabilities;
use crate::top::keys::{self, Key};
use crate::top::state::tests::actions::{block_result, rehearsed, reset_result};
use crate::top::state::tests::past::Night;
use crate::top::state::tests::{at_night, attacked, page, press, started, type_text};
use crate::top::state::{Now, State};
use detector_api::budget::Saving;
use detector_api::tcp_memory::HeldBytes;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use std::path::PathBuf;

const FULL: Capabilities = Capabilities {
    width: None,
    has_colours: true,
    has_unicode: true,
};
const SIZES: [(u16, u16); 3] = [(80, 24), (60, 15), (200, 60)];

fn terminal(state: &mut State, size: (u16, u16), look: Capabilities) -> Terminal<TestBackend> {
    state.size = size;
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal
        .draw(|frame| {
            draw(frame, state, look);
        })
        .unwrap();
    terminal
}

fn frame(state: &mut State, size: (u16, u16), look: Capabilities) -> String {
    let terminal = terminal(state, size, look);
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for line in buffer.content.chunks(usize::from(size.0)) {
        text += super::line_of(line).trim_end();
        text.push('\n');
    }
    text
}

/// Compares with the file of this name, in each of the three sizes.
fn expect(name: &str, state: &mut State) {
    for size in SIZES {
        let drawn = frame(state, size, FULL);
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!(
            "src/top/view/frames/{name}-{}x{}.txt",
            size.0, size.1
        ));
        if std::env::var_os("DETECTOR_BLESS").is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &drawn).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(drawn, expected, "{}", file.display());
    }
}

#[test]
fn before_the_agent_answers() {
    expect("waiting", &mut started());
}

#[test]
fn nothing_is_wrong() {
    expect("calm", &mut at_night(0));
}

#[test]
fn peers_under_attack() {
    expect("peers", &mut attacked());
}

#[test]
fn groups() {
    let mut state = attacked();
    press(&mut state, Key::Tab);
    assert_eq!(state.grouping(), Grouping::Net);
    expect("networks", &mut state);
}

#[test]
fn peers_of_many_hosts() {
    let mut state = attacked();
    state.is_of_fleet = true;
    state.table.rows[0].hosts = Some(3);
    press(&mut state, Key::Enter);
    assert!(state.note.is_some());
    expect("fleet", &mut state);
}

#[test]
fn the_page_of_a_peer() {
    let mut state = attacked();
    press(&mut state, Key::Enter);
    page(&mut state, 40);
    expect("peer", &mut state);
}

#[test]
fn the_page_of_a_connection() {
    let mut state = attacked();
    press(&mut state, Key::Enter);
    page(&mut state, 40);
    press(&mut state, Key::Enter);
    expect("connection", &mut state);
}

/// Where there is more room, histories are longer and nothing is left out for that.
#[test]
fn a_wider_terminal_shows_no_less_of_the_host() {
    let mut state = attacked();
    for columns in [120, 140, 160, 200] {
        let drawn = frame(&mut state, (columns, 24), FULL);
        for words in [
            "stalled 300",
            "pinned 120 MB",
            "connections",
            "own cost 0.3 %",
        ] {
            assert!(drawn.contains(words), "{columns}: {words}: {drawn}");
        }
    }
}

/// Numbers and names as long as they come: what does not fit beside another fact stands below it.
#[test]
fn nothing_of_a_connection_is_cut_off() {
    let mut state = attacked();
    press(&mut state, Key::Enter);
    page(&mut state, 3);
    for connection in &mut state.opened.page.as_mut().unwrap().detail.connections {
        let port = connection.remote.rsplit_once(':').unwrap().1;
        connection.remote = format!("[2001:db8:1234:5678:9abc:def0:1234:5678]:{port}");
        connection.local = "[2001:db8:1234:5678:9abc:def0:1234:9999]:443".to_owned();
        connection.state = "FIN-WAIT-1".to_owned();
        connection.is_orphan = true;
        connection.netns = 4_026_531_840;
        connection.retracted_bytes = 1_200_000;
        connection.retracted_max_bytes = 4_200_000;
        connection.window_shrinks.polite = 1_234_567;
        connection.retransmits.loss = 1_234_567;
        connection.processes[0].unit = Some(format!("pod:{}/nginx", "shop".repeat(20)));
    }
    press(&mut state, Key::Enter);
    for columns in [60, 80, 100, 120] {
        let drawn = frame(&mut state, (columns, 60), FULL);
        let said = [
            "FIN-WAIT-1, orphan",
            "1.2 MB now, 4.2 MB at most",
            "1234567/0/0 polite/below/treason",
            "1234567 loss, 0 tail, 0 window",
            "netns 4026531840",
            ":9999]:443",
            "httpd[7]",
            "  window █  highest edge ─  last ",
        ];
        for words in said {
            assert!(drawn.contains(words), "{columns}: {words}: {drawn}");
        }
        assert!(drawn.lines().all(|line| !line.ends_with('…')), "{drawn}");
    }
}

#[test]
fn help_menu_and_prompt() {
    let mut state = attacked();
    press(&mut state, Key::Char('?'));
    expect("help", &mut state);
    press(&mut state, Key::Esc);
    press(&mut state, Key::Char('s'));
    expect("menu", &mut state);
    press(&mut state, Key::Esc);
    press(&mut state, Key::Char('/'));
    type_text(&mut state, "pined>10M");
    press(&mut state, Key::Enter);
    expect("prompt", &mut state);
}

#[test]
fn the_past() {
    let mut night = Night::new(attacked());
    night.press(&[Key::Char('p'), Key::Char('M')]);
    expect("past", &mut night.state);
    night.press(&[Key::Enter]);
    expect("past-peer", &mut night.state);
    night.press(&[Key::Esc, Key::Char('t')]);
    expect("past-gap", &mut night.state);
}

#[test]
fn deeds_show_their_exact_effect() {
    let mut state = attacked();
    state.actions.are_allowed = true;
    press(&mut state, Key::Char('x'));
    rehearsed(&mut state, reset_result(40));
    expect("reset", &mut state);
    press(&mut state, Key::Esc);
    press(&mut state, Key::Char('b'));
    rehearsed(&mut state, block_result());
    type_text(&mut state, "no");
    press(&mut state, Key::Enter);
    expect("block", &mut state);
}

#[test]
fn an_agent_that_is_gone_is_told_in_one_line() {
    let mut state = attacked();
    let later = Now {
        seconds: 9.0,
        ..state.taken
    };
    state.take(
        later,
        Err("cannot reach the agent on /run/x: refused".to_owned()),
    );
    let drawn = frame(&mut state, (80, 24), FULL);
    assert!(drawn.contains("no answer since"), "{drawn}");
    assert!(drawn.contains("198.51.100.7"), "{drawn}");
}

#[test]
fn without_unicode_every_cell_is_ascii_and_without_colours_none_has_one() {
    let plain = Capabilities::PIPE;
    let mut state = attacked();
    press(&mut state, Key::Enter);
    page(&mut state, 40);
    for size in SIZES {
        let terminal = terminal(&mut state, size, plain);
        for cell in &terminal.backend().buffer().content {
            assert!(cell.symbol().is_ascii(), "{:?}", cell.symbol());
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        }
    }
}

#[test]
fn no_cell_has_a_background_and_the_cursor_is_reversed() {
    let mut state = attacked();
    let terminal = terminal(&mut state, (80, 24), FULL);
    let content = &terminal.backend().buffer().content;
    assert!(content.iter().all(|cell| cell.bg == Color::Reset));
    let reversed = content
        .iter()
        .filter(|cell| cell.modifier.contains(Modifier::REVERSED));
    assert_eq!(reversed.count(), 80);
}

#[test]
fn hostile_names_change_nothing_but_their_own_cell() {
    let hostile = [
        "\u{1b}[2J\u{1b}[31m\u{7}".to_owned(),
        "a\nb\r\tc\u{9b}31m".to_owned(),
        "\u{202e}gnp.exe\u{2066}".to_owned(),
        String::from_utf8_lossy(b"\xff\xfe\xc3(").into_owned(),
        "漢字".repeat(2_000),
        "x".repeat(4_096),
        "e\u{301}\u{301}\u{301}".repeat(500),
        "\u{200d}\u{feff}\u{e0041}".to_owned(),
    ];
    let quiet = {
        let mut state = attacked();
        frame(&mut state, (200, 60), FULL)
    };
    for name in hostile {
        let mut state = crate::top::state::tests::named(&detector_api::sanitize::text(&name));
        let drawn = frame(&mut state, (200, 60), FULL);
        let lines: Vec<_> = drawn.lines().zip(quiet.lines()).enumerate().collect();
        let changed: Vec<_> = lines
            .iter()
            .filter(|(_, (drawn, quiet))| drawn != quiet)
            .collect();
        // Its row; the heading and other rows may be moved by the width of its column.
        for (_, (line, _)) in &changed {
            assert!(crate::layout::width_of(line) <= 200, "{line}");
        }
        assert!(drawn.lines().count() == 60, "{name:?}");
        let has_bad = |character: char| {
            character.is_control() && character != '\n'
                || ('\u{202a}'..='\u{202e}').contains(&character)
        };
        assert!(!drawn.contains(has_bad), "{name:?}");
        assert!(drawn.contains("198.51.100.7"), "{name:?}");
    }
}

/// Reasons are words of others: of the recorder's file, of the agent, of the system.
#[test]
fn no_reason_hides_or_turns_what_is_drawn() {
    const EVIL: &str = "\u{202e}\u{1b}[2J\u{200b}";
    let of_note = |state: &mut State| state.note = Some(EVIL.to_owned());
    let of_link = |state: &mut State| state.take(Now::default(), Err(EVIL.to_owned()));
    let of_agent = |state: &mut State| state.facts.unready_reason = Some(EVIL.to_owned());
    let ways: [fn(&mut State); 3] = [of_note, of_link, of_agent];
    for told in ways {
        let mut state = attacked();
        told(&mut state);
        let drawn = frame(&mut state, (200, 60), FULL);
        assert!(drawn.contains("\u{fffd}\u{fffd}[2J\u{fffd}"), "{drawn}");
        assert!(!drawn.contains(['\u{202e}', '\u{1b}', '\u{200b}']));
    }
}

#[test]
fn any_size_can_be_drawn() {
    let mut states = [
        started(),
        at_night(3),
        attacked(),
        attacked(),
        attacked(),
        attacked(),
    ];
    press(&mut states[2], Key::Enter);
    page(&mut states[2], 3);
    press(&mut states[3], Key::Enter);
    page(&mut states[3], 3);
    press(&mut states[3], Key::Enter);
    press(&mut states[4], Key::Char('?'));
    press(&mut states[5], Key::Char('/'));
    type_text(&mut states[5], "漢字=");
    press(&mut states[5], Key::Enter);
    for state in &mut states {
        for columns in (1..90).step_by(3) {
            for lines in (1..40).step_by(2) {
                terminal(state, (columns, lines), FULL);
            }
        }
    }
}

#[test]
fn every_key_can_be_pressed_everywhere() {
    let keys = [
        Key::Enter,
        Key::Down,
        Key::PageDown,
        Key::Char('G'),
        Key::Char('g'),
        Key::Tab,
        Key::BackTab,
        Key::Char('s'),
        Key::Char('r'),
        Key::Right,
        Key::Left,
        Key::Char('/'),
        Key::Char('?'),
        Key::Esc,
        Key::Char(' '),
        Key::Ctrl('u'),
        Key::Backspace,
    ];
    for first in keys {
        for second in keys {
            for third in keys {
                let mut state = at_night(3);
                for key in [first, second, third] {
                    press(&mut state, key);
                    page(&mut state, 1);
                }
                terminal(&mut state, (60, 15), FULL);
                let _ = keys::of(Key::Esc, state.focus());
            }
        }
    }
}

#[test]
fn who_holds_memory_is_said_while_it_is_short() {
    let mut state = at_night(0);
    state.facts.is_tcp_memory_short = true;
    state.facts.tcp_memory_held = Some(HeldBytes {
        stalled_send: 4_200_000,
        receive: 520_000_000,
        ..HeldBytes::default()
    });
    let drawn = frame(&mut state, (80, 24), FULL);
    let line = "short of tcp memory:  not read by us 520 MB  stalled 4.2 MB";
    assert!(drawn.contains(line), "{drawn}");
}

#[test]
fn what_the_agent_gives_up_is_said() {
    let mut state = at_night(0);
    state.facts.given_up = vec![Saving::Timelines, Saving::Owners];
    let drawn = frame(&mut state, (200, 24), FULL);
    assert!(drawn.contains("gives up timelines owners"), "{drawn}");
}
