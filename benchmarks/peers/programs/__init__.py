"""One program per engine: it brings its server up on loopback, measures one repetition, prints one line of JSON and
takes the server down. Programs run in the environment of their engine and so import nothing of Tenuto.
"""
