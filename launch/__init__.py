"""The command line: the only place with flags and with printing for people."""
