from __future__ import annotations

import pytest

from tenuto.client.sse import Message, Parser

STREAM = b"id: 1\ndata: one\n\n: still here\n\nevent: end\nid: 2\ndata: two\ndata: lines\n\n"
MESSAGES = [Message("1", "message", "one"), Message("2", "end", "two\nlines")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_messages_are_the_same_in_whatever_pieces_they_arrive(size: int) -> None:
    parser = Parser()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [message for piece in pieces for message in parser.feed(piece)] == MESSAGES


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_carriage_returns_before_line_ends_are_no_part_of_the_data(size: int) -> None:
    stream = STREAM.replace(b"\n", b"\r\n")
    parser = Parser()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [message for piece in pieces for message in parser.feed(piece)] == MESSAGES


def test_a_half_message_does_not_count_as_received() -> None:
    parser = Parser()
    list(parser.feed(b"id: 1\ndata: one\n\nid: 2\ndata: tw"))
    assert parser.last_id == "1"


def test_after_a_restart_the_rest_of_a_half_message_is_forgotten() -> None:
    parser = Parser()
    list(parser.feed(b"id: 1\ndata: one\n\nid: 2\nevent: odd\ndata: tw"))
    parser.restart()
    assert list(parser.feed(b"data: fresh\n\n")) == [Message("1", "message", "fresh")]


def test_a_message_without_an_id_keeps_the_last_one() -> None:
    parser = Parser()
    messages = list(parser.feed(b"id: 7\ndata: a\n\ndata: b\n\n"))
    assert [message.id for message in messages] == ["7", "7"]


def test_the_pause_that_the_server_asks_for_is_read() -> None:
    parser = Parser()
    list(parser.feed(b"retry: 40\n\nretry: soon\n\n"))
    assert parser.retry_ms == 40


def test_text_in_several_bytes_a_character_survives_being_cut_apart() -> None:
    parser = Parser()
    data = "data: größer ✓\n\n".encode()
    assert [m.data for at in range(len(data)) for m in parser.feed(data[at : at + 1])] == ["größer ✓"]
