"""The benchmark of this machine: starts a server of its own, puts load on it and prints one table of figures with
their goals. Everything it needs is part of the installed package.
"""
