"""`tenuto demo`: stand-in services on loopback, example workflows run against them, and a server killed in the middle."""
