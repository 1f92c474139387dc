//! The paths that Rust source names: those of `use`, with their trees, and those that begin with `crate`, `self` or `super`
//! anywhere else. Comments and literals are left out.

/// One path as the source writes it, without the name that `as` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) line: usize,
    /// The modules around it that are written in the same file.
    pub(super) inside: Vec<String>,
    pub(super) segments: Vec<String>,
    /// The name that a `use` gives it in its module.
    pub(super) bound_as: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Join,
    Mark(char),
}

struct Lexer {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
    line: usize,
    tokens: Vec<(usize, Token)>,
}

impl Lexer {
    fn run(source: &str) -> Vec<(usize, Token)> {
        let rest = source.chars().collect::<Vec<_>>().into_iter().peekable();
        let mut lexer = Self { rest, line: 1, tokens: Vec::new() };
        while let Some(c) = lexer.next() {
            lexer.token(c);
        }
        lexer.tokens
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next();
        self.line += usize::from(c == Some('\n'));
        c
    }

    fn next_is(&mut self, expected: char) -> bool {
        self.rest.peek() == Some(&expected)
    }

    fn token(&mut self, c: char) {
        match c {
            '/' if self.next_is('/') => while self.next().is_some_and(|c| c != '\n') {},
            '/' if self.next_is('*') => self.skip_comment(),
            '"' => self.skip_until('"'),
            '\'' => self.skip_character(),
            ':' if self.next_is(':') => {
                self.next();
                self.push(Token::Join);
            }
            c if is_word(c) => self.word(c),
            c if c.is_whitespace() => {}
            c => self.push(Token::Mark(c)),
        }
    }

    fn push(&mut self, token: Token) {
        self.tokens.push((self.line, token));
    }

    /// Block comments nest.
    fn skip_comment(&mut self) {
        self.next();
        let mut depth = 1;
        while depth > 0 {
            match self.next() {
                Some('*') if self.next_is('/') => depth -= 1,
                Some('/') if self.next_is('*') => depth += 1,
                Some(_) => continue,
                None => return,
            }
            self.next();
        }
    }

    fn skip_until(&mut self, end: char) {
        while let Some(c) = self.next() {
            match c {
                '\\' => drop(self.next()),
                c if c == end => return,
                _ => {}
            }
        }
    }

    /// A character literal, or the quote of a lifetime.
    fn skip_character(&mut self) {
        let mut ahead = self.rest.clone();
        let first = ahead.next();
        if first == Some('\\') || ahead.next() == Some('\'') {
            self.skip_until('\'');
        }
    }

    fn word(&mut self, first: char) {
        let mut word = String::from(first);
        while let Some(c) = self.rest.next_if(|c| is_word(*c)) {
            word.push(c);
        }
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        if raw && (self.next_is('"') || self.next_is('#')) {
            self.skip_raw();
        } else {
            self.push(Token::Word(word));
        }
    }

    /// A raw string after its `r`; after `r#` of a raw identifier, nothing.
    fn skip_raw(&mut self) {
        let mut hashes = 0;
        while self.rest.next_if_eq(&'#').is_some() {
            hashes += 1;
        }
        if self.rest.next_if_eq(&'"').is_none() {
            return;
        }
        let mut seen = None;
        while seen != Some(hashes) {
            seen = match self.next() {
                Some('"') => Some(0),
                Some('#') => seen.map(|seen| seen + 1),
                Some(_) => None,
                None => return,
            };
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    /// One entry for each open brace; a module's has its name.
    braces: Vec<Option<String>>,
    found: Vec<Reference>,
}

/// All paths of this source.
pub(super) fn references(source: &str) -> Vec<Reference> {
    let mut parser = Parser { tokens: Lexer::run(source), at: 0, braces: Vec::new(), found: Vec::new() };
    while let Some(token) = parser.peek(0).cloned() {
        parser.item(&token);
    }
    parser.found
}

impl Parser {
    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(_, token)| token)
    }

    fn peek_word(&self, ahead: usize) -> Option<&str> {
        match self.peek(ahead) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn item(&mut self, token: &Token) {
        let follows_join = self.at > 0 && self.tokens[self.at - 1].1 == Token::Join;
        match token {
            Token::Mark('{') => {
                self.braces.push(self.module_name());
                self.at += 1;
            }
            Token::Mark('}') => {
                self.braces.pop();
                self.at += 1;
            }
            // `use<>` lists what an `impl Trait` captures.
            Token::Word(word) if word == "use" && self.peek(1) != Some(&Token::Mark('<')) => {
                self.at += 1;
                self.tree(&[]);
            }
            Token::Word(_) if !follows_join && self.peek(1) == Some(&Token::Join) => self.path(),
            _ => self.at += 1,
        }
    }

    /// The name of the module that this brace opens, if it does.
    fn module_name(&self) -> Option<String> {
        let before = self.at.checked_sub(2)?;
        match (&self.tokens[before].1, &self.tokens[before + 1].1) {
            (Token::Word(keyword), Token::Word(name)) if keyword == "mod" => Some(name.clone()),
            _ => None,
        }
    }

    fn add(&mut self, line: usize, segments: Vec<String>, bound_as: Option<String>) {
        let inside = self.braces.iter().flatten().cloned().collect();
        self.found.push(Reference { line, inside, segments, bound_as });
    }

    /// A path in code.
    fn path(&mut self) {
        let line = self.tokens[self.at].0;
        let mut segments = Vec::new();
        while let Some(word) = self.peek_word(0) {
            segments.push(word.to_owned());
            self.at += 1;
            if self.peek(0) != Some(&Token::Join) || self.peek_word(1).is_none() {
                break;
            }
            self.at += 1;
        }
        self.add(line, segments, None);
    }

    /// A tree of `use`, or a branch of one.
    fn tree(&mut self, prefix: &[String]) {
        let mut segments = prefix.to_vec();
        loop {
            let Some((line, token)) = self.tokens.get(self.at).cloned() else { return };
            match token {
                Token::Word(word) => segments.push(word),
                Token::Join => {}
                Token::Mark('{') => return self.branches(&segments),
                Token::Mark('*') => {
                    self.at += 1;
                    return self.add(line, segments, None);
                }
                Token::Mark(_) => return,
            }
            self.at += 1;
            if self.peek(0) != Some(&Token::Join) && matches!(self.tokens[self.at - 1].1, Token::Word(_)) {
                return self.leaf(line, segments);
            }
        }
    }

    fn branches(&mut self, prefix: &[String]) {
        self.at += 1;
        while !matches!(self.peek(0), None | Some(Token::Mark('}'))) {
            self.tree(prefix);
            if self.peek(0) == Some(&Token::Mark(',')) {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    fn leaf(&mut self, line: usize, mut segments: Vec<String>) {
        if segments.len() > 1 {
            segments.pop_if(|last| last == "self");
        }
        let mut name = segments.last().cloned();
        if self.peek_word(0) == Some("as") {
            name = self.peek_word(1).map(str::to_owned);
            self.at += 2;
        }
        self.add(line, segments, name);
    }
}
