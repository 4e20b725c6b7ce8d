import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from tenuto.observability.logs import configure_logs


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_each_event_is_one_line_of_json() -> None:
    out = io.StringIO()
    configure_logs("info", "json", out)
    structlog.get_logger("tenuto").info("listening", url="http://127.0.0.1:3000", odd="a\nb")
    [line] = logged(out)
    assert (line["event"], line["level"], line["url"], line["odd"]) == (
        "listening",
        "info",
        "http://127.0.0.1:3000",
        "a\nb",
    )
    assert str(line["timestamp"]).endswith("Z")


def test_what_is_below_the_level_is_left_out() -> None:
    out = io.StringIO()
    configure_logs("warning", "json", out)
    structlog.get_logger().info("small talk")
    logging.getLogger("uvicorn.error").info("more small talk")
    structlog.get_logger().warning("the disk is full")
    assert [line["event"] for line in logged(out)] == ["the disk is full"]


def test_values_with_secret_names_are_blank() -> None:
    out = io.StringIO()
    configure_logs("info", "json", out)
    structlog.get_logger().info("sent", webhook_secret="whsec_1", Authorization="Bearer x", url="u")
    [line] = logged(out)
    assert (line["webhook_secret"], line["Authorization"], line["url"]) == ("***", "***", "u")


def test_the_standard_librarys_messages_have_the_same_form() -> None:
    out = io.StringIO()
    configure_logs("info", "json", out)
    logging.getLogger("uvicorn.error").warning("could not %s", "listen")
    [line] = logged(out)
    assert (line["event"], line["level"]) == ("could not listen", "warning")


def test_an_exception_is_one_line_too_and_tells_no_values() -> None:
    out = io.StringIO()
    configure_logs("info", "json", out)
    context = {"card": "4111111111111111"}
    try:
        raise ValueError(f"odd: {len(context)}")
    except ValueError:
        structlog.get_logger().error("failed", exc_info=True)
    [line] = logged(out)
    assert "ValueError" in json.dumps(line["exception"])
    assert "4111" not in out.getvalue()


def test_people_get_plain_text_without_a_terminal_in_console_form() -> None:
    out = io.StringIO()
    configure_logs("info", "console", out)
    structlog.get_logger().info("listening", url="u")
    assert "listening" in out.getvalue()
    assert "\x1b" not in out.getvalue()
