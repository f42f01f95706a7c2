//! Logs in UTF-16, as the shell of Windows writes what it is told to put into a file.

/// Two bytes are a unit, one or two units a character; pieces may end within either.
pub(super) struct Utf16 {
    is_big: bool,
    /// The first byte of a unit.
    byte: Option<u8>,
    /// The first unit of a character.
    unit: Option<u16>,
}

impl Utf16 {
    /// If the mark of this encoding stands first; without the mark.
    pub(super) fn begin(start: &[u8]) -> Option<(Self, &[u8])> {
        let (is_big, rest) = match start {
            [0xff, 0xfe, rest @ ..] => (false, rest),
            [0xfe, 0xff, rest @ ..] => (true, rest),
            _ => return None,
        };
        let decoder = Self {
            is_big,
            byte: None,
            unit: None,
        };
        Some((decoder, rest))
    }

    /// The text in a piece.
    pub(super) fn decode(&mut self, piece: &[u8]) -> String {
        let mut units: Vec<u16> = self.unit.take().into_iter().collect();
        for &byte in piece {
            match self.byte.take() {
                None => self.byte = Some(byte),
                Some(first) if self.is_big => units.push(u16::from_be_bytes([first, byte])),
                Some(first) => units.push(u16::from_le_bytes([first, byte])),
            }
        }
        let is_first = |unit: &u16| (0xd800..0xdc00).contains(unit);
        self.unit = units.pop_if(|unit| is_first(unit));
        char::decode_utf16(units)
            .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Utf16;

    #[test]
    fn pieces_of_any_size_give_the_same_text() {
        let text = "TCP: out of memory\r\n[\u{1f4a5}] größe\n";
        for is_big in [false, true] {
            let bytes: Vec<u8> = std::iter::once(0xfeff)
                .chain(text.encode_utf16())
                .flat_map(|unit: u16| {
                    if is_big {
                        unit.to_be_bytes()
                    } else {
                        unit.to_le_bytes()
                    }
                })
                .collect();
            let (_, rest) = Utf16::begin(&bytes).unwrap();
            for size in 1..7 {
                let (mut decoder, _) = Utf16::begin(&bytes).unwrap();
                let decoded: String = rest
                    .chunks(size)
                    .map(|piece| decoder.decode(piece))
                    .collect();
                assert_eq!(decoded, text);
            }
        }
        assert!(Utf16::begin(b"TCP").is_none());
    }
}
