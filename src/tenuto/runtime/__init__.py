"""The local host: one process that owns executions, decides, commits, and only then acts."""
