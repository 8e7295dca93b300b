"""Tests of media/rpc."""
