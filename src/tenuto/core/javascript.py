"""Splits JavaScript source into tokens: enough to find the end of an expression and the names it uses. It never
decides whether source is valid (the script engine does), and says so where only a parser could know what it sees.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

TokenKind = Literal["name", "number", "string", "template", "regex", "mark"]

STEP_ROOTS = frozenset({"context", "steps"})
"""Names whose first segment may be a step id, and so may be written with hyphens and dots."""

LONGEST_ID = 128

OPENING = {"(": ")", "[": "]", "{": "}", "${": "}"}
CLOSING = frozenset(")]}")


class Token(NamedTuple):
    """A piece of source at [start, end). A step id written with hyphens is one `name`. The text of a template literal
    is of kind `template`; the `${` and `}` around an expression in it are marks."""

    kind: TokenKind
    text: str
    start: int
    end: int


class Unreadable(NamedTuple):
    """Why and where (an index) source could not be split into tokens."""

    message: str
    at: int


class Tokens(NamedTuple):
    """What was read: the tokens, the index where reading stopped, why if that was too soon, and whether every `/`
    was surely told apart from the start of a regular expression."""

    tokens: list[Token]
    end: int
    problem: Unreadable | None
    is_certain: bool


# Groups are never repeated possessively here: Python before 3.11.5 gets that wrong (gh-106052). Their parts begin with
# different characters, so giving some back on a failure costs no more than having taken them.
_NUMBER = (
    r"(?:0[xXoObB]\w++|\d[\d_]*+(?:\.[\d_]++|\.(?![\w$.]))?(?:[eE][+-]?\d++)?|\.\d[\d_]*+(?:[eE][+-]?\d++)?)"
)
_TOKEN = re.compile(
    rf"""(?P<space>[\s\ufeff]++|//[^\n\r\u2028\u2029]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*\*/)
    |(?P<name>(?:[^\W\d]|[$\#@\\])[\w$\\\u200c\u200d]*+)
    |(?P<number>{_NUMBER}\w*+)
    |(?P<string>"[^"\\\n\r]*+(?:\\[\s\S][^"\\\n\r]*+)*"|'[^'\\\n\r]*+(?:\\[\s\S][^'\\\n\r]*+)*')
    |(?P<mark>\?\.(?!\d)|\?\?=|\?\?|=>|\.\.\.|===|!==|==|!=|<=|>=|&&=|\|\|=|&&|\|\||\+\+|--|\*\*|[-+*%&|^]=|[\s\S])
    """,
    re.VERBOSE,
)
_REGEX = re.compile(r"/(?![*/])(?:[^/\\\[\n\r]++|\\.|\[[^\]\\\n\r]*+(?:\\.[^\]\\\n\r]*+)*\])+/\w*+")
_CHUNK = re.compile(r"[^`\\$]*+(?:(?:\\[\s\S]|\$(?!\{))[^`\\$]*+)*")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*+")
_IDENTIFIER = re.compile(r"(?:[^\W\d]|[$_])[\w$]*+")
_WORDS_BEFORE_REGEX = frozenset({
    "return", "typeof", "instanceof", "in", "of", "new", "delete", "void", "throw", "case", "do",
    "else", "yield", "await", "default", "extends",
})  # fmt: skip


def tokenize(
    source: str, start: int = 0, known_ids: frozenset[str] = frozenset(), *, until_close: bool = False
) -> Tokens:
    """Split source into tokens, without white space and comments. With `until_close` it stops at the first `}` that
    closes nothing. `known_ids` are step ids: `context.a-b` names one segment where `a-b` is among them."""
    lexer = _Lexer(source, start, known_ids)
    lexer.read(until_close)
    return Tokens(lexer.tokens, lexer.at, lexer.problem, lexer.is_certain and lexer.problem is None)


def is_identifier(text: str) -> bool:
    """Whether the text can stand after a dot in JavaScript."""
    return _IDENTIFIER.fullmatch(text) is not None


class _Lexer:
    def __init__(self, source: str, start: int, known_ids: frozenset[str]) -> None:
        self.source = source
        self.at = start
        self.known_ids = known_ids
        self.tokens: list[Token] = []
        self.problem: Unreadable | None = None
        self.is_certain = True
        self._open: list[Token] = []

    def read(self, until_close: bool) -> None:
        while self.at < len(self.source) and self.problem is None:
            found = _TOKEN.match(self.source, self.at)
            assert found is not None, "the last alternative matches any character"
            kind, text = found.lastgroup, found.group()
            if self.known_ids and (self._take_step_id() or self._take_dot_before_digit()):
                continue
            if kind == "space":
                self.at = found.end()
            elif kind == "name":
                self._add("name", text)
            elif kind == "number":
                self._add("number", text)
            elif kind == "string":
                self._add("string", text)
            elif text == "}" and not self._open and until_close:
                return
            else:
                self._take_mark(text)
        if self._open and self.problem is None:
            last = self._open[-1]
            self.problem = Unreadable(f"`{last.text}` is never closed", last.start)

    def _add(self, kind: TokenKind, text: str) -> None:
        end = self.at + len(text)
        self.tokens.append(Token(kind, text, self.at, end))
        self.at = end

    def _take_mark(self, text: str) -> None:
        if text == "`":
            self._take_chunk(self.at + 1)
        elif text == "/":
            self._take_slash()
        elif text in {'"', "'"}:
            self.problem = Unreadable("a string has no end", self.at)
        elif text in CLOSING:
            self._take_closing(text)
        else:
            self._add("mark", text)
            if text in OPENING:
                self._open.append(self.tokens[-1])

    def _take_chunk(self, inside: int) -> None:
        """Text of a template literal, from its backtick (or from behind the `}` of an expression in it) on; `inside`
        is where its own characters begin."""
        begin = self.at
        chunk = _CHUNK.match(self.source, inside)
        assert chunk is not None, "a chunk may be empty"
        end = chunk.end()
        if self.source.startswith("`", end):
            self._add("template", self.source[begin : end + 1])
        elif self.source.startswith("${", end):
            self._add("template", self.source[begin:end])
            self._add("mark", "${")
            self._open.append(self.tokens[-1])
        else:
            self.problem = Unreadable("a template literal has no end", begin)

    def _take_closing(self, text: str) -> None:
        if not self._open:
            self.problem = Unreadable(f"`{text}` closes nothing", self.at)
            return
        if OPENING[self._open[-1].text] != text:
            self.problem = Unreadable(f"`{self._open[-1].text}` is never closed", self._open[-1].start)
            return
        opened = self._open.pop()
        self._add("mark", text)
        if opened.text == "${":
            self._take_chunk(self.at)

    def _take_slash(self) -> None:
        if self.source.startswith("/*", self.at):
            self.problem = Unreadable("a comment has no end", self.at)
        elif not self._regex_may_start():
            if self.tokens[-1].text == "}":
                self.is_certain = False  # the end of a block or of an object: only a parser knows
            self._add("mark", "/")
        elif found := _REGEX.match(self.source, self.at):
            self._add("regex", found.group())
        else:
            self.problem = Unreadable("a regular expression has no end", self.at)

    def _regex_may_start(self) -> bool:
        if not self.tokens:
            return True
        last = self.tokens[-1]
        if last.kind == "mark":
            return last.text not in {")", "]", "}", "++", "--"}
        return last.kind == "name" and last.text in _WORDS_BEFORE_REGEX

    def _take_step_id(self) -> bool:
        """Take the step id that stands here after `context.` or `steps.` if JavaScript would not read it whole."""
        run = _ID.match(self.source, self.at) if self._follows_step_root() else None
        if run is None:
            return False
        text = run.group()
        name = _IDENTIFIER.match(text)
        plain = name.group() if name else ""
        for end in range(min(len(text), LONGEST_ID), len(plain), -1):
            if (end == len(text) or text[end] in ".-") and text[:end] in self.known_ids:
                if plain in self.known_ids and text[len(plain)] == ".":
                    return False  # `context.a.b` with steps `a` and `a.b`: the ordinary reading
                self._add("name", text[:end])
                return True
        return False

    def _take_dot_before_digit(self) -> bool:
        """Take the dot of `context.2nd`, which would otherwise begin a number."""
        follows_root = bool(self.tokens) and self.tokens[-1].text in STEP_ROOTS
        if not follows_root or not self.source.startswith(".", self.at):
            return False
        self._add("mark", ".")
        return True

    def _follows_step_root(self) -> bool:
        tokens = self.tokens
        if len(tokens) < 2 or tokens[-1].text not in {".", "?."} or tokens[-2].text not in STEP_ROOTS:
            return False
        return len(tokens) == 2 or tokens[-3].text not in {".", "?."}
