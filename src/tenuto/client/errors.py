"""What a call can end in besides an answer: the server said no (`ApiError`), or nobody answered (`ServerUnreachable`)."""

from __future__ import annotations

from typing import Any

from tenuto.errors import Problem, TenutoError


class ServerUnreachable(TenutoError):
    """No answer from the server: nothing listens, the connection broke, or the time was up. Whether the server
    carried out the request is unknown; starting again with the same `execution_id` or `idempotency_key` is safe."""

    def __init__(self, url: str, why: str) -> None:
        self.url = url
        self.why = why
        super().__init__(f"No Tenuto server answers at {url}: {why}.")


class ApiError(TenutoError):
    """The server refused. `status` is the HTTP status, `problem` the problem document (RFC 9457) as it was sent,
    `errors` the places it names, `retry_after_s` what the server asked for, if it did."""

    def __init__(self, status: int, problem: dict[str, Any], retry_after_s: int | None = None) -> None:
        self.status = status
        self.problem = problem
        self.retry_after_s = retry_after_s
        self.errors = [_problem(item) for item in problem.get("errors") or () if isinstance(item, dict)]
        super().__init__(self._message())

    def _message(self) -> str:
        if len(self.errors) > 1:
            title = self.problem.get("title") or f"The server answered {self.status}"
            return "\n".join(
                [f"{title}, {len(self.errors)} problems:", *(f"  {_line(e)}" for e in self.errors)]
            )
        for key in ("error", "detail", "title"):
            if text := self.problem.get(key):
                return str(text)
        return f"The server answered {self.status}."


def _problem(item: dict[str, Any]) -> Problem:
    return Problem(str(item.get("path", "")), str(item.get("code", "")), str(item.get("message", "")))


def _line(problem: Problem) -> str:
    return f"{problem.path}: {problem.message}" if problem.path else problem.message
