"""The endpoint on real sockets."""
