"""Benchmarks that are no part of the installed package. `tenuto bench` measures Tenuto itself."""
