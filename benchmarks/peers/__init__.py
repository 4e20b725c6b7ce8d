"""The same work on other durable engines, each installed into an environment of its own under .bench/peers and
measured in turns with Tenuto. `python -m benchmarks.peers --help` tells how.
"""
