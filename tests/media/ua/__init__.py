"""The user agent without I/O, in virtual time."""
