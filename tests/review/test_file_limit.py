"""A server may keep as many connections open as the system allows."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
from tenuto.bootstrap import server
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096))
server.raise_file_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_serving_raises_the_soft_limit_of_open_files_to_the_hard_one() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout.split() == ["4096", "4096"]
