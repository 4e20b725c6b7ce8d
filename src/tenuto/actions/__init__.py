"""The work that steps can name: one file per built-in action, the executors of users, and the registry of both."""
