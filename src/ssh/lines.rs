//! Bytes, as they come, into lines.

/// What is longer comes in several pieces: no host gets to fill our memory.
const LONGEST: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    pub(super) fn push(&mut self, mut data: &[u8], mut on_line: impl FnMut(&str)) {
        while let Some(end) = data.iter().position(|b| *b == b'\n') {
            self.extend(&data[..end], &mut on_line);
            self.emit(&mut on_line);
            data = &data[end + 1..];
        }
        self.extend(data, &mut on_line);
    }

    /// The last line, where it has no newline.
    pub(super) fn finish(mut self, mut on_line: impl FnMut(&str)) {
        if !self.rest.is_empty() {
            self.emit(&mut on_line);
        }
    }

    fn extend(&mut self, mut data: &[u8], on_line: &mut impl FnMut(&str)) {
        while self.rest.len() + data.len() > LONGEST {
            let (now, later) = data.split_at(LONGEST - self.rest.len());
            self.rest.extend_from_slice(now);
            data = later;
            // A character that the cut would split stays for the next piece.
            let cut =
                self.rest.iter().rposition(|b| b & 0xC0 != 0x80).filter(|at| *at + 4 > LONGEST && *at > 0);
            let kept = self.rest.split_off(match cut {
                Some(at) if std::str::from_utf8(&self.rest[at..]).is_err() => at,
                _ => LONGEST,
            });
            self.emit(on_line);
            self.rest = kept;
        }
        self.rest.extend_from_slice(data);
    }

    fn emit(&mut self, on_line: &mut impl FnMut(&str)) {
        let line = self.rest.strip_suffix(b"\r").unwrap_or(&self.rest);
        on_line(&String::from_utf8_lossy(line));
        self.rest.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece, |line| out.push(line.to_owned()));
        }
        lines.finish(|line| out.push(line.to_owned()));
        out
    }

    #[test]
    fn lines_however_they_are_cut() {
        assert_eq!(lines(&[b"a\nb", b"c\r\n\n", b"d"]), ["a", "bc", "", "d"]);
        assert_eq!(lines(&[b"a\n"]), ["a"]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
        assert!(lines(&[b""]).is_empty());
    }

    #[test]
    fn overlong_lines_come_in_pieces_of_whole_characters() {
        let text = format!("x{}", "ä".repeat(LONGEST));
        let pieces = lines(&[text.as_bytes(), b"\n"]);
        assert_eq!(pieces.len(), 3);
        assert!(pieces.iter().all(|piece| piece.len() <= LONGEST && !piece.contains('\u{fffd}')));
        assert_eq!(pieces.concat(), text);
    }

    proptest! {
        #[test]
        fn the_cuts_do_not_matter(text in "[a-zä\n]{0,200}", cut in 0usize..200) {
            let cut = cut.min(text.len());
            let (head, tail) = text.as_bytes().split_at(cut);
            prop_assert_eq!(lines(&[head, tail]), lines(&[text.as_bytes()]));
        }
    }
}
