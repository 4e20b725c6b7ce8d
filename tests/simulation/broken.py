"""What the witness raises."""


class Broken(AssertionError):
    """A promise was broken."""
